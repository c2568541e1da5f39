// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CLibNFTables.h"
#include "CLinux.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
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
    // A second descriptor of the library's socket, so that it is not the library that closes it last.
    int socket;
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

static bool is_netfilter_socket(int descriptor) {
    int domain = -1;
    int protocol = -1;
    socklen_t size = sizeof protocol;
    return getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_NETLINK &&
           getsockopt(descriptor, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) == 0 && protocol == NETLINK_NETFILTER;
}

// The library opens its socket without close-on-exec, and delegated plugins must not inherit it.
static int protect_socket(void) {
    int found = -1;
    for (int descriptor = 3; descriptor < 64; descriptor++) {
        if (!is_netfilter_socket(descriptor) || (fcntl(descriptor, F_GETFD) & FD_CLOEXEC)) continue;
        fcntl(descriptor, F_SETFD, FD_CLOEXEC);
        found = descriptor;
    }
    return found;
}

struct clibnftables *clibnftables_open(int *error, const char **problem) {
    *error = EOPNOTSUPP;
    *problem = load();
    if (*problem) return NULL;
    // Where there is no such socket the library would end the process.
    int probe = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    if (probe < 0) {
        if (errno != EPROTONOSUPPORT) *error = errno;
        *problem = "the kernel opens no netfilter socket";
        return NULL;
    }
    linux_close_later(probe);
    struct clibnftables *context = malloc(sizeof *context);
    struct nft_ctx *library = context ? nft.nft_ctx_new(NFT_CTX_DEFAULT) : NULL;
    if (!library) {
        free(context);
        *error = ENOMEM;
        *problem = "libnftables makes no context";
        return NULL;
    }
    nft.nft_ctx_buffer_output(library);
    nft.nft_ctx_buffer_error(library);
    *context = (struct clibnftables){library, linux_duplicate(protect_socket())};
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
    if (context->socket >= 0) linux_close_later(context->socket);
    free(context);
}

int clibnftables_socket_open(void) {
    int descriptor = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);
    return descriptor < 0 ? -errno : descriptor;
}

void clibnftables_socket_close(int descriptor) {
    if (descriptor >= 0) linux_close_later(descriptor);
}

// A question to the kernel's tables.
struct question {
    struct nlmsghdr header;
    struct nfgenmsg family;
    char attributes[700];
};

static struct question begin(uint8_t family, int message) {
    return (struct question){.header = {sizeof(struct nlmsghdr) + sizeof(struct nfgenmsg),
                                        (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message), NLM_F_REQUEST},
                             .family = {.nfgen_family = family}};
}

// Adds an attribute if there is room; the kernel refuses a question that lacks one.
static struct nlattr *put(struct question *question, int type, const void *value, size_t size) {
    static struct nlattr nowhere;
    if (question->header.nlmsg_len + sizeof(struct nlattr) + NLMSG_ALIGN(size) > sizeof *question) return &nowhere;
    struct nlattr *attribute = (struct nlattr *)((char *)question + question->header.nlmsg_len);
    *attribute = (struct nlattr){(uint16_t)(sizeof *attribute + size), (uint16_t)type};
    if (size) memcpy(attribute + 1, value, size);
    question->header.nlmsg_len += sizeof *attribute + NLMSG_ALIGN(size);
    return attribute;
}

// Ends a nest of attributes.
static void end(struct question *question, struct nlattr *nest) {
    nest->nla_len = (uint16_t)((char *)question + question->header.nlmsg_len - (char *)nest);
}

// Asks, and returns the size of the answer's attributes, which are moved to the beginning of the buffer. The kernel answers
// before the question is sent, so that none is left for the next one.
static ssize_t ask(int descriptor, struct question *question, char *buffer, size_t capacity) {
    if (descriptor < 0) return descriptor;
    ssize_t size = send(descriptor, question, question->header.nlmsg_len, 0);
    if (size >= 0) size = recv(descriptor, buffer, capacity, 0);
    if (size < 0) size = -errno;
    struct nlmsghdr header;
    if (size < (ssize_t)(sizeof header + sizeof(struct nfgenmsg))) return size < 0 ? size : -EINVAL;
    memcpy(&header, buffer, sizeof header);
    if (header.nlmsg_type == NLMSG_ERROR) {
        memcpy(&header.nlmsg_len, buffer + sizeof header, sizeof header.nlmsg_len);
        return (int32_t)header.nlmsg_len;
    }
    size -= sizeof header + sizeof(struct nfgenmsg);
    memmove(buffer, buffer + sizeof header + sizeof(struct nfgenmsg), (size_t)size);
    return size;
}

