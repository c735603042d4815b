/* SPDX-License-Identifier: Apache-2.0
 *
 * The C interface of a native program: a shared object that the scan process loads and calls.
 *
 * Everything a scan needs is here, and nothing else is exported. The caller is one thread; no function blocks,
 * allocates without bound, prints or exits. Order of calls, once per load:
 *
 *     pl_describe    what the program is: identity, variables, tasks
 *     pl_initialise  initial values; then
 *     pl_layout      where pl_image puts each variable
 *     pl_bind        which lines stand behind which %IX and %QX points, once per direction
 *
 * and then, each scan:
 *
 *     pl_inputs, pl_run (per due task), pl_asks, pl_outputs, pl_image
 *
 * pl_write, pl_force and pl_unforce are called between scans. An online change is pl_save in the program that goes,
 * after its last scan, and pl_restore in the one that comes, before its first. All values cross this interface in the encoding of
 * the tags (docs/segments.md): the target's byte order, BOOL one byte 0 or 1, TIME, DATE, TOD and DT as int64
 * nanoseconds, a STRING[n] as its tag stores it.
 */
#ifndef PILOTLIGHT_PROGRAM_H
#define PILOTLIGHT_PROGRAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this interface; a host loads only a program that says the same. */
#define PL_ABI 2u

/* Results of the calls that can fail. */
#define PL_OK 0
#define PL_ERROR_STATE -1    /* called before pl_initialise */
#define PL_ERROR_VARIABLE -2 /* no variable of that number */
#define PL_ERROR_SIZE -3     /* the value does not have the variable's size, or the counts differ */
#define PL_ERROR_VALUE -4    /* the variable cannot hold that value */
#define PL_ERROR_FULL -5     /* the force table is full (PL_FORCES_MAX) */
#define PL_ERROR_POINT -6    /* a point outside the process image, or a direction other than 0 and 1 */
#define PL_ERROR_FORCED -7   /* the variable is forced: a write would be lost */

/* Bounds. */
#define PL_FORCES_MAX 1024u /* variables forced at one time */
#define PL_LINES_MAX 1024u  /* lines bound in one direction */
#define PL_BYTES 1024u      /* bytes of the process image in each direction: %IX0.0 … %IX1023.7 */

/* What pl_asks can give. */
#define PL_ASKS_STOP 1u /* the program wants to be stopped, outputs safe */

#define PL_DIRECTION_INPUT 0u
#define PL_DIRECTION_OUTPUT 1u

/* One variable. `type` and `flags` are the codes of tags.Type and tags.Flags; `size` is its bytes in the image. */
typedef struct {
    const char *name; /* UTF-8, unique within the program */
    uint32_t size;
    uint8_t type;
    uint8_t flags;
    uint16_t reserved;
} pl_variable;

/* One task: run every `period_ns`; a smaller `priority` is more urgent. */
typedef struct {
    const char *name;
    uint64_t period_ns;
    int32_t priority;
    uint32_t reserved;
} pl_task;

/* The program. All that is pointed to lives as long as the shared object is loaded. */
typedef struct {
    uint32_t abi; /* PL_ABI */
    uint32_t variable_count;
    uint32_t task_count; /* at least 1 */
    uint32_t cell_count; /* cells that pl_save gives; 0 when the program cannot be changed online */
    const char *identity; /* 32 lower-case hexadecimal digits */
    const pl_variable *variables;
    const pl_task *tasks;
} pl_description;

/* One remembered number: `key` says by name and type what it is, and is never 0; `bits` are its bytes, lowest first. */
typedef struct {
    uint64_t key;
    uint64_t bits;
} pl_cell;

/* One point of the process image: %IX<byte>.<bit> or %QX<byte>.<bit>. */
typedef struct {
    uint16_t byte; /* 0 … PL_BYTES - 1 */
    uint8_t bit;   /* 0 … 7 */
    uint8_t reserved;
} pl_point;

#define PL_EXPORT __attribute__((visibility("default")))

/* What the program is. May be called before pl_initialise; always gives the same answer. */
PL_EXPORT const pl_description *pl_describe(void);

/* Give every variable its initial value. Called once. 0 or an error code. */
PL_EXPORT int32_t pl_initialise(void);

/* Byte offset in the image of each variable, in the order of the description; `count` is its variable_count. */
PL_EXPORT int32_t pl_layout(uint32_t count, const uint32_t *offsets);

/* Line n of `direction` is points[n]. Replaces the earlier binding of that direction. */
PL_EXPORT int32_t pl_bind(uint32_t direction, uint32_t count, const pl_point *points);

/* Take over the input lines: line n is bit n % 64 of bits[n / 64]. */
PL_EXPORT void pl_inputs(const uint64_t *bits);

/* Give the output lines, in the same form. The bit of a line whose point the program does not use stays as it is. */
PL_EXPORT void pl_outputs(uint64_t *bits);

/* Run task number `task` once. `tick` counts its runs from 0; `now_ns` is CLOCK_MONOTONIC at the start of the scan.
 * Forced variables have their forced value before and after the logic. */
PL_EXPORT void pl_run(uint32_t task, uint64_t tick, int64_t now_ns);

/* What the program has asked of its host since the last call: PL_ASKS_… flags. */
PL_EXPORT uint32_t pl_asks(void);

/* Copy every variable to its offset. Before pl_layout it does nothing. */
PL_EXPORT void pl_image(void *image);

/* Give a variable a value once; the program may overwrite it in its next run. 0 or an error code. */
PL_EXPORT int32_t pl_write(uint32_t variable, const void *value, uint32_t size);

/* Hold a variable at a value until pl_unforce. Forcing again replaces the value. 0 or an error code. */
PL_EXPORT int32_t pl_force(uint32_t variable, const void *value, uint32_t size);

/* Let a variable go. It keeps the value until the program writes it. 0 also when it was not forced. */
PL_EXPORT int32_t pl_unforce(uint32_t variable);

/* Give all that the program remembers, by rising key; how many cells were written: cell_count, or 0 when `room` is
 * less. */
PL_EXPORT uint32_t pl_save(pl_cell *cells, uint32_t room);

/* Take over what another program saved, by rising key: every cell that this program has too; how many those are. */
PL_EXPORT uint32_t pl_restore(const pl_cell *cells, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
