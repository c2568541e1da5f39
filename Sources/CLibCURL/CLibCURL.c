// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CLibCURL.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

// Who sends more without the end of a line sends no lines, and the memory for it would only grow.
enum { LONGEST_LINE = 16 << 20 };

struct transfer {
    CURL *handle;
    struct curl_slist *headers;
    char *bytes;
    size_t count, capacity, whole_lines;
    bool is_running, is_endless;
    CURLcode code;
    char error[CURL_ERROR_SIZE];
};

struct clibcurl {
    CURLM *multi;
    struct transfer transfers[CLIBCURL_TRANSFERS];
    const char *authorities, *certificate, *key;
};

struct clibcurl *clibcurl_open(void) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return NULL;
    struct clibcurl *context = calloc(1, sizeof *context);
    if (!context) return NULL;
    context->multi = curl_multi_init();
    for (int i = 0; i < CLIBCURL_TRANSFERS; i++) context->transfers[i].handle = curl_easy_init();
    context->authorities = context->certificate = context->key = "";
    return context;
}

void clibcurl_trust(struct clibcurl *context, const char *authorities, const char *certificate, const char *key) {
    context->authorities = authorities;
    context->certificate = certificate;
    context->key = key;
}

static size_t receive(char *data, size_t size, size_t count, void *argument) {
    struct transfer *transfer = argument;
    size_t more = size * count;
    // Only what is new is searched.
    const char *end = memrchr(data, '\n', more);
    size_t whole_lines = end ? transfer->count + (size_t)(end - data) + 1 : transfer->whole_lines;
    // Fewer bytes than came end the transfer with an error.
    if (transfer->is_endless && transfer->count + more - whole_lines > LONGEST_LINE) return 0;
    if (transfer->count + more > transfer->capacity) {
        size_t capacity = (transfer->count + more) * 2;
        char *bytes = realloc(transfer->bytes, capacity);
        if (!bytes) return 0;
        transfer->bytes = bytes;
        transfer->capacity = capacity;
    }
    memcpy(transfer->bytes + transfer->count, data, more);
    transfer->count += more;
    transfer->whole_lines = whole_lines;
    return more;
}

static void forget(struct clibcurl *context, struct transfer *transfer) {
    if (transfer->is_running) curl_multi_remove_handle(context->multi, transfer->handle);
    transfer->is_running = false;
    transfer->count = transfer->whole_lines = 0;
    curl_slist_free_all(transfer->headers);
    transfer->headers = NULL;
}

bool clibcurl_post(struct clibcurl *context, int number, const char *url, const char *token, const void *body,
                   size_t count, long limit, long connect_limit) {
    struct transfer *transfer = &context->transfers[number];
    CURL *handle = transfer->handle;
    forget(context, transfer);
    curl_easy_reset(handle);
    transfer->error[0] = 0;
    transfer->code = CURLE_OK;
    transfer->is_endless = limit == 0;
    transfer->headers = curl_slist_append(transfer->headers, "Content-Type: application/json");
    // A member without a leader then ends a watch instead of keeping silent.
    transfer->headers = curl_slist_append(transfer->headers, "Grpc-Metadata-hasleader: true");
    // An empty value takes the header away.
    transfer->headers = curl_slist_append(transfer->headers, "Expect:");
    if (*token) {
        size_t size = strlen(token) + sizeof "Authorization: ";
        char *line = malloc(size);
        if (!line) return false;
        strcpy(line, "Authorization: ");
        strcat(line, token);
        transfer->headers = curl_slist_append(transfer->headers, line);
        free(line);
    }
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    // A proxy of the environment is for the web and not for the registry.
    curl_easy_setopt(handle, CURLOPT_PROXY, "");
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, transfer->headers);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, (long)count);
    curl_easy_setopt(handle, CURLOPT_COPYPOSTFIELDS, body);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, limit);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, connect_limit);
    curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(handle, CURLOPT_TCP_KEEPIDLE, 10L);
    curl_easy_setopt(handle, CURLOPT_TCP_KEEPINTVL, 5L);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, transfer->error);
    if (*context->authorities) curl_easy_setopt(handle, CURLOPT_CAINFO, context->authorities);
    if (*context->certificate) curl_easy_setopt(handle, CURLOPT_SSLCERT, context->certificate);
    if (*context->key) curl_easy_setopt(handle, CURLOPT_SSLKEY, context->key);
    transfer->is_running = curl_multi_add_handle(context->multi, handle) == CURLM_OK;
    return transfer->is_running;
}

