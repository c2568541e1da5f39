// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CLibNFTables.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

// None of this is called often enough for speed to count.
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)

struct clibnftables {
    struct nft_ctx *library;
    int probe;
};

// The functions of the library, under their own names.
static struct {
#define FUNCTIONS(X) \
    X(nft_ctx_new) X(nft_ctx_free) X(nft_ctx_set_dry_run) X(nft_ctx_buffer_output) \
    X(nft_ctx_buffer_error) X(nft_ctx_get_output_buffer) X(nft_ctx_get_error_buffer) X(nft_run_cmd_from_buffer)
#define MEMBER(name) __typeof__(&name) name;
    FUNCTIONS(MEMBER)
} nft;

// Says what is missing, or nothing. Loading it once more changes nothing.
static const char *load(void) {
    void *library = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
#define FIND(name) if (!(nft.name = (__typeof__(&name))dlsym(library, #name))) return dlerror();
    FUNCTIONS(FIND)
    return NULL;
}

// The library opens its socket without close-on-exec, and delegated plugins must not inherit it.
static void close_sockets_on_exec(void) {
    for (int descriptor = 3; descriptor < 64; descriptor++) {
        int protocol = -1;
        socklen_t size = sizeof protocol;
        int domain = -1;
        if (getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK &&
            getsockopt(descriptor, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == NETLINK_NETFILTER) {
            fcntl(descriptor, F_SETFD, FD_CLOEXEC);
        }
    }
}

struct clibnftables *clibnftables_open(int *error, const char **problem) {
    *error = EOPNOTSUPP;
    *problem = load();
    if (*problem) return NULL;
    // Where there is no such socket the library would end the process. This one is closed with the context: closing it
    // here could mean to wait for what other processes deleted.
    int probe = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (probe < 0) {
        if (errno != EPROTONOSUPPORT) *error = errno;
        *problem = "the kernel opens no netfilter socket";
        return NULL;
    }
    struct clibnftables *context = malloc(sizeof *context);
    struct nft_ctx *library = context ? nft.nft_ctx_new(NFT_CTX_DEFAULT) : NULL;
    if (!library) {
        free(context);
        close(probe);
        *error = ENOMEM;
        *problem = "libnftables makes no context";
        return NULL;
    }
    nft.nft_ctx_buffer_output(library);
    nft.nft_ctx_buffer_error(library);
    close_sockets_on_exec();
    *context = (struct clibnftables){library, probe};
    return context;
}

int clibnftables_error_number(const char *text) {
    static const int known[] = {ENOENT, EEXIST, EBUSY, EAGAIN, EINTR, EPERM, EOPNOTSUPP, 0};
    for (const int *number = known; *number; number++) {
        if (strstr(text, strerror(*number))) return *number == EINTR ? EAGAIN : *number;
    }
    return EINVAL;
}

// Makes one line of the first error and the command that it is about, and says which error it is.
static int keep_first_error(char *text) {
    char *end = strchr(text, '\n');
    if (!end) return clibnftables_error_number(text);
    // The command, which may hold any words, doesn't count.
    *end = 0;
    int number = clibnftables_error_number(text);
    *end = ' ';
    // Below it the library marks a place, and more errors may follow, about commands that were right but for the first.
    end = strchr(end, '\n');
    if (end) *end = 0;
    return number;
}

struct clibnftables_answer clibnftables_run(struct clibnftables *context, const char *commands, bool dry) {
    nft.nft_ctx_set_dry_run(context->library, dry);
    int code = nft.nft_run_cmd_from_buffer(context->library, commands);
    // Asking for a text empties its buffer for the next run, so both are asked for.
    const char *output = nft.nft_ctx_get_output_buffer(context->library);
    char *error = (char *)nft.nft_ctx_get_error_buffer(context->library);
    if (code == 0) return (struct clibnftables_answer){0, output};
    return (struct clibnftables_answer){keep_first_error(error), error};
}

void clibnftables_close(struct clibnftables *context) {
    nft.nft_ctx_free(context->library);
    close(context->probe);
    free(context);
}

#pragma clang attribute pop
