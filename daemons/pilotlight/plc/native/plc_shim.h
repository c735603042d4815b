/* SPDX-License-Identifier: Apache-2.0
 *
 * What plc_shim.c, the runtime's C interface of a program, must know of the program; the emitter writes it.
 */
#ifndef PILOTLIGHT_PLC_SHIM_H
#define PILOTLIGHT_PLC_SHIM_H

#include "pilotlight_program.h"
#include "plc_host.h"

/* A BOOL cell behind a point of the process image. */
typedef struct {
    uint16_t byte;
    uint8_t bit;
    uint8_t direction;
    uint32_t offset;
} plc_located;

/* A cell of the image and the key that it has in other programs too. */
typedef struct {
    uint64_t key;
    plc_target target;
} plc_kept;

/* The places of the commands and their arguments, in the order of Python's `COMMANDS`; PLC_NOWHERE when the program
 * does not name one. */
enum {
    PLC_COMMAND_STOP,
    PLC_COMMAND_WATCHDOG,
    PLC_COMMAND_EJECT,
    PLC_COMMAND_DELETE,
    PLC_COMMAND_WRITE_STATUS,
    PLC_COMMAND_DATE,
    PLC_COMMAND_DATE_ERROR,
    PLC_COMMAND_YEAR,
    PLC_COMMAND_MONTH,
    PLC_COMMAND_DAY,
    PLC_COMMAND_TIME,
    PLC_COMMAND_TIME_ERROR,
    PLC_COMMAND_HOUR,
    PLC_COMMAND_MINUTE,
    PLC_COMMAND_SECOND,
    PLC_COMMANDS,
};
#define PLC_NOWHERE UINT32_MAX

/* What the shim itself remembers beside the image. */
#define PLC_CLOCK_CELLS 6u

typedef struct {
    const plc_entry *entry;
    void *image;
    const pl_description *description;
    const uint32_t *offsets; /* of the variables, rising */
    uint32_t *places;        /* of the variables in the host's image: storage for the shim */
    const plc_located *located;
    const plc_point *points;
    const plc_kept *kept;      /* by rising key */
    const uint32_t *commands;  /* PLC_COMMANDS offsets */
    uint32_t located_count, point_count, kept_count;
} plc_interface;

extern const plc_interface plc_shim_interface;

#endif
