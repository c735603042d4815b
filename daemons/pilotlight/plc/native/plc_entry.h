/* SPDX-License-Identifier: Apache-2.0
 *
 * What a program that the emitter writes is to its host. An image holds all that a program remembers; the functions
 * work on any image of the program, one thread an image.
 */
#ifndef PILOTLIGHT_PLC_ENTRY_H
#define PILOTLIGHT_PLC_ENTRY_H

#include <stdint.h>

typedef struct {
    uint32_t size;                            /* bytes of an image; it is aligned to 8 bytes */
    uint32_t faults;                          /* offset of the three transient faults */
    const void *initial;                      /* the image before the first scan */
    void (*logic)(void *image, int64_t dt);   /* run the logic; `dt` are the ns since the previous scan */
    void (*edges)(void *image);               /* what edges compare with becomes the present */
} plc_entry;

#endif
