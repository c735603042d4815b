/* SPDX-License-Identifier: Apache-2.0
 *
 * Several cells at a time: ranges, windows of tables, and the instructions that copy, pack and search.
 */
#ifndef PILOTLIGHT_PLC_CELLS_H
#define PILOTLIGHT_PLC_CELLS_H

#include "plc.h"

/* Cells of one type: places in the image's array of that type, in order; a place below 0 is left out. */
typedef struct {
    void *array;
    const int32_t *places;    /* of the first in order */
    const int32_t *addresses; /* of the same order; NULL: `address`, going by `step` */
    int64_t address;
    int32_t count; /* of places, -1: the cells do not exist */
    int32_t step;  /* 1 or -1 */
    int32_t type;
} plc_cells;

typedef struct {
    const plc_cells *of;
    int32_t turn;    /* of the next */
    int64_t address; /* of the one that plc_next gave */
} plc_cursor;

static inline plc_cursor plc_begin(const plc_cells *of) { return (plc_cursor){of, 0, 0}; }

/* The next place, or -1 behind the last. */
static inline int32_t plc_next(plc_cursor *c) {
    while (c->turn < c->of->count) {
        int32_t turn = c->turn++ * c->of->step, place = c->of->places[turn];
        if (place >= 0) {
            c->address = c->of->addresses != NULL ? c->of->addresses[turn] : c->of->address + turn;
            return place;
        }
    }
    return -1;
}

#define PLC_EACH(place, cells)                                                                                         \
    for (plc_cursor each_ = plc_begin(cells); each_.of != NULL; each_.of = NULL)                                       \
        for (int32_t place; (place = plc_next(&each_)) >= 0;)

static inline int32_t plc_size(const plc_cells *of) {
    int32_t size = 0;
    PLC_EACH(place, of) size++;
    return size;
}

/* A table: address `first` + n is places[n]. */
typedef struct {
    const int32_t *places;
    int64_t first;
    int32_t count;
    int32_t type;
} plc_table;

/* The place of an address, or -1 with address_error. */
static inline int32_t plc_at(plc_faults *f, const plc_table *table, int64_t address) {
    if (address >= table->first && address < table->first + table->count) {
        int32_t place = table->places[address - table->first];
        if (place >= 0)
            return place;
    }
    plc_address_error(f);
    return -1;
}

/* The addresses `low` to `high`; none with address_error when one of the two has failed or is not there. */
static inline plc_cells plc_window(plc_faults *f, const plc_table *table, void *array, int64_t low, int64_t high,
                                   unsigned failed, bool reverse) {
    plc_cells window = {.array = array, .count = -1, .step = reverse ? -1 : 1, .type = table->type};
    if (failed || low < table->first || high >= table->first + table->count || low > high) {
        plc_address_error(f);
    } else {
        window.address = reverse ? high : low;
        window.places = table->places + (window.address - table->first);
        window.count = (int32_t)(high - low) + 1;
    }
    return window;
}

/* ---- cells of a type that is known at run time only ------------------------------------------------------------- */

/* A number as a cell holds it: in `whole`, or of a REAL in `real`. */
typedef union {
    int64_t whole;
    double real;
} plc_number;

static inline plc_number plc_get(const plc_cells *of, int32_t place) {
    switch (of->type) {
    case PLC_INT: return (plc_number){.whole = ((const int16_t *)of->array)[place]};
    case PLC_WORD: return (plc_number){.whole = ((const uint16_t *)of->array)[place]};
    case PLC_DINT: return (plc_number){.whole = ((const int32_t *)of->array)[place]};
    case PLC_LINT: return (plc_number){.whole = ((const int64_t *)of->array)[place]};
    case PLC_REAL: return (plc_number){.real = (double)((const float *)of->array)[place]};
    default: return (plc_number){.whole = ((const uint8_t *)of->array)[place]};
    }
}

