/* SPDX-License-Identifier: Apache-2.0
 *
 * What the build makes from an upload's debug.c for matiec_shim.c: one entry a variable, in the order of the
 * debugger's index, and the shim's storage of the same length.
 */
#ifndef PILOTLIGHT_MATIEC_TABLE_H
#define PILOTLIGHT_MATIEC_TABLE_H

#include "pilotlight_program.h"

typedef struct {
    const char *name;
    uint8_t type;    /* code of tags.Type; 0: decide by the variable's size */
    uint8_t flags;   /* code of tags.Flags */
    uint8_t pointer; /* 1: located or external, its address changes while it is forced */
} matiec_entry;

typedef struct {
    const uint8_t *address; /* the value now: the program's, or the forced one */
    uint32_t offset;        /* in the image */
} matiec_slot;

extern const uint32_t matiec_count;
extern const matiec_entry matiec_entries[];
extern matiec_slot matiec_slots[];
extern pl_variable matiec_variables[];

#endif
