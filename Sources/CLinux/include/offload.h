// SPDX-License-Identifier: Apache-2.0
//
// Whether the checksums of what an interface sends are left to the hardware: ethtool(8).

#ifndef SWIFT_CNI_OFFLOAD_H
#define SWIFT_CNI_OFFLOAD_H

#include <stdbool.h>

// Returns 1, 0 or the negated error number.
int linux_tx_checksum(const char *interface);
int linux_set_tx_checksum(const char *interface, bool offload);

#endif
