/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as text and text as numbers. The process keeps the numeric locale "C", as Python does.
 */
#ifndef PILOTLIGHT_PLC_TEXT_H
#define PILOTLIGHT_PLC_TEXT_H

#include "plc_cells.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define PLC_TEXT_MAX 400 /* characters of any number as text: binary64 has 309 before its point */

/* Text of an integer of a type, into `text`; its length. */
static int32_t __attribute__((unused))
plc_whole_text(char *text, int32_t type, int64_t value, int digits, bool suppress_zero) {
    if (type == PLC_CHAR) {
        text[0] = (char)(value & 0xFF);
        return value != 0;
    }
    int least = suppress_zero ? 1 : digits;
    if (type == PLC_WORD)
        return snprintf(text, PLC_TEXT_MAX, "%.*" PRIX64, least, (uint64_t)value & 0xFFFF);
    uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    return snprintf(text, PLC_TEXT_MAX, "%s%.*" PRIu64, value < 0 ? "-" : "", least, size);
}

/* Text of a float with seven decimals; -1 when it is not finite. */
static int32_t __attribute__((unused)) plc_real_text(char *text, double value, bool exponential) {
    return isfinite(value) ? snprintf(text, PLC_TEXT_MAX, exponential ? "%.7E" : "%.7f", value) : -1;
}

/* Write a text and, if it is not negative, a termination; out_of_range when there are not enough cells. */
static void __attribute__((unused))
plc_write_text(plc_faults *f, const plc_cells *targets, const char *text, int32_t length, int32_t termination) {
    if (targets->count < 0)
        return;
    int32_t total = length + (termination >= 0);
    if (length < 0 || total > plc_size(targets)) {
        f->cells[PLC_OUT_OF_RANGE] = 1;
        return;
    }
    int32_t n = 0;
    PLC_EACH(place, targets) {
        if (n == total)
            return;
        plc_put(targets, place, (plc_number){.whole = n < length ? (uint8_t)text[n] : termination});
        n++;
    }
}

/* ---- reading ---------------------------------------------------------------------------------------------------- */

static inline bool plc_blank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static inline bool plc_sign(char c) { return c == '+' || c == '-'; }

static inline const char *plc_digits(const char *text) {
    while (*text >= '0' && *text <= '9')
        text++;
    return text;
}

/* The characters of `source` without those of code 0, and without blanks at the ends if told; `text` has room. */
static char *__attribute__((unused)) plc_read_text(const plc_cells *source, char *text, bool allow_whitespace) {
    char *end = text;
    PLC_EACH(place, source) {
        char c = (char)plc_get(source, place).whole;
        if (c != 0)
            *end++ = c;
    }
    if (allow_whitespace) {
        while (end > text && plc_blank(end[-1]))
            end--;
        while (text < end && plc_blank(*text))
            text++;
    }
    *end = 0;
    return text;
}

static inline bool plc_parse_real(const char *text, plc_number *number) {
    const char *whole = text + plc_sign(*text), *point = plc_digits(whole), *end = point;
    if (*point == '.')
        end = plc_digits(point + 1);
    if (end - whole - (*point == '.') == 0)
        return false;
    if (*end == 'e' || *end == 'E') {
        const char *exponent = end + 1 + plc_sign(end[1]);
        end = plc_digits(exponent);
        if (end == exponent)
            return false;
    }
    double value = *end == 0 ? strtod(text, NULL) : (double)INFINITY;
    if (value < -(double)FLT_MAX || value > (double)FLT_MAX)
        return false;
    number->real = (double)plc_single(value);
    return true;
}

/* The number of a type with the values `low` to `high` that a text shows; false when it shows none. */
static bool __attribute__((unused))
plc_parse(int32_t type, const char *text, int64_t low, int64_t high, plc_number *number) {
    if (type == PLC_REAL)
        return plc_parse_real(text, number);
    if (type == PLC_WORD) {
        size_t size = strlen(text);
        if (size < 1 || size > 4 || strspn(text, "0123456789abcdefABCDEF") != size)
            return false;
        number->whole = strtol(text, NULL, 16);
        return true;
    }
    const char *digits = text + plc_sign(*text), *end = plc_digits(digits);
    if (end == digits || *end != 0)
        return false;
    while (*digits == '0')
        digits++;
    if (end - digits > 10)
        return false;
    int64_t value = 0;
    for (; digits < end; digits++)
        value = value * 10 + (*digits - '0');
    number->whole = *text == '-' ? -value : value;
    return number->whole >= low && number->whole <= high;
}

#endif
