// SPDX-License-Identifier: Apache-2.0

#include <stdint.h>

#ifdef SWIFT_CNI_EMBEDDED
// The one function of libm that the standard library calls, for the sizes of hash tables. Loading the library for it would
// be a tenth of the time that a plugin takes to start.
double ceil(double value);

double ceil(double value) {
    if (!(value > -0x1p62 && value < 0x1p62)) return value;
    double truncated = (double)(int64_t)value;
    return truncated < value ? truncated + 1 : truncated;
}
#endif
