/* SPDX-License-Identifier: Apache-2.0
 * The part of a dialect A library that the sample programs use: reading and writing variables. */
#ifndef ACCESSOR_H
#define ACCESSOR_H

#define __DECLARE_VAR(type, name) __IEC_##type##_t name;
#define __DECLARE_LOCATED(type, name) __IEC_##type##_p name;

#define __INIT_VAR(variable, ...) variable.value = (__VA_ARGS__);
#define __INIT_LOCATED(type, location, variable) \
    {                                            \
        extern type *location;                   \
        variable.value = location;               \
    }

#define __GET_VAR(variable) (variable.value)
#define __GET_LOCATED(variable) (variable.flags & FORCED ? variable.fvalue : *variable.value)
#define __SET_VAR(variable, to) \
    if (!(variable.flags & FORCED)) variable.value = (to)
#define __SET_LOCATED(variable, to) \
    if (!(variable.flags & FORCED)) *variable.value = (to)

#endif
