// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CLibNFTables.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct clibnftables {
    struct nft_ctx *library;
    int probe;
};

// The functions of the library, under their own names.
static struct {
#define FUNCTIONS(X) \
    X(nft_ctx_new) X(nft_ctx_free) X(nft_ctx_output_set_flags) X(nft_ctx_set_dry_run) X(nft_ctx_buffer_output) \
    X(nft_ctx_buffer_error) X(nft_ctx_get_output_buffer) X(nft_ctx_get_error_buffer) X(nft_run_cmd_from_buffer)
#define MEMBER(name) __typeof__(&name) name;
    FUNCTIONS(MEMBER)
} nft;

static pthread_once_t loaded = PTHREAD_ONCE_INIT;
static bool usable;
static char sentence[512];

static void load(void) {
    void *library = dlopen("libnftables.so.1", RTLD_NOW | RTLD_LOCAL);
    const char *problem = library ? NULL : dlerror();
#define FIND(name) if (!problem && !(nft.name = (__typeof__(&name))dlsym(library, #name))) problem = dlerror();
    FUNCTIONS(FIND)
    usable = !problem;
    if (!usable) {
        snprintf(sentence, sizeof sentence, "%s; install the library libnftables.so.1, in Debian the package libnftables1",
                 problem ? problem : "libnftables.so.1 cannot be loaded");
    }
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
    pthread_once(&loaded, load);
    *error = EOPNOTSUPP;
    *problem = sentence;
    if (!usable) return NULL;
    // Where there is no such socket the library would end the process. This one is closed with the context: closing it
    // here could mean to wait for what other processes deleted.
    int probe = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (probe < 0) {
        *error = errno == EPROTONOSUPPORT ? EOPNOTSUPP : errno;
        *problem = "the kernel opens no netfilter socket; it may lack the module nfnetlink";
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

struct clibnftables_answer clibnftables_run(struct clibnftables *context, const char *commands, bool json, bool dry) {
    nft.nft_ctx_output_set_flags(context->library, json ? NFT_CTX_OUTPUT_JSON : 0);
    nft.nft_ctx_set_dry_run(context->library, dry);
    int code = nft.nft_run_cmd_from_buffer(context->library, commands);
    // Asking for a text empties its buffer for the next run, so both are asked for.
    const char *output = nft.nft_ctx_get_output_buffer(context->library);
    const char *error = nft.nft_ctx_get_error_buffer(context->library);
    return (struct clibnftables_answer){code == 0, output ? output : "", error ? error : ""};
}

void clibnftables_close(struct clibnftables *context) {
    nft.nft_ctx_free(context->library);
    close(context->probe);
    free(context);
}
