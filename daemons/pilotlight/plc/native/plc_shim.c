/* SPDX-License-Identifier: Apache-2.0
 *
 * A program that the emitter wrote behind the interface of pilotlight_program.h, so that the scan process runs it.
 *
 * The host's commands of the language (stop, set the clock) do nothing here: mode and clock are the appliance's.
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

#define NOWHERE UINT32_MAX

static uint32_t lines[2][PL_LINES_MAX];
static uint32_t line_count[2];

static uint32_t find(uint32_t direction, pl_point point) {
    for (uint32_t n = 0; n < program->located_count; n++) {
        const plc_located *cell = &program->located[n];
        if (cell->direction == direction && cell->byte == point.byte && cell->bit == point.bit)
            return cell->offset;
    }
    return NOWHERE;
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
        if (lines[PL_DIRECTION_INPUT][n] != NOWHERE)
            *cell(lines[PL_DIRECTION_INPUT][n]) = bits[n / 64] >> (n % 64) & 1u;
}

void pl_outputs(uint64_t *bits) {
    for (uint32_t n = 0; n < line_count[PL_DIRECTION_OUTPUT]; n++) {
        uint64_t bit = UINT64_C(1) << (n % 64);
        uint32_t offset = lines[PL_DIRECTION_OUTPUT][n];
        if (offset != NOWHERE)
            bits[n / 64] = *cell(offset) != 0 ? bits[n / 64] | bit : bits[n / 64] & ~bit;
    }
}

/* ---- running ---------------------------------------------------------------------------------------------------- */

static int64_t elapsed(int64_t now_ns) {
    static int64_t last_ns;
    int64_t period = (int64_t)program->description->tasks[0].period_ns, dt = now_ns - last_ns;
    last_ns = now_ns;
    return host.clock.scan_id == 0 || dt < 0 || dt / PERIODS_MAX > period ? period : dt;
}

void pl_run(uint32_t task, uint64_t tick, int64_t now_ns) {
    (void)tick;
    struct timespec now;
    if (!initialised || task != 0)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    host.clock.rtc_us = (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + zone_us;
    host.clock.rtc_ns = host.clock.time_ns;
    plc_run(&host, 1, elapsed(now_ns));
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
