/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that the emitter wrote behind the interface of pilotlight_program.h, so that the scan process runs it.
 *
 * The program's clock is the appliance's until the program sets it: then the difference is kept while the program, or
 * what it is changed to online, runs.
 */
#define _DEFAULT_SOURCE
#include "plc_shim.h"

#include <stdbool.h>
#include <string.h>
#include <time.h>

#define TYPE_BOOL 1
#define TYPE_REAL 14
#define FLAG_WRITABLE 8

/* A longer time between two runs is a stop, not an overrun: the program's clock stood still meanwhile. */
#define PERIODS_MAX 100

static const plc_interface *const program = &plc_shim_interface;
static plc_write forces[PL_FORCES_MAX];
static plc_host host;
static int64_t zone_us; /* local time less UTC */
static int64_t set_us;  /* what the program has set its clock forward by */
static int64_t last_ns; /* start of the last scan */
static uint32_t asks;
static bool initialised, placed;

const pl_description *pl_describe(void) { return program->description; }

int32_t pl_initialise(void) {
    if (initialised)
        return PL_ERROR_STATE;
    memcpy(program->image, program->entry->initial, program->entry->size);
    host = (plc_host){
        .entry = program->entry,
        .image = program->image,
        .points = program->points,
        .point_count = program->point_count,
        .forces = forces,
    };
    time_t now = time(NULL);
    struct tm local;
    if (localtime_r(&now, &local) != NULL)
        zone_us = (int64_t)local.tm_gmtoff * 1000000;
    initialised = true;
    return PL_OK;
}

int32_t pl_layout(uint32_t count, const uint32_t *offsets) {
    if (!initialised)
        return PL_ERROR_STATE;
    if (count != program->description->variable_count)
        return PL_ERROR_SIZE;
    memcpy(program->places, offsets, count * sizeof *offsets);
    placed = true;
    return PL_OK;
}

/* ---- lines ------------------------------------------------------------------------------------------------------ */

static uint32_t lines[2][PL_LINES_MAX];
static uint32_t line_count[2];

static uint32_t find(uint32_t direction, pl_point point) {
    for (uint32_t n = 0; n < program->located_count; n++) {
        const plc_located *cell = &program->located[n];
        if (cell->direction == direction && cell->byte == point.byte && cell->bit == point.bit)
            return cell->offset;
    }
    return PLC_NOWHERE;
}

int32_t pl_bind(uint32_t direction, uint32_t count, const pl_point *points) {
    if (!initialised)
        return PL_ERROR_STATE;
    if (direction > PL_DIRECTION_OUTPUT)
        return PL_ERROR_POINT;
    if (count > PL_LINES_MAX)
        return PL_ERROR_SIZE;
    for (uint32_t n = 0; n < count; n++)
        if (points[n].byte >= PL_BYTES || points[n].bit > 7)
            return PL_ERROR_POINT;
    for (uint32_t n = 0; n < count; n++)
        lines[direction][n] = find(direction, points[n]);
    line_count[direction] = count;
    return PL_OK;
}

static uint8_t *cell(uint32_t offset) { return (uint8_t *)program->image + offset; }

void pl_inputs(const uint64_t *bits) {
    for (uint32_t n = 0; n < line_count[PL_DIRECTION_INPUT]; n++)
        if (lines[PL_DIRECTION_INPUT][n] != PLC_NOWHERE)
            *cell(lines[PL_DIRECTION_INPUT][n]) = bits[n / 64] >> (n % 64) & 1u;
}

