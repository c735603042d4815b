// SPDX-License-Identifier: Apache-2.0
/* Part of _core.c: what the writing and the reading side share: where values lie, and the slots of the journal. */
#pragma once
#include "_mapping.h"

typedef struct {
    uint32_t offset, size; /* of a value, in the image */
} Extent;

typedef struct {
    uint64_t number;
    int64_t stamp;
    uint32_t tag;
    uint8_t quality, reserved;
    uint16_t further;
    uint8_t value[SLOT_VALUE];
} FirstSlot;

typedef struct {
    uint64_t number; /* with FURTHER_SLOT */
    uint8_t value[SLOT_MORE];
} FurtherSlot;

_Static_assert(sizeof(FirstSlot) == SLOT_SIZE && sizeof(FurtherSlot) == SLOT_SIZE, "journal slots");

static uint32_t slots_of(uint32_t size)
{
    return size <= SLOT_VALUE ? 1 : 1 + (size - SLOT_VALUE + SLOT_MORE - 1) / SLOT_MORE;
}

static bool is_journal(uint64_t size, uint64_t at, uint64_t capacity)
{
    return at >= HEADER_SIZE && at % 8 == 0 && capacity > 0 && capacity <= MOST_SLOTS &&
           (capacity & (capacity - 1)) == 0 && within(size, at, capacity * SLOT_SIZE);
}

/* The extents of a directory, allocated; NULL with an exception unless they follow each other inside the image. */
static Extent *load_extents(const Py_buffer *table, uint64_t image_size, uint32_t *count)
{
    if (table->len % (Py_ssize_t)sizeof(Extent) != 0 || (uint64_t)table->len / sizeof(Extent) >= UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "the table of values has not the size of a number of tags");
        return NULL;
    }
    *count = (uint32_t)((size_t)table->len / sizeof(Extent));
    Extent *tags = PyMem_Calloc((size_t)*count + 1, sizeof *tags);
    if (tags == NULL)
        return (Extent *)PyErr_NoMemory();
    memcpy(tags, table->buf, (size_t)*count * sizeof *tags);
    uint64_t end = 0;
    for (uint32_t tag = 0; tag < *count; tag++) {
        Extent e = tags[tag];
        if (e.offset < end || e.size == 0 || e.size > UINT16_MAX || !within(image_size, e.offset, e.size)) {
            PyErr_SetString(PyExc_ValueError, "the tags of a directory must follow each other inside the image");
            PyMem_Free(tags);
            return NULL;
        }
        end = (uint64_t)e.offset + e.size;
    }
    return tags;
}
