/* SPDX-License-Identifier: Apache-2.0
 *
 * The process image of a dialect A program: tables of pointers that the program fills with the addresses of its located
 * variables. Slots it leaves empty point to storage of their own, so every place can be read and written.
 */
#include "matiec_shim.h"

#include <stddef.h>

extern void glueVars(void);
extern void setBufferPointers(uint8_t *bool_input[][8], uint8_t *bool_output[][8], uint8_t *byte_input[],
                              uint8_t *byte_output[], uint16_t *int_input[], uint16_t *int_output[],
                              uint32_t *dint_input[], uint32_t *dint_output[], uint64_t *lint_input[],
                              uint64_t *lint_output[], uint16_t *int_memory[], uint32_t *dint_memory[],
                              uint64_t *lint_memory[]) __attribute__((weak));
extern void setBufferPointers_v4(uint8_t *bool_input[][8], uint8_t *bool_output[][8], uint8_t *byte_input[],
                                 uint8_t *byte_output[], uint16_t *int_input[], uint16_t *int_output[],
                                 uint32_t *dint_input[], uint32_t *dint_output[], uint64_t *lint_input[],
                                 uint64_t *lint_output[], uint16_t *int_memory[], uint32_t *dint_memory[],
                                 uint64_t *lint_memory[], uint8_t *bool_memory[][8]) __attribute__((weak));

/* One area of the process image: what the program glued to it, and storage for every slot it left empty. */
#define AREA(type, name)                     \
    static type *name[PL_BYTES];             \
    static type name##_unused[PL_BYTES];     \
    static void fill_##name(void) {          \
        for (uint32_t n = 0; n < PL_BYTES; n++) \
            if (name[n] == NULL)             \
                name[n] = &name##_unused[n]; \
    }

#define BIT_AREA(name)                                      \
    static uint8_t *name[PL_BYTES][8];                      \
    static uint8_t name##_unused[PL_BYTES][8];              \
    static void fill_##name(void) {                         \
        for (uint32_t n = 0; n < PL_BYTES; n++)             \
            for (uint32_t bit = 0; bit < 8; bit++)          \
                if (name[n][bit] == NULL)                   \
                    name[n][bit] = &name##_unused[n][bit];  \
    }

BIT_AREA(bool_input)
BIT_AREA(bool_output)
BIT_AREA(bool_memory)
AREA(uint8_t, byte_input)
AREA(uint8_t, byte_output)
AREA(uint16_t, int_input)
AREA(uint16_t, int_output)
AREA(uint32_t, dint_input)
AREA(uint32_t, dint_output)
AREA(uint64_t, lint_input)
AREA(uint64_t, lint_output)
AREA(uint16_t, int_memory)
AREA(uint32_t, dint_memory)
AREA(uint64_t, lint_memory)

void matiec_glue(void) {
    if (setBufferPointers_v4)
        setBufferPointers_v4(bool_input, bool_output, byte_input, byte_output, int_input, int_output, dint_input,
                             dint_output, lint_input, lint_output, int_memory, dint_memory, lint_memory, bool_memory);
    else if (setBufferPointers)
        setBufferPointers(bool_input, bool_output, byte_input, byte_output, int_input, int_output, dint_input,
                          dint_output, lint_input, lint_output, int_memory, dint_memory, lint_memory);
    glueVars();
    fill_bool_input(), fill_bool_output(), fill_bool_memory();
    fill_byte_input(), fill_byte_output();
    fill_int_input(), fill_int_output(), fill_int_memory();
    fill_dint_input(), fill_dint_output(), fill_dint_memory();
    fill_lint_input(), fill_lint_output(), fill_lint_memory();
}

uint8_t *matiec_bit(uint32_t direction, pl_point point) {
    return (direction == PL_DIRECTION_INPUT ? bool_input : bool_output)[point.byte][point.bit];
}

bool matiec_drives(pl_point point) {
    return bool_output[point.byte][point.bit] != &bool_output_unused[point.byte][point.bit];
}
