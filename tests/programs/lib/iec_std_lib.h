/* SPDX-License-Identifier: Apache-2.0
 * The part of a dialect A library that the sample programs use: the program's clock. */
#ifndef IEC_STD_LIB_H
#define IEC_STD_LIB_H

#include "iec_types_all.h"

extern TIME __CURRENT_TIME;

#endif