void pl_outputs(uint64_t *bits) {
    for (uint32_t n = 0; n < line_count[PL_DIRECTION_OUTPUT]; n++) {
        uint64_t bit = UINT64_C(1) << (n % 64);
        uint32_t offset = lines[PL_DIRECTION_OUTPUT][n];
        if (offset != PLC_NOWHERE)
            bits[n / 64] = *cell(offset) != 0 ? bits[n / 64] | bit : bits[n / 64] & ~bit;
    }
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

/* Scans are a whole number of periods apart: how late each woke up is no time of the program. */
static int64_t elapsed(int64_t now_ns) {
    int64_t period = (int64_t)program->description->tasks[0].period_ns, dt = now_ns - last_ns;
    last_ns = now_ns;
    if (host.clock.scan_id == 0 || dt < period || dt / PERIODS_MAX > period)
        return period;
    return (dt + period / 2) / period * period;
}

static bool taken(int command) {
    uint32_t offset = program->commands[command];
    if (offset == PLC_NOWHERE || *cell(offset) == 0)
        return false;
    *cell(offset) = 0;
    return true;
}

static void tell(int command, bool value) {
    if (program->commands[command] != PLC_NOWHERE)
        *cell(program->commands[command]) = value;
}

static int64_t argument(int command) {
    int16_t value = 0;
    if (program->commands[command] != PLC_NOWHERE)
        memcpy(&value, cell(program->commands[command]), sizeof value);
    return value;
}

/* Commands that the logic gave in the scan before, in the order of the runner. */
static void obey(void) {
    plc_clock *clock = &host.clock;
    tell(PLC_COMMAND_DATE_ERROR, false);
    tell(PLC_COMMAND_TIME_ERROR, false);
    tell(PLC_COMMAND_WRITE_STATUS, false);
    int64_t before_us = clock->rtc_us;
    if (taken(PLC_COMMAND_DATE))
        tell(PLC_COMMAND_DATE_ERROR, !plc_set_date(clock, argument(PLC_COMMAND_YEAR), argument(PLC_COMMAND_MONTH),
                                                   argument(PLC_COMMAND_DAY)));
    if (taken(PLC_COMMAND_TIME))
        tell(PLC_COMMAND_TIME_ERROR, !plc_set_time(clock, argument(PLC_COMMAND_HOUR), argument(PLC_COMMAND_MINUTE),
                                                   argument(PLC_COMMAND_SECOND)));
    set_us += clock->rtc_us - before_us;
    taken(PLC_COMMAND_WATCHDOG);
    bool eject = taken(PLC_COMMAND_EJECT), erase = taken(PLC_COMMAND_DELETE);
    if (eject || erase)
        tell(PLC_COMMAND_WRITE_STATUS, true);
    if (taken(PLC_COMMAND_STOP))
        asks |= PL_ASKS_STOP;
}

void pl_run(uint32_t task, uint64_t tick, int64_t now_ns) {
    (void)tick;
    struct timespec now;
    if (!initialised || task != 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    host.clock.rtc_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + zone_us + set_us;
    host.clock.rtc_ns = host.clock.time_ns;
    obey();
    plc_run(&host, 1, elapsed(now_ns));
}

uint32_t pl_asks(void) {
    uint32_t now = asks;
    asks = 0;
    return now;
}

/* Variables that follow each other in both images go in one piece. */
void pl_image(void *image) {
    const pl_description *of = program->description;
    for (uint32_t n = 0, last; placed && n < of->variable_count; n = last + 1) {
        uint32_t shift = program->places[n] - program->offsets[n];
        for (last = n; last + 1 < of->variable_count && program->places[last + 1] - program->offsets[last + 1] == shift &&
                       program->offsets[last] + of->variables[last].size == program->offsets[last + 1];)
            last++;
        uint32_t end = program->offsets[last] + of->variables[last].size;
        memcpy((uint8_t *)image + program->places[n], cell(program->offsets[n]), end - program->offsets[n]);
    }
}

/* ---- writing and forcing ---------------------------------------------------------------------------------------- */

static int32_t decode(uint32_t variable, const void *value, uint32_t size, plc_write *write) {
    if (!initialised)
        return PL_ERROR_STATE;
    if (variable >= program->description->variable_count)
        return PL_ERROR_VARIABLE;
    const pl_variable *of = &program->description->variables[variable];
    if (size != of->size)
        return PL_ERROR_SIZE;
    *write = (plc_write){.target = {program->offsets[variable], size}};
    memcpy(&write->bits, value, size);
    if (!(of->flags & FLAG_WRITABLE) || (of->type == TYPE_BOOL && write->bits > 1))
        return PL_ERROR_VALUE;
    if (of->type == TYPE_REAL && (write->bits & 0x7FFFFFFF) > 0x7F800000)
        write->bits = 0x7FC00000;
    if (of->type == TYPE_REAL && write->bits == 0x80000000)
        write->bits = 0;
    return PL_OK;
}

static plc_write *find_force(uint32_t variable) {
    for (int64_t n = 0; n < host.force_count; n++)
        if (forces[n].target.offset == program->offsets[variable])
            return &forces[n];
    return NULL;
}

static void put(const plc_write *write) { memcpy(cell(write->target.offset), &write->bits, write->target.size); }

int32_t pl_write(uint32_t variable, const void *value, uint32_t size) {
    plc_write write;
    int32_t result = decode(variable, value, size, &write);
    if (result != PL_OK)
        return result;
    if (find_force(variable) != NULL)
        return PL_ERROR_FORCED;
    put(&write);
    return PL_OK;
}

int32_t pl_force(uint32_t variable, const void *value, uint32_t size) {
    plc_write write;
    int32_t result = decode(variable, value, size, &write);
    if (result != PL_OK)
        return result;
    plc_write *held = find_force(variable);
    if (held == NULL && host.force_count == PL_FORCES_MAX)
        return PL_ERROR_FULL;
    if (held == NULL)
        held = &forces[host.force_count++];
    *held = write;
    put(held);
    return PL_OK;
}

int32_t pl_unforce(uint32_t variable) {
    if (!initialised)
        return PL_ERROR_STATE;
    if (variable >= program->description->variable_count)
        return PL_ERROR_VARIABLE;
    plc_write *held = find_force(variable);
    if (held != NULL)
        *held = forces[--host.force_count];
    return PL_OK;
}

/* ---- online change ---------------------------------------------------------------------------------------------- */

/* The clock's cells have the smallest keys: a name's key is never below them. */
static int64_t *const clock_cells[PLC_CLOCK_CELLS] = {
    &host.clock.scan_id, &host.clock.time_ns, &host.clock.shortest_ns, &host.clock.longest_ns, &set_us, &last_ns,
};

uint32_t pl_save(pl_cell *cells, uint32_t room) {
    if (!initialised || room < program->description->cell_count)
        return 0;
    for (uint32_t n = 0; n < PLC_CLOCK_CELLS; n++)
        *cells++ = (pl_cell){n + 1, (uint64_t)*clock_cells[n]};
    for (uint32_t n = 0; n < program->kept_count; n++) {
        pl_cell saved = {program->kept[n].key, 0};
        memcpy(&saved.bits, cell(program->kept[n].target.offset), program->kept[n].target.size);
        *cells++ = saved;
    }
    return program->description->cell_count;
}

uint32_t pl_restore(const pl_cell *cells, uint32_t count) {
    uint32_t kept = 0, restored = 0;
    for (uint32_t n = 0; initialised && n < count; n++) {
        if (cells[n].key >= 1 && cells[n].key <= PLC_CLOCK_CELLS) {
            *clock_cells[cells[n].key - 1] = (int64_t)cells[n].bits;
            restored++;
            continue;
        }
        while (kept < program->kept_count && program->kept[kept].key < cells[n].key)
            kept++;
        if (kept < program->kept_count && program->kept[kept].key == cells[n].key) {
            memcpy(cell(program->kept[kept].target.offset), &cells[n].bits, program->kept[kept].target.size);
            restored++;
        }
    }
    return restored;
}
