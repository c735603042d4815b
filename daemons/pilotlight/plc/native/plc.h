/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of numbers for programs that the emitter writes: what pilotlight.plc.arithmetic and plc.engine.cells say,
 * in C. An integer is 64 bits of two's complement, a float a binary64; compiled without contraction and without the
 * compiler's own mathematics, so that each machine gives the same bits as its interpreter.
 */
#ifndef PILOTLIGHT_PLC_H
#define PILOTLIGHT_PLC_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* The first three cells of every image. */
#define PLC_DIVISION_ERROR 0
#define PLC_OUT_OF_RANGE 1
#define PLC_ADDRESS_ERROR 2

/* Codes of tags.Type. */
#define PLC_BOOL 1
#define PLC_INT 3
#define PLC_DINT 4
#define PLC_LINT 5
#define PLC_WORD 11
#define PLC_REAL 14
#define PLC_CHAR 20

/* How the expression that is being evaluated has failed. A lost one has named an address that is not there. */
#define PLC_FAILED 1u
#define PLC_LOST 2u

typedef struct {
    uint8_t *cells; /* the fault cells */
    unsigned failed;
} plc_faults;

static inline int64_t plc_division_error(plc_faults *f) {
    f->cells[PLC_DIVISION_ERROR] = 1;
    f->failed |= PLC_FAILED;
    return 0;
}

static inline int64_t plc_out_of_range(plc_faults *f) {
    f->cells[PLC_OUT_OF_RANGE] = 1;
    f->failed |= PLC_FAILED;
    return 0;
}

static inline int64_t plc_address_error(plc_faults *f) {
    f->cells[PLC_ADDRESS_ERROR] = 1;
    f->failed |= PLC_FAILED | PLC_LOST;
    return 0;
}

/* ---- integers --------------------------------------------------------------------------------------------------- */

static inline int64_t plc_add(plc_faults *f, int64_t a, int64_t b) {
    int64_t result;
    if (__builtin_add_overflow(a, b, &result))
        f->cells[PLC_OUT_OF_RANGE] = 1;
    return result;
}

static inline int64_t plc_subtract(plc_faults *f, int64_t a, int64_t b) {
    int64_t result;
    if (__builtin_sub_overflow(a, b, &result))
        f->cells[PLC_OUT_OF_RANGE] = 1;
    return result;
}

static inline int64_t plc_multiply(plc_faults *f, int64_t a, int64_t b) {
    int64_t result;
    if (__builtin_mul_overflow(a, b, &result))
        f->cells[PLC_OUT_OF_RANGE] = 1;
    return result;
}

static inline int64_t plc_negate(plc_faults *f, int64_t a) { return plc_subtract(f, 0, a); }

static inline int64_t plc_absolute(plc_faults *f, int64_t a) { return a < 0 ? plc_negate(f, a) : a; }

static inline int64_t plc_quotient(plc_faults *f, int64_t a, int64_t b) {
    if (b == 0)
        return plc_division_error(f);
    return b == -1 ? plc_negate(f, a) : a / b;
}

static inline int64_t plc_remainder(plc_faults *f, int64_t a, int64_t b) {
    if (b == 0)
        return plc_division_error(f);
    return b == -1 ? 0 : a % b;
}

static int64_t __attribute__((unused)) plc_power(plc_faults *f, int64_t base, int64_t exponent) {
    if (exponent < 0) {
        if (base == 0)
            return plc_division_error(f);
        if (base == 1 || base == -1)
            return exponent % 2 ? base : 1;
        return 0;
    }
    bool lost = exponent > 63 && (base < -1 || base > 1);
    int64_t product = 1;
    for (int64_t n = 0; n < exponent && exponent <= 63; n++)
        lost = __builtin_mul_overflow(product, base, &product) || lost;
    uint64_t result = 1, square = (uint64_t)base;
    for (uint64_t rest = (uint64_t)exponent; rest != 0; rest >>= 1, square *= square)
        if (rest & 1)
            result *= square;
    if (lost)
        f->cells[PLC_OUT_OF_RANGE] = 1;
    return (int64_t)result;
}

static inline int64_t plc_shift_left(plc_faults *f, int64_t value, int64_t count) {
    if (count < 0)
        return plc_out_of_range(f);
    int64_t result = count > 63 ? 0 : (int64_t)((uint64_t)value << count);
    if ((count > 63 ? 0 : result >> count) != value)
        f->cells[PLC_OUT_OF_RANGE] = 1;
    return result;
}

static inline int64_t plc_shift_right(plc_faults *f, int64_t value, int64_t count) {
    if (count < 0)
        return plc_out_of_range(f);
    return value >> (count > 63 ? 63 : count);
}

static inline int64_t plc_rotate_left(plc_faults *f, int64_t value, int64_t count) {
    if (count < 0)
        return plc_out_of_range(f);
    uint32_t bits = (uint32_t)value & 0xFFFFu, steps = (uint32_t)(count % 16);
    return (bits << steps | bits >> (16 - steps)) & 0xFFFFu;
}

static inline int64_t plc_rotate_right(plc_faults *f, int64_t value, int64_t count) {
    return count < 0 ? plc_out_of_range(f) : plc_rotate_left(f, value, 16 - count % 16);
}

/* ---- floats ----------------------------------------------------------------------------------------------------- */

