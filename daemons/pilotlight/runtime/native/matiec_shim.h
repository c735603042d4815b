/* SPDX-License-Identifier: Apache-2.0
 *
 * What the parts of the shim for dialect A programs share: the table that the build makes of an upload's debug.c (one
 * entry a variable, in the order of the debugger's index), the process image and the encoding of values.
 */
#ifndef PILOTLIGHT_MATIEC_SHIM_H
#define PILOTLIGHT_MATIEC_SHIM_H

#include "pilotlight_program.h"

#include <stdbool.h>
#include <stddef.h>

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

/* The table, and the shim's storage of the same length. */
extern const uint32_t matiec_count;
extern const matiec_entry matiec_entries[];
extern matiec_slot matiec_slots[];
extern pl_variable matiec_variables[];

/* Let the program fill its process image, and give the slots it left empty storage of their own. */
void matiec_glue(void);

/* Where the program keeps a point; the point has been checked. */
uint8_t *matiec_bit(uint32_t direction, pl_point point);

/* Whether the program has a variable at an output point; the point has been checked. */
bool matiec_drives(pl_point point);

/* Bytes of a type in the program and in its tag, by its code (1 … 21). */
#define MATIEC_VALUE_MAX 127u /* the largest of the first: a STRING */
extern const uint8_t matiec_native_size[];
extern const uint8_t matiec_tag_size[];

/* Type of a variable whose type is not known, an enumeration say: the integer of its size. */
uint8_t matiec_type_of_size(size_t size);

/* Convert a value. The second gives 0 or an error code. */
void matiec_to_tag(uint8_t type, const uint8_t *from, uint8_t *to);
int32_t matiec_from_tag(uint8_t type, const uint8_t *from, uint8_t *to);

#endif
