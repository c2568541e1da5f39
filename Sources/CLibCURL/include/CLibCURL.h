// SPDX-License-Identifier: Apache-2.0
//
// libcurl, as far as it takes to talk to a registry: POST requests whose answers come at once or line by line for as long
// as the server likes. The library's own functions take any kind of argument, which Swift cannot call.

#ifndef SWIFT_CNI_CLIBCURL_H
#define SWIFT_CNI_CLIBCURL_H

#include <stdbool.h>
#include <stddef.h>

// Connections that are kept, and two transfers over them: one for calls, and one whose answer does not end.
enum { CLIBCURL_TRANSFERS = 2 };
struct clibcurl;

// How a transfer stands.
struct clibcurl_state {
    bool is_running;
    // The status of the answer, or 0 while there is none.
    long status;
    // Why there is no answer, or null.
    const char *problem;
    // What has come and was not consumed, good until the next call.
    const char *bytes;
    size_t count;
    // How many of these bytes are whole lines.
    size_t whole_lines;
};

// Opens a context, or returns null where there is no memory.
struct clibcurl *clibcurl_open(void);

// Names the files for TLS; empty where the library's own certificates do, or none is asked for. They must live on.
void clibcurl_trust(struct clibcurl *context, const char *authorities, const char *certificate, const char *key);

// Starts a POST; what the transfer did before is forgotten. A limit of 0 lets the answer go on for ever, line by line; a line
// without an end breaks it off. Returns false where the library refuses.
bool clibcurl_post(struct clibcurl *context, int transfer, const char *url, const char *token, const void *body,
                   size_t count, long limit_milliseconds, long connect_limit_milliseconds);

// Moves the transfers on, and waits until something happens there, or one of two other descriptors is readable, or the time
// is over. Returns the readable ones as bits.
int clibcurl_wait(struct clibcurl *context, int first, int second, int limit_milliseconds);

// How a transfer stands.
struct clibcurl_state clibcurl_look(struct clibcurl *context, int transfer);

// Forgets the beginning of what has come.
void clibcurl_consume(struct clibcurl *context, int transfer, size_t count);

// Ends a transfer and its connection.
void clibcurl_stop(struct clibcurl *context, int transfer);

// Closes all connections.
void clibcurl_close(struct clibcurl *context);

#endif