// The value of the first attribute of a type, and its size in place of that of all; null if there is none.
static const char *find(const char *attributes, size_t *size, int type) {
    for (size_t place = 0; attributes && place + sizeof(struct nlattr) <= *size;) {
        struct nlattr attribute;
        memcpy(&attribute, attributes + place, sizeof attribute);
        if (attribute.nla_len < sizeof attribute || place + attribute.nla_len > *size) break;
        if ((attribute.nla_type & NLA_TYPE_MASK) == type) {
            *size = attribute.nla_len - sizeof attribute;
            return attributes + place + sizeof attribute;
        }
        place += NLMSG_ALIGN(attribute.nla_len);
    }
    return NULL;
}

int64_t clibnftables_chain_use(int descriptor, uint8_t family, const char *table, const char *chain) {
    struct question question = begin(family, NFT_MSG_GETCHAIN);
    put(&question, NFTA_CHAIN_TABLE, table, strlen(table) + 1);
    put(&question, NFTA_CHAIN_NAME, chain, strlen(chain) + 1);
    char buffer[4096];
    ssize_t size = ask(descriptor, &question, buffer, sizeof buffer);
    if (size < 0) return size;
    size_t rest = (size_t)size;
    const char *value = find(buffer, &rest, NFTA_CHAIN_USE);
    uint32_t use;
    if (!value || rest != sizeof use) return -EINVAL;
    memcpy(&use, value, sizeof use);
    return ntohl(use);
}

int clibnftables_element(int descriptor, uint8_t family, const char *table, const char *map, const void *key, size_t size,
                         struct clibnftables_element *element) {
    struct question question = begin(family, NFT_MSG_GETSETELEM);
    put(&question, NFTA_SET_ELEM_LIST_TABLE, table, strlen(table) + 1);
    put(&question, NFTA_SET_ELEM_LIST_SET, map, strlen(map) + 1);
    struct nlattr *elements = put(&question, NFTA_SET_ELEM_LIST_ELEMENTS | NLA_F_NESTED, NULL, 0);
    struct nlattr *only = put(&question, NFTA_LIST_ELEM | NLA_F_NESTED, NULL, 0);
    struct nlattr *data = put(&question, NFTA_SET_ELEM_KEY | NLA_F_NESTED, NULL, 0);
    put(&question, NFTA_DATA_VALUE, key, size);
    end(&question, data);
    end(&question, only);
    end(&question, elements);
    char buffer[4096];
    ssize_t length = ask(descriptor, &question, buffer, sizeof buffer);
    if (length < 0) return (int)length;
    size_t rest = (size_t)length;
    const char *list = find(buffer, &rest, NFTA_SET_ELEM_LIST_ELEMENTS);
    const char *found = find(list, &rest, NFTA_LIST_ELEM);
    if (!found) return -ENOENT;
    *element = (struct clibnftables_element){{0}, {0}};
    size_t inner = rest;
    const char *notes = find(found, &inner, NFTA_SET_ELEM_USERDATA);
    // Notes are a byte for the kind, of which 0 is the comment, one for the size, and the text.
    if (notes && inner > 2 && notes[0] == 0) {
        size_t text = (unsigned char)notes[1];
        if (text > inner - 2) text = inner - 2;
        memcpy(element->comment, notes + 2, text);
    }
    inner = rest;
    const char *value = find(found, &inner, NFTA_SET_ELEM_DATA);
    const char *verdict = find(value, &inner, NFTA_DATA_VERDICT);
    const char *chain = find(verdict, &inner, NFTA_VERDICT_CHAIN);
    if (chain && inner <= sizeof element->chain) memcpy(element->chain, chain, inner);
    return 0;
}

int clibnftables_transact(const void *messages, size_t size, uint32_t count) {
    int descriptor = clibnftables_socket_open();
    if (descriptor < 0) return descriptor;
    // Both are limits only: for what is sent, and for the kernel's answers, each of which may repeat a header.
    int room = (int)(size < 131072 ? 262144 : 2 * size);
    setsockopt(descriptor, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
    int result = send(descriptor, messages, size, 0) < 0 ? -errno : -EPROTO;
    char buffer[8192] __attribute__((aligned(4)));
    // The first refusal comes first, and the answer to the last message before the end of the batch comes last.
    while (result == -EPROTO) {
        ssize_t received = recv(descriptor, buffer, sizeof buffer, 0);
        if (received < 0) {
            if (errno != EINTR) result = -errno;
            continue;
        }
        for (size_t place = 0; result == -EPROTO && place + sizeof(struct nlmsghdr) + sizeof(int) <= (size_t)received;) {
            struct nlmsghdr *header = (struct nlmsghdr *)(buffer + place);
            if (header->nlmsg_type == NLMSG_ERROR) {
                int error = ((struct nlmsgerr *)NLMSG_DATA(header))->error;
                if (error != 0 || header->nlmsg_seq + 2 == count) result = error;
            }
            if (header->nlmsg_len < sizeof *header) break;
            place += NLMSG_ALIGN(header->nlmsg_len);
        }
    }
    linux_close_later(descriptor);
    return result;
}

#pragma clang attribute pop
