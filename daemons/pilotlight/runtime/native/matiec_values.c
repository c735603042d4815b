/* SPDX-License-Identifier: Apache-2.0
 *
 * Values of a dialect A program to and from the encoding of the tags. They differ for the TIME family (seconds and
 * nanoseconds; int64 nanoseconds), STRING (length byte and 126 characters; 16-bit length and characters) and BOOL (any
 * byte; 0 or 1).
 */
#include "matiec_shim.h"

#include <stdbool.h>
#include <string.h>

enum { BOOL = 1, INT = 3, DINT = 4, LINT = 5, USINT = 6, TIME = 16, DATE = 17, TOD = 18, DT = 19, STRING = 21 };

#define SECOND_NS 1000000000LL
#define STRING_LENGTH 126u
#define STRING_NATIVE MATIEC_VALUE_MAX /* in the program: a signed length byte and the characters */
#define STRING_HEADER 2u               /* in the image: a 16-bit length and the characters */

typedef struct {
    int32_t seconds, nanoseconds;
} timespan;

/* Bytes of each type in the program and in the image. */
const uint8_t matiec_native_size[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 8, 8, 8, 8, 1, STRING_NATIVE};
const uint8_t matiec_tag_size[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 1, 2, 4, 8, 4, 8, 8, 8, 8, 8, 1, STRING_HEADER + STRING_LENGTH};

/* Type of a variable whose type the table does not know, an enumeration say: the integer of its size. */
uint8_t matiec_type_of_size(size_t size) {
    switch (size) {
    case 2: return INT;
    case 4: return DINT;
    case 8: return LINT;
    default: return USINT;
    }
}

static bool is_time(uint8_t type) { return type >= TIME && type <= DT; }

void matiec_to_tag(uint8_t type, const uint8_t *from, uint8_t *to) {
    if (type == BOOL) {
        *to = *from != 0;
    } else if (is_time(type)) {
        timespan span;
        memcpy(&span, from, sizeof span);
        int64_t ns = span.seconds * SECOND_NS + span.nanoseconds;
        memcpy(to, &ns, sizeof ns);
    } else if (type == STRING) {
        int8_t declared = (int8_t)*from;
        uint16_t length = declared < 0 ? 0 : (uint16_t)declared;
        if (length > STRING_LENGTH)
            length = STRING_LENGTH;
        memcpy(to, &length, sizeof length);
        memcpy(to + STRING_HEADER, from + 1, length);
        memset(to + STRING_HEADER + length, 0, STRING_LENGTH - length);
    } else {
        memcpy(to, from, matiec_native_size[type]);
    }
}

int32_t matiec_from_tag(uint8_t type, const uint8_t *from, uint8_t *to) {
    if (type == BOOL && *from > 1)
        return PL_ERROR_VALUE;
    if (is_time(type)) {
        int64_t ns;
        memcpy(&ns, from, sizeof ns);
        int64_t seconds = ns / SECOND_NS;
        if (seconds < INT32_MIN || seconds > INT32_MAX)
            return PL_ERROR_VALUE;
        timespan span = {(int32_t)seconds, (int32_t)(ns % SECOND_NS)};
        memcpy(to, &span, sizeof span);
    } else if (type == STRING) {
        uint16_t length;
        memcpy(&length, from, sizeof length);
        if (length > STRING_LENGTH)
            return PL_ERROR_VALUE;
        memset(to, 0, STRING_NATIVE);
        *to = (uint8_t)length;
        memcpy(to + 1, from + STRING_HEADER, length);
    } else {
        memcpy(to, from, matiec_native_size[type]);
    }
    return PL_OK;
}

