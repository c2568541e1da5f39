// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CLinux.h"

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int linux_duplicate(int descriptor) { return fcntl(descriptor, F_DUPFD_CLOEXEC, 3); }

void linux_close_later(int descriptor) {
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) == 0) {
        int both[2] = {pair[1], descriptor};
        union {
            struct cmsghdr header;
            char space[CMSG_SPACE(sizeof both)];
        } control = {.header = {CMSG_LEN(sizeof both), SOL_SOCKET, SCM_RIGHTS}};
        memcpy(CMSG_DATA(&control.header), both, sizeof both);
        struct iovec part = {"", 1};
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        sendmsg(pair[0], &message, MSG_NOSIGNAL);
        // Before the pair, or the collector might be faster and leave the last reference to the caller.
        close(descriptor);
        close(pair[1]);
        close(pair[0]);
    } else {
        close(descriptor);
    }
}
