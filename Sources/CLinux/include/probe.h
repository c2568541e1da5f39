// SPDX-License-Identifier: Apache-2.0
//
// What cnictl needs beyond the plugins: whether one host reaches another, and where a symbolic link leads.

#ifndef SWIFT_CNI_PROBE_H
#define SWIFT_CNI_PROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Sends echo requests until one is answered: icmp(7). The address has 4 or 16 bytes in network order; the interface is
// needed only for link-local ones. With a size, the packets have it, IP header included, and must not be taken apart.
// Returns the round trip in nanoseconds or the negated error number.
int64_t linux_ping(const uint8_t *address, int length, uint32_t interface, int size, int timeout_milliseconds);

// Opens a port on all addresses of one family; the socket stays in the calling thread's namespace.
int linux_listen(bool version6, bool datagram, uint16_t port);

// Sends a word to an address and port, and waits until it came out at the listener and its echo came back.
// Returns the time in nanoseconds or the negated error number.
int64_t linux_probe(int listener, const uint8_t *address, int length, uint16_t port, bool datagram,
                    int timeout_milliseconds);

// The target of a symbolic link, without a zero byte: readlink(2).
long linux_read_link(const char *path, char *buffer, size_t size);

#endif
