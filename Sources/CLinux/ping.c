// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

// Echo request and reply look alike in both families but for the numbers of their types.
struct echo {
    uint8_t type, code;
    uint16_t checksum, identifier, sequence;
    uint64_t cookie;
} __attribute__((packed));

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static uint16_t checksum(const void *data, size_t size) {
    const uint8_t *bytes = data;
    uint32_t sum = 0;
    for (size_t i = 0; i + 1 < size; i += 2) sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return htons((uint16_t)~sum);
}

static bool is_reply(const uint8_t *packet, ssize_t size, bool version6, const struct echo *request,
                     unsigned *sequence) {
    struct echo reply;
    // A raw socket delivers the header of IPv4, and not that of IPv6.
    size_t header = version6 || size < 1 ? 0 : (size_t)(packet[0] & 15) * 4;
    if (size < 0 || (size_t)size < header + sizeof reply) return false;
    memcpy(&reply, packet + header, sizeof reply);
    if (reply.type != (version6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY)) return false;
    if (reply.identifier != request->identifier || reply.cookie != request->cookie) return false;
    *sequence = ntohs(reply.sequence);
    return true;
}

// The request is followed by zeros, which change no checksum, until the packet has the size.
static size_t message_size(bool version6, int size) {
    size_t header = version6 ? sizeof(struct ip6_hdr) : sizeof(struct iphdr), least = sizeof(struct echo);
    return size > 0 && (size_t)size > header + least ? (size_t)size - header : least;
}

static void refuse_fragments(int socket_fd, bool version6) {
    int on = 1, never = version6 ? IPV6_PMTUDISC_DO : IP_PMTUDISC_DO;
    if (version6) setsockopt(socket_fd, IPPROTO_IPV6, IPV6_DONTFRAG, &on, sizeof on);
    setsockopt(socket_fd, version6 ? IPPROTO_IPV6 : IPPROTO_IP, version6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER, &never,
               sizeof never);
}

int64_t linux_ping(const uint8_t *address, int length, uint32_t interface, int size, int timeout_milliseconds) {
    enum { ATTEMPTS = 16, INTERVAL = 200 };
    static uint8_t message[1 << 16];
    const bool version6 = length == 16;
    struct sockaddr_in6 to6 = {.sin6_family = AF_INET6, .sin6_scope_id = interface};
    struct sockaddr_in to4 = {.sin_family = AF_INET};
    struct sockaddr *to = version6 ? (struct sockaddr *)&to6 : (struct sockaddr *)&to4;
    socklen_t to_size = version6 ? sizeof to6 : sizeof to4;
    memcpy(version6 ? (void *)&to6.sin6_addr : (void *)&to4.sin_addr, address, (size_t)length);

    const int protocol = version6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    int socket_fd = socket(to->sa_family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
    if (socket_fd < 0) return -errno;
    if (size > 0) refuse_fragments(socket_fd, version6);
    const size_t total = message_size(version6, size);
    if (total > sizeof message) {
        close(socket_fd);
        return -EMSGSIZE;
    }
    struct echo request = {.type = version6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO};
    if (getrandom(&request.cookie, sizeof request.cookie, 0) < 0) request.cookie = (uint64_t)now();
    request.identifier = (uint16_t)request.cookie;

    int64_t sent[ATTEMPTS] = {0}, start = now(), result = -ETIMEDOUT;
    unsigned attempts = 0;
    while (now() - start < (int64_t)timeout_milliseconds * 1000000) {
        if (attempts < ATTEMPTS && now() - start >= (int64_t)attempts * INTERVAL * 1000000) {
            request.sequence = htons((uint16_t)attempts);
            request.checksum = 0;
            // The kernel fills in the one of IPv6, which covers the addresses too.
            if (!version6) request.checksum = checksum(&request, sizeof request);
            sent[attempts++] = now();
            // An address that is still being checked for duplicates cannot send yet, so a refusal is not the end.
            memcpy(message, &request, sizeof request);
            if (sendto(socket_fd, message, total, 0, to, to_size) < 0) result = -errno;
            // What is too large now will be so later.
            if (result == -EMSGSIZE) break;
        }
        int64_t next = attempts < ATTEMPTS ? start + (int64_t)attempts * INTERVAL * 1000000 : now() + 50000000;
        struct pollfd wait = {.fd = socket_fd, .events = POLLIN};
        int milliseconds = (int)((next - now()) / 1000000) + 1;
        if (poll(&wait, 1, milliseconds > 0 ? milliseconds : 0) <= 0) continue;
        uint8_t packet[2048];
        ssize_t got = recv(socket_fd, packet, sizeof packet, 0);
        unsigned sequence = 0;
        if (is_reply(packet, got, version6, &request, &sequence) && sequence < attempts) {
            result = now() - sent[sequence];
            break;
        }
    }
    close(socket_fd);
    return result;
}
