// SPDX-License-Identifier: Apache-2.0
//
// libnftables, loaded when it is first needed: linking it would cost every start of a plugin 0.4 ms, and most calls ask for
// no rules.

#ifndef SWIFT_CNI_CLIBNFTABLES_H
#define SWIFT_CNI_CLIBNFTABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Before the kernel's header of the same structures, which leaves them out then.
#include <netinet/in.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

// A context of the library with its netlink socket, which belongs to the namespace of the thread that opened it.
struct clibnftables;

// What the library said of a buffer of commands; the texts live until the next run.
struct clibnftables_answer {
    // 0, or what clibnftables_error_number makes of the error.
    int error;
    // What was listed, or the first error with the command that it is about.
    const char *text;
};

// Which error a line of the library tells of: ENOENT, EEXIST, EBUSY for what others still use, EAGAIN for what may go the
// next time, EPERM, EOPNOTSUPP; else EINVAL. There is nothing but text, in which the sentences of strerror(3) tell kinds
// of failure apart.
int clibnftables_error_number(const char *text);

// Opens a context. Returns null and a sentence where that fails; EOPNOTSUPP says that the library or the kernel's part of it
// is missing.
struct clibnftables *clibnftables_open(int *error, const char **problem);

// Runs commands as one transaction; `dry` asks for the kernel's opinion without the act.
struct clibnftables_answer clibnftables_run(struct clibnftables *context, const char *commands, bool dry);

// Closes the context; what the kernel has to wait for after a deletion it waits for behind the caller's back.
void clibnftables_close(struct clibnftables *context);

// Opens a socket for questions that are asked without libnftables, which would have to read all that is in a table. Negative if
// the kernel refuses: the error number, which is then the answer to every question.
int clibnftables_socket_open(void);

// Closes such a socket, if there is one.
void clibnftables_socket_close(int descriptor);

// How many rules a chain has and how many rules and elements lead to it, taken together. -ENOENT if there is no such chain, else
// what the kernel said.
int64_t clibnftables_chain_use(int descriptor, uint8_t family, const char *table, const char *chain);

// What an element of a verdict map says.
struct clibnftables_element {
    // The comment, with a zero at its end.
    char comment[260];
    // The chain that it leads to.
    char chain[260];
};

// Looks an element up by its key, as it lies in the kernel. -ENOENT if there is no such element.
int clibnftables_element(int descriptor, uint8_t family, const char *table, const char *map, const void *key, size_t size,
                         struct clibnftables_element *element);

// Sends a batch of messages, numbered from 0 on; the last but one of them is to be acknowledged. Returns the first refusal.
int clibnftables_transact(const void *messages, size_t size, uint32_t count);

#endif
