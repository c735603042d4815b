/* SPDX-License-Identifier: Apache-2.0
 * The part of a dialect A library that the sample programs use: elementary types. */
#ifndef IEC_TYPES_ALL_H
#define IEC_TYPES_ALL_H

#include <stddef.h>
#include <stdint.h>

typedef struct { int32_t tv_sec, tv_nsec; } IEC_TIME;
typedef struct { int8_t len; uint8_t body[126]; } IEC_STRING;

#define FORCED 0x02

/* DO(name, C type) */
#define EACH_TYPE(DO)                                                                                      \
    DO(BOOL, uint8_t) DO(SINT, int8_t) DO(INT, int16_t) DO(DINT, int32_t) DO(LINT, int64_t)                \
    DO(USINT, uint8_t) DO(UINT, uint16_t) DO(UDINT, uint32_t) DO(ULINT, uint64_t)                          \
    DO(BYTE, uint8_t) DO(WORD, uint16_t) DO(DWORD, uint32_t) DO(LWORD, uint64_t)                           \
    DO(REAL, float) DO(LREAL, double)                                                                      \
    DO(TIME, IEC_TIME) DO(DATE, IEC_TIME) DO(TOD, IEC_TIME) DO(DT, IEC_TIME) DO(STRING, IEC_STRING)

/* A type, a variable of it (_t) and a variable that lives elsewhere (_p). */
#define DECLARE(name, base)                                                                                \
    typedef base name;                                                                                     \
    typedef struct { name value; uint8_t flags; } __IEC_##name##_t;                                        \
    typedef struct { name *value; uint8_t flags; name fvalue; } __IEC_##name##_p;
EACH_TYPE(DECLARE)

typedef uint8_t IEC_BOOL, IEC_BYTE;
typedef uint16_t IEC_UINT;
typedef uint32_t IEC_UDINT;
typedef uint64_t IEC_ULINT;

#define ENUMERATE(name, base) name##_ENUM, name##_P_ENUM, name##_O_ENUM,
typedef enum { EACH_TYPE(ENUMERATE) UNKNOWN_ENUM } __IEC_types_enum;

#endif
