// SPDX-License-Identifier: Apache-2.0
//
// libnftables, loaded when it is first needed: linking it would cost every start of a plugin 0.4 ms, and most calls ask for
// no rules.

#ifndef SWIFT_CNI_CLIBNFTABLES_H
#define SWIFT_CNI_CLIBNFTABLES_H

#include <stdbool.h>

// A context of the library with its netlink socket, which belongs to the namespace of the thread that opened it.
struct clibnftables;

// What the library said of a buffer of commands; the texts live until the next run.
struct clibnftables_answer {
    bool succeeded;
    const char *output;
    const char *error;
};

// Opens a context. Returns null, an error number and a sentence where the library or the kernel lacks what it takes.
struct clibnftables *clibnftables_open(int *error, const char **problem);

// Runs commands as one transaction; `json` asks for output as JSON, `dry` for the kernel's opinion without the act.
struct clibnftables_answer clibnftables_run(struct clibnftables *context, const char *commands, bool json, bool dry);

// Closes the context. The kernel makes the caller wait until what was deleted is out of use.
void clibnftables_close(struct clibnftables *context);

#endif
