// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static const char word[] = "cnictl";

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static socklen_t fill(struct sockaddr_in6 *place, const uint8_t *address, int length, uint16_t port) {
    memset(place, 0, sizeof *place);
    if (length == 16) {
        place->sin6_family = AF_INET6;
        place->sin6_port = htons(port);
        if (address) memcpy(&place->sin6_addr, address, 16);
        return sizeof *place;
    }
    struct sockaddr_in *place4 = (struct sockaddr_in *)place;
    place4->sin_family = AF_INET;
    place4->sin_port = htons(port);
    if (address) memcpy(&place4->sin_addr, address, 4);
    return sizeof *place4;
}

static int open_socket(bool version6, bool datagram) {
    int type = (datagram ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK;
    return socket(version6 ? AF_INET6 : AF_INET, type, 0);
}

int linux_listen(bool version6, bool datagram, uint16_t port) {
    struct sockaddr_in6 any;
    socklen_t size = fill(&any, NULL, version6 ? 16 : 4, port);
    int on = 1, listener = open_socket(version6, datagram);
    if (listener < 0) return -errno;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (version6) setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&any, size) < 0 || (!datagram && listen(listener, 4) < 0)) {
        int code = -errno;
        close(listener);
        return code;
    }
    return listener;
}

// What arrives at the listener goes back to where it came from; whatever fails here shows as a missing echo.
static void echo(int listener, bool datagram, int *accepted) {
    char buffer[64];
    if (datagram) {
        struct sockaddr_in6 from;
        socklen_t size = sizeof from;
        ssize_t got = recvfrom(listener, buffer, sizeof buffer, 0, (struct sockaddr *)&from, &size);
        if (got > 0) (void)!sendto(listener, buffer, (size_t)got, 0, (struct sockaddr *)&from, size);
    } else if (*accepted < 0) {
        *accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    } else {
        ssize_t got = recv(*accepted, buffer, sizeof buffer, 0);
        if (got > 0) (void)!send(*accepted, buffer, (size_t)got, MSG_NOSIGNAL);
    }
}

int64_t linux_probe(int listener, const uint8_t *address, int length, uint16_t port, bool datagram,
                    int timeout_milliseconds) {
    struct sockaddr_in6 to;
    socklen_t size = fill(&to, address, length, port);
    int client = open_socket(length == 16, datagram), accepted = -1;
    if (client < 0) return -errno;
    int64_t start = now(), deadline = start + (int64_t)timeout_milliseconds * 1000000, result = -ETIMEDOUT;
    bool sent = false;
    if (connect(client, (struct sockaddr *)&to, size) < 0 && errno != EINPROGRESS) {
        result = -errno;
        deadline = 0;
    }
    while (now() < deadline) {
        struct pollfd waits[2] = {
            {.fd = client, .events = sent ? POLLIN : POLLOUT},
            {.fd = accepted < 0 ? listener : accepted, .events = POLLIN},
        };
        if (poll(waits, 2, (int)((deadline - now()) / 1000000) + 1) < 0) continue;
        if (waits[1].revents) echo(listener, datagram, &accepted);
        if (!waits[0].revents) continue;
        if (!sent) {
            sent = send(client, word, sizeof word, MSG_NOSIGNAL) == sizeof word;
            if (sent) continue;
            result = -errno;
            break;
        }
        char answer[sizeof word];
        ssize_t got = recv(client, answer, sizeof answer, 0);
        if (got == sizeof word && !memcmp(answer, word, sizeof word)) result = now() - start;
        else result = got < 0 ? -errno : -EPROTO;
        break;
    }
    if (accepted >= 0) close(accepted);
    close(client);
    return result;
}

long linux_read_link(const char *path, char *buffer, size_t size) {
    ssize_t got = readlink(path, buffer, size);
    return got < 0 ? -errno : got;
}