static void perform(struct clibcurl *context) {
    int running = 0, left = 0;
    curl_multi_perform(context->multi, &running);
    for (CURLMsg *message; (message = curl_multi_info_read(context->multi, &left));) {
        if (message->msg != CURLMSG_DONE) continue;
        CURLcode code = message->data.result;
        for (int i = 0; i < CLIBCURL_TRANSFERS; i++) {
            struct transfer *transfer = &context->transfers[i];
            if (transfer->handle != message->easy_handle) continue;
            curl_multi_remove_handle(context->multi, transfer->handle);
            transfer->is_running = false;
            transfer->code = code;
            break;
        }
    }
}

// What a caller may wait for: bytes, or an end.
static bool has_news(struct clibcurl *context, const size_t *counts, const bool *ran) {
    for (int i = 0; i < CLIBCURL_TRANSFERS; i++) {
        struct transfer *transfer = &context->transfers[i];
        if (transfer->count != counts[i] || transfer->is_running != ran[i]) return true;
    }
    return false;
}

int clibcurl_wait(struct clibcurl *context, int first, int second, int limit) {
    size_t counts[CLIBCURL_TRANSFERS];
    bool ran[CLIBCURL_TRANSFERS];
    for (int i = 0; i < CLIBCURL_TRANSFERS; i++) {
        counts[i] = context->transfers[i].count;
        ran[i] = context->transfers[i].is_running;
    }
    perform(context);
    if (has_news(context, counts, ran)) limit = 0;
    struct curl_waitfd extra[2];
    unsigned count = 0;
    const int given[2] = {first, second};
    for (int i = 0; i < 2; i++) {
        if (given[i] >= 0) extra[count++] = (struct curl_waitfd){.fd = given[i], .events = CURL_WAIT_POLLIN};
    }
    curl_multi_poll(context->multi, extra, count, limit, NULL);
    perform(context);
    int ready = 0;
    for (int i = 0, place = 0; i < 2; i++) {
        if (given[i] >= 0 && extra[place++].revents) ready |= 1 << i;
    }
    return ready;
}

struct clibcurl_state clibcurl_look(struct clibcurl *context, int number) {
    struct transfer *transfer = &context->transfers[number];
    struct clibcurl_state state = {.is_running = transfer->is_running,
                                   .bytes = transfer->bytes,
                                   .count = transfer->count,
                                   .whole_lines = transfer->whole_lines};
    curl_easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &state.status);
    if (!transfer->is_running) {
        switch (transfer->code) {
        case CURLE_OK: break;
        case CURLE_WRITE_ERROR: state.problem = "a line has no end, or there is no memory for it"; break;
        // Here the library's own words only add how many milliseconds it took, so they differ each time.
        case CURLE_COULDNT_CONNECT:
        case CURLE_OPERATION_TIMEDOUT: state.problem = curl_easy_strerror(transfer->code); break;
        default: state.problem = transfer->error[0] ? transfer->error : curl_easy_strerror(transfer->code);
        }
    }
    return state;
}

void clibcurl_consume(struct clibcurl *context, int number, size_t count) {
    struct transfer *transfer = &context->transfers[number];
    if (count > transfer->count) count = transfer->count;
    transfer->count -= count;
    transfer->whole_lines -= count < transfer->whole_lines ? count : transfer->whole_lines;
    memmove(transfer->bytes, transfer->bytes + count, transfer->count);
}

void clibcurl_stop(struct clibcurl *context, int number) {
    struct transfer *transfer = &context->transfers[number];
    if (transfer->is_running) {
        // A stream that is broken off cannot be used for anything else, so its connection goes with it.
        forget(context, transfer);
    }
    transfer->count = transfer->whole_lines = 0;
}

void clibcurl_close(struct clibcurl *context) {
    for (int i = 0; i < CLIBCURL_TRANSFERS; i++) {
        forget(context, &context->transfers[i]);
        curl_easy_cleanup(context->transfers[i].handle);
        free(context->transfers[i].bytes);
    }
    curl_multi_cleanup(context->multi);
    free(context);
}
