/* SPDX-License-Identifier: Apache-2.0
 *
 * A host for programs of plc_entry.h: scans by the thousand, each with its inputs, system points and forces, and the
 * list of the cells that it changed. pilotlight.plc.native.host has the same structures for Python.
 */
#ifndef PILOTLIGHT_PLC_HOST_H
#define PILOTLIGHT_PLC_HOST_H

#include "plc_entry.h"

#include <stdbool.h>

/* Where a number goes, and its bytes, the lowest first. */
typedef struct {
    uint32_t offset, size;
} plc_target;

typedef struct {
    plc_target target;
    uint64_t bits;
} plc_write;

/* A system point that shows the host's clock or counters. */
enum {
    PLC_POINT_CONSTANT, /* parameter */
    PLC_POINT_CLOCK,    /* parameter: half of the period in ns */
    PLC_POINT_FIRST_SCAN,
    PLC_POINT_TOGGLE,
    PLC_POINT_COUNTER,
    PLC_POINT_TIME, /* ms of this scan */
    PLC_POINT_SHORTEST,
    PLC_POINT_LONGEST,
    PLC_POINT_YEAR,
    PLC_POINT_YEAR_2,
    PLC_POINT_MONTH,
    PLC_POINT_DAY,
    PLC_POINT_WEEKDAY, /* Sunday is 1 */
    PLC_POINT_HOUR,
    PLC_POINT_MINUTE,
    PLC_POINT_SECOND,
};

typedef struct {
    plc_target target;
    int64_t code, parameter;
} plc_point;

/* The clock and the counters of a machine, between two scans. */
typedef struct {
    int64_t scan_id;  /* scans made */
    int64_t time_ns;  /* simulated time */
    int64_t rtc_us;   /* local date and time, in us since 1970, that the clock had … */
    int64_t rtc_ns;   /* … at this simulated time */
    int64_t shortest_ns, longest_ns;
} plc_clock;

typedef struct {
    const plc_entry *entry;
    void *image;
    plc_clock clock;
    const plc_point *points;
    const plc_write *forces;
    const plc_target *inputs;
    const uint64_t *feed;     /* a row of input_count numbers a scan; after the last row the first again */
    const plc_target *pauses; /* cells that, when they are not 0, end a run before the scan that would see them */
    int64_t point_count, force_count, input_count, feed_rows, pause_count;
    int64_t row; /* of the feed, for the next scan */
} plc_host;

/* Make up to `scans` scans of `dt` ns each; how many were made. */
__attribute__((visibility("default"))) int64_t plc_run(plc_host *host, int64_t scans, int64_t dt);

/* Set the date, or the time of day, of a clock whose rtc_ns is now; false, and nothing set, when there is none such. */
bool plc_set_date(plc_clock *clock, int64_t year, int64_t month, int64_t day);
bool plc_set_time(plc_clock *clock, int64_t hour, int64_t minute, int64_t second);

/* Where the cells of an image are: for each byte the slot of its cell, for each slot the cell's offset and its `struct`
 * code (q i h H B f). */
typedef struct {
    int64_t size;
    const int32_t *slots;
    const uint32_t *offsets;
    const char *codes;
} plc_map;

/* Compare an image with `kept`, which becomes the same. The changed slots go to `changed`, in the order of the image,
 * their numbers to `numbers`; how many there are. A LINT beyond 53 bits is rounded. */
__attribute__((visibility("default"))) int64_t plc_changes(const plc_map *map, const uint8_t *image, uint8_t *kept,
                                                           int32_t *changed, double *numbers);

#endif
