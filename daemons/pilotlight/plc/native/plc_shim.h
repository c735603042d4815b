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

typedef struct {
    const plc_entry *entry;
    void *image;
    const pl_description *description;
    const uint32_t *offsets; /* of the variables, rising */
    uint32_t *places;        /* of the variables in the host's image: storage for the shim */
    const plc_located *located;
    const plc_point *points;
    uint32_t located_count, point_count;
} plc_interface;

extern const plc_interface plc_shim_interface;

#endif