/* Store a number that fits. */
static inline void plc_put(const plc_cells *of, int32_t place, plc_number number) {
    switch (of->type) {
    case PLC_INT: ((int16_t *)of->array)[place] = (int16_t)number.whole; break;
    case PLC_WORD: ((uint16_t *)of->array)[place] = (uint16_t)number.whole; break;
    case PLC_DINT: ((int32_t *)of->array)[place] = (int32_t)number.whole; break;
    case PLC_LINT: ((int64_t *)of->array)[place] = number.whole; break;
    case PLC_REAL: ((float *)of->array)[place] = (float)number.real; break;
    default: ((uint8_t *)of->array)[place] = (uint8_t)number.whole;
    }
}

/* What a cell of a type holds for a number, saturating. */
static inline plc_number plc_fitted(int32_t type, bool is_real, plc_number number) {
    static const int64_t limits[][2] = {
        [PLC_INT] = {INT16_MIN, INT16_MAX}, [PLC_DINT] = {INT32_MIN, INT32_MAX}, [PLC_LINT] = {INT64_MIN, INT64_MAX},
        [PLC_WORD] = {0, UINT16_MAX},       [PLC_CHAR] = {0, UINT8_MAX},
    };
    if (type == PLC_REAL)
        return (plc_number){.real = (double)plc_real(is_real ? number.real : (double)number.whole)};
    if (type == PLC_BOOL)
        return (plc_number){.whole = is_real ? plc_bool(number.real) : number.whole != 0};
    int64_t low = limits[type][0], high = limits[type][1];
    return (plc_number){.whole = is_real ? plc_saturated_float(number.real, low, high)
                                         : plc_saturated(number.whole, low, high)};
}

/* ---- copying ---------------------------------------------------------------------------------------------------- */

static void __attribute__((unused)) plc_fill(const plc_cells *targets, plc_number number) {
    PLC_EACH(place, targets) plc_put(targets, place, number);
}

/* Store as many numbers as there are cells; else none and out_of_range. */
static void __attribute__((unused))
plc_put_all(plc_faults *f, const plc_cells *targets, const plc_number *numbers, int32_t count) {
    if (targets->count < 0)
        return;
    if (plc_size(targets) != count) {
        f->cells[PLC_OUT_OF_RANGE] = 1;
        return;
    }
    PLC_EACH(place, targets) plc_put(targets, place, *numbers++);
}

/* Read one cell by a conversion; false when it does not convert. The result is a float when the source is, except
 * that `binary` gives a character. */
static inline bool plc_converted(char conversion, bool *is_real, plc_number *number) {
    if (conversion == 'v') {
        if (*is_real ? !(number->real >= 48.0 && number->real <= 57.0) : number->whole < 48 || number->whole > 57)
            return false;
        *is_real ? (number->real -= 48.0) : (number->whole -= 48);
    } else if (conversion == 'b') {
        number->whole = (*is_real ? plc_truncated(number->real) : number->whole) & 0xFF;
        *is_real = false;
        return number->whole < 128;
    } else if (conversion == 'a') {
        return *is_real ? number->real != -1.0 : number->whole != -1;
    }
    return true;
}

/* Read all sources, fitted to `type`, into `numbers`; how many, or -1 when there is nothing to store. */
static int32_t __attribute__((unused))
plc_read_all(plc_faults *f, const plc_cells *source, char conversion, int32_t type, plc_number *numbers) {
    int32_t count = 0;
    if (source->count < 0)
        return -1;
    PLC_EACH(place, source) {
        bool is_real = source->type == PLC_REAL;
        plc_number number = plc_get(source, place);
        if (!plc_converted(conversion, &is_real, &number)) {
            f->cells[PLC_OUT_OF_RANGE] = 1;
            return -1;
        }
        numbers[count++] = plc_fitted(type, is_real, number);
    }
    return count;
}

/* ---- packing ---------------------------------------------------------------------------------------------------- */

/* Join cells of `width` bits to at most `size` bits; false when there is nothing to store. */
static bool __attribute__((unused))
plc_pack(plc_faults *f, const plc_cells *source, int32_t width, int32_t size, uint32_t *bits) {
    if (source->count < 0)
        return false;
    if ((int64_t)plc_size(source) * width > size) {
        f->cells[PLC_OUT_OF_RANGE] = 1;
        return false;
    }
    uint64_t joined = 0, mask = (UINT64_C(1) << width) - 1;
    int32_t shift = 0;
    PLC_EACH(place, source) {
        joined |= ((uint64_t)plc_get(source, place).whole & mask) << shift;
        shift += width;
    }
    *bits = (uint32_t)joined;
    return true;
}

