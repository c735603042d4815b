/* SPDX-License-Identifier: Apache-2.0 */
#include "plc_host.h"

#include <string.h>

static void put(void *image, plc_target target, uint64_t bits) {
    memcpy((uint8_t *)image + target.offset, &bits, target.size);
}

static uint64_t get(const void *image, plc_target target) {
    uint64_t bits = 0;
    memcpy(&bits, (const uint8_t *)image + target.offset, target.size);
    return bits;
}

static int64_t milliseconds(int64_t ns) {
    int64_t ms = (ns + 500000) / 1000000;
    return ms < INT16_MAX ? ms : INT16_MAX;
}

static int64_t floored(int64_t a, int64_t b) { return a / b - (a % b < 0); }

/* Year, month and day of a day since 1970, counted in eras of 400 years that begin in March. */
static int64_t calendar(int64_t code, int64_t days) {
    int64_t shifted = days + 719468, era = floored(shifted, 146097);
    int64_t day_of_era = shifted - era * 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    int64_t year = year_of_era + era * 400 + (month >= 10);
    switch (code) {
    case PLC_POINT_YEAR: return year;
    case PLC_POINT_YEAR_2: return year % 100;
    case PLC_POINT_MONTH: return month < 10 ? month + 3 : month - 9;
    case PLC_POINT_DAY: return day_of_year - (153 * month + 2) / 5 + 1;
    default: return (days % 7 + 11) % 7 + 1; /* 1970 began on a Thursday */
    }
}

/* The day since 1970 of a date: `calendar` the other way round. */
static int64_t day_number(int64_t year, int64_t month, int64_t day) {
    int64_t shifted = year - (month <= 2), era = floored(shifted, 400), year_of_era = shifted - era * 400;
    int64_t day_of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

#define DAY_US INT64_C(86400000000)

bool plc_set_date(plc_clock *clock, int64_t year, int64_t month, int64_t day) {
    if (year < 1 || year > 9999 || month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    int64_t days = day_number(year, month, day);
    if (calendar(PLC_POINT_DAY, days) != day)
        return false;
    clock->rtc_us += (days - floored(clock->rtc_us, DAY_US)) * DAY_US;
    return true;
}

bool plc_set_time(plc_clock *clock, int64_t hour, int64_t minute, int64_t second) {
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
        return false;
    int64_t day = floored(clock->rtc_us, DAY_US);
    clock->rtc_us = day * DAY_US + ((hour * 60 + minute) * 60 + second) * 1000000;
    return true;
}

static int64_t shown(const plc_clock *clock, const plc_point *point, int64_t dt) {
    int64_t seconds = floored(clock->rtc_us + (clock->time_ns - clock->rtc_ns) / 1000, 1000000);
    int64_t days = floored(seconds, 86400), second = seconds - days * 86400;
    switch (point->code) {
    case PLC_POINT_CLOCK: return clock->time_ns / point->parameter % 2;
    case PLC_POINT_FIRST_SCAN: return clock->scan_id == 0;
    case PLC_POINT_TOGGLE: return clock->scan_id % 2;
    case PLC_POINT_COUNTER: return clock->scan_id < INT32_MAX ? clock->scan_id : INT32_MAX;
    case PLC_POINT_TIME: return milliseconds(dt);
    case PLC_POINT_SHORTEST: return milliseconds(clock->shortest_ns);
    case PLC_POINT_LONGEST: return milliseconds(clock->longest_ns);
    case PLC_POINT_HOUR: return second / 3600;
    case PLC_POINT_MINUTE: return second / 60 % 60;
    case PLC_POINT_SECOND: return second % 60;
    case PLC_POINT_CONSTANT: return point->parameter;
    default: return calendar(point->code, days);
    }
}

static void force(const plc_host *host) {
    for (int64_t n = 0; n < host->force_count; n++)
        put(host->image, host->forces[n].target, host->forces[n].bits);
}

static void feed(plc_host *host) {
    if (host->feed_rows == 0)
        return;
    const uint64_t *row = host->feed + host->row * host->input_count;
    for (int64_t n = 0; n < host->input_count; n++)
        put(host->image, host->inputs[n], row[n]);
    host->row = (host->row + 1) % host->feed_rows;
}

static bool paused(const plc_host *host) {
    for (int64_t n = 0; n < host->pause_count; n++)
        if (get(host->image, host->pauses[n]) != 0)
            return true;
    return false;
}

int64_t plc_run(plc_host *host, int64_t scans, int64_t dt) {
    plc_clock *clock = &host->clock;
    for (int64_t scan = 0; scan < scans; scan++) {
        if (paused(host))
            return scan;
        memset((uint8_t *)host->image + host->entry->faults, 0, 3);
        feed(host);
        for (int64_t n = 0; n < host->point_count; n++)
            put(host->image, host->points[n].target, (uint64_t)shown(clock, &host->points[n], dt));
        force(host);
        host->entry->logic(host->image, dt);
        force(host);
        host->entry->edges(host->image);
        clock->shortest_ns = clock->scan_id == 0 || dt < clock->shortest_ns ? dt : clock->shortest_ns;
        clock->longest_ns = dt > clock->longest_ns ? dt : clock->longest_ns;
        clock->time_ns += dt;
        clock->scan_id++;
    }
    return scans;
}

static double number(const uint8_t *cell, char code) {
    int64_t whole = 0;
    int32_t dint;
    int16_t integer;
    uint16_t word;
    float real;
    switch (code) {
    case 'q': memcpy(&whole, cell, sizeof whole); return (double)whole;
    case 'i': memcpy(&dint, cell, sizeof dint); return dint;
    case 'h': memcpy(&integer, cell, sizeof integer); return integer;
    case 'H': memcpy(&word, cell, sizeof word); return word;
    case 'f': memcpy(&real, cell, sizeof real); return (double)real;
    default: return *cell;
    }
}

int64_t plc_changes(const plc_map *map, const uint8_t *image, uint8_t *kept, int32_t *changed, double *numbers) {
    int64_t count = 0;
    for (int64_t start = 0; start < map->size; start += 8) {
        uint64_t now, was;
        memcpy(&now, image + start, 8);
        memcpy(&was, kept + start, 8);
        if (now == was)
            continue;
        for (int64_t n = start; n < start + 8; n++) {
            int32_t slot = map->slots[n];
            if (image[n] == kept[n] || (count > 0 && changed[count - 1] == slot))
                continue;
            numbers[count] = number(image + map->offsets[slot], map->codes[slot]);
            changed[count++] = slot;
        }
        memcpy(kept + start, image + start, 8);
    }
    return count;
}