static inline double plc_divide(plc_faults *f, double a, double b) {
    return b == 0.0 ? (double)plc_division_error(f) : a / b;
}

/* The sum turns a minus zero into zero. */
static inline double plc_float_quotient(plc_faults *f, double a, double b) {
    return b == 0.0 ? (double)plc_division_error(f) : trunc(a / b) + 0.0;
}

static inline double plc_float_remainder(plc_faults *f, double a, double b) {
    return b == 0.0 ? (double)plc_division_error(f) : fmod(a, b);
}

static inline double plc_float_power(plc_faults *f, double base, double exponent) {
    if (base == 0.0 && exponent < 0.0)
        return (double)plc_division_error(f);
    double result = pow(base, exponent);
    return isfinite(base) && isfinite(exponent) && !isfinite(result) ? (double)plc_out_of_range(f) : result;
}

#define PLC_FUNCTION(name, outside, result)                                                                            \
    static inline double plc_##name(plc_faults *f, double x) {                                                         \
        return (outside) ? (double)plc_out_of_range(f) : (result);                                                     \
    }
PLC_FUNCTION(square_root, x < 0.0, sqrt(x))
PLC_FUNCTION(sine, isinf(x), sin(x))
PLC_FUNCTION(cosine, isinf(x), cos(x))
PLC_FUNCTION(tangent, isinf(x), tan(x))
PLC_FUNCTION(arc_sine, x < -1.0 || x > 1.0, asin(x))
PLC_FUNCTION(arc_cosine, x < -1.0 || x > 1.0, acos(x))
PLC_FUNCTION(arc_tangent, false, atan(x))
PLC_FUNCTION(radians, false, x * (3.141592653589793 / 180.0))
PLC_FUNCTION(degrees, false, x * (180.0 / 3.141592653589793))
PLC_FUNCTION(logarithm, x <= 0.0, log(x))
PLC_FUNCTION(logarithm_10, x <= 0.0, log10(x))

static inline int64_t plc_truncated(double x) {
    if (x != x)
        return 0;
    if (x >= 9223372036854775808.0)
        return INT64_MAX;
    return x <= -9223372036854775808.0 ? INT64_MIN : (int64_t)x;
}

/* ---- what a cell holds for a number ----------------------------------------------------------------------------- */

static inline int64_t plc_saturated(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

static inline int64_t plc_saturated_float(double value, int64_t low, int64_t high) {
    return isinf(value) ? 0 : plc_saturated(plc_truncated(value), low, high);
}

static inline bool plc_bool(double value) { return isfinite(value) && value != 0.0; }

static inline bool plc_bool_checked(plc_faults *f, double value) {
    return isfinite(value) ? value != 0.0 : plc_division_error(f) != 0;
}

/* `low` to `high` are the values of a type. */
static inline int64_t plc_wrapped(plc_faults *f, int64_t value, int64_t low, int64_t high) {
    if (value >= low && value <= high)
        return value;
    f->cells[PLC_OUT_OF_RANGE] = 1;
    return (int64_t)(((uint64_t)value - (uint64_t)low) & (uint64_t)(high - low)) + low;
}

static inline int64_t plc_whole_checked(plc_faults *f, double value) {
    return isfinite(value) ? plc_truncated(value) : plc_division_error(f);
}

/* A float as the nearest finite binary32, never minus zero. */
static inline float plc_single(double x) {
    if (x > (double)FLT_MAX)
        return FLT_MAX;
    return x < -(double)FLT_MAX ? -FLT_MAX : (float)x + 0.0f;
}

static inline float plc_real(double value) { return isfinite(value) ? plc_single(value) : 0.0f; }

static inline float plc_real_checked(plc_faults *f, double value) {
    if (!isfinite(value))
        return (float)plc_division_error(f);
    if (value > (double)FLT_MAX || value < -(double)FLT_MAX)
        f->cells[PLC_OUT_OF_RANGE] = 1;
    return plc_single(value);
}

static inline float plc_single_of_bits(uint32_t bits) {
    float number;
    if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
        bits = 0x7FC00000u;
    memcpy(&number, &bits, sizeof number);
    return number + 0.0f;
}

static inline uint32_t plc_bits_of_single(float number) {
    uint32_t bits;
    memcpy(&bits, &number, sizeof bits);
    return bits;
}

/* ---- time ------------------------------------------------------------------------------------------------------- */

/* Add a scan's time to a fraction of a unit; gives the whole units that are full. */
static inline int64_t plc_units(int64_t *fraction, int64_t dt, int64_t unit) {
    int64_t total = *fraction + dt;
    *fraction = total % unit;
    return total / unit;
}

/* ---- tasks ------------------------------------------------------------------------------------------------------ */

/* A scan starts: whether a task is due in it, on the grid of its period from its first scan. */
static inline bool plc_due(int64_t *wait, int64_t *since, int64_t period, int64_t dt) {
    *since += dt;
    if (*wait == 0) {
        *wait = period;
        return true;
    }
    int64_t rest = (*wait < period ? *wait : period) - dt;
    *wait = rest > 0 ? rest : period - -rest % period;
    return rest <= 0;
}

/* The time since a task ran last; it runs now. */
static inline int64_t plc_since(int64_t *since) {
    int64_t dt = *since;
    *since = 0;
    return dt;
}

#endif