static void __attribute__((unused))
plc_unpack(plc_faults *f, const plc_cells *targets, int32_t width, int32_t size, uint32_t bits) {
    if (targets->count < 0)
        return;
    if ((int64_t)plc_size(targets) * width > size) {
        f->cells[PLC_OUT_OF_RANGE] = 1;
        return;
    }
    uint64_t rest = bits, mask = (UINT64_C(1) << width) - 1;
    PLC_EACH(place, targets) {
        plc_put(targets, place, (plc_number){.whole = (int64_t)(rest & mask)});
        rest >>= width;
    }
}

/* ---- shifting --------------------------------------------------------------------------------------------------- */

/* Move `carried` into the first cell and each cell's number into the next; with `reset`, clear them. */
static void __attribute__((unused)) plc_shift(const plc_cells *targets, bool carried, bool reset) {
    plc_number number = {.whole = carried};
    PLC_EACH(place, targets) {
        plc_number following = plc_get(targets, place);
        plc_put(targets, place, reset ? (plc_number){0} : number);
        number = following;
    }
}

/* ---- searching -------------------------------------------------------------------------------------------------- */

enum { PLC_EQUAL, PLC_UNEQUAL, PLC_LESS, PLC_AT_MOST, PLC_MORE, PLC_AT_LEAST };

#define PLC_COMPARED(operator, a, b)                                                                                   \
    ((operator) == PLC_EQUAL     ? (a) == (b)                                                                          \
     : (operator) == PLC_UNEQUAL ? (a) != (b)                                                                          \
     : (operator) == PLC_LESS    ? (a) < (b)                                                                           \
     : (operator) == PLC_AT_MOST ? (a) <= (b)                                                                          \
     : (operator) == PLC_MORE    ? (a) > (b)                                                                           \
                                 : (a) >= (b))

/* The address of `current` is passed, if the cells have it; gives the cursor behind it. */
static inline plc_cursor plc_behind(const plc_cells *of, int64_t current) {
    plc_cursor c = plc_begin(of);
    while (plc_next(&c) >= 0)
        if (c.address == current)
            return c;
    return plc_begin(of);
}

/* Where to begin: false when the search has ended. */
static inline bool plc_search_from(const plc_cells *of, bool continuous, int64_t current, plc_cursor *c) {
    if (of->count < 0 || (continuous && current == -1))
        return false;
    *c = continuous && current != 0 ? plc_behind(of, current) : plc_begin(of);
    return true;
}

/* The next cell from `c` that compares: true, and its address in `c`. */
static bool __attribute__((unused)) plc_search(plc_cursor *c, int operator, bool is_real, plc_number wanted) {
    for (int32_t place; (place = plc_next(c)) >= 0;) {
        plc_number number = plc_get(c->of, place);
        bool real = c->of->type == PLC_REAL;
        double a = real ? number.real : (double)number.whole, b = is_real ? wanted.real : (double)wanted.whole;
        if (real || is_real ? PLC_COMPARED(operator, a, b) : PLC_COMPARED(operator, number.whole, wanted.whole))
            return true;
    }
    return false;
}

/* The next text of `size` characters from `c` that is `text`, or (`equal` false) is not. */
static bool __attribute__((unused)) plc_search_text(plc_cursor *c, bool equal, const uint8_t *text, int32_t size) {
    for (;;) {
        plc_cursor start = *c, look = *c;
        int32_t same = 0, seen = 0;
        for (int32_t place; seen < size && (place = plc_next(&look)) >= 0; seen++)
            same += plc_get(c->of, place).whole == text[seen];
        if (seen < size || plc_next(&start) < 0)
            return false;
        *c = start;
        if ((same == size) == equal)
            return true;
    }
}

#endif
