// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CSystemBus.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

// None of this is called often enough for speed to count.
#pragma clang attribute push(__attribute__((minsize)), apply_to = function)

// What sd-bus(3) declares; its header comes with a package that nobody needs only to run this.
typedef struct sd_bus sd_bus;
typedef struct sd_bus_message sd_bus_message;
typedef struct {
    const char *name;
    const char *message;
    int needs_free;
} sd_bus_error;

static struct {
    int (*sd_bus_open_system)(sd_bus **);
    int (*sd_bus_is_ready)(sd_bus *);
    int (*sd_bus_process)(sd_bus *, sd_bus_message **);
    int (*sd_bus_wait)(sd_bus *, uint64_t);
    int (*sd_bus_call)(sd_bus *, sd_bus_message *, uint64_t, sd_bus_error *, sd_bus_message **);
    void (*sd_bus_close)(sd_bus *);
    sd_bus *(*sd_bus_unref)(sd_bus *);
    int (*sd_bus_message_new_method_call)(sd_bus *, sd_bus_message **, const char *, const char *, const char *,
                                          const char *);
    int (*sd_bus_message_append)(sd_bus_message *, const char *, ...);
    int (*sd_bus_message_read)(sd_bus_message *, const char *, ...);
    int (*sd_bus_message_set_auto_start)(sd_bus_message *, int);
    sd_bus_message *(*sd_bus_message_unref)(sd_bus_message *);
    void (*sd_bus_error_free)(sd_bus_error *);
} sd;

struct csystembus {
    sd_bus *connection;
    char name[128];
    char text[1024];
};

// Says what is missing, or nothing. Loading it once more changes nothing.
static const char *load(void) {
    void *library = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library) return dlerror();
#define FIND(function) if (!(sd.function = (__typeof__(sd.function))dlsym(library, #function))) return dlerror();
    FIND(sd_bus_open_system) FIND(sd_bus_is_ready) FIND(sd_bus_process) FIND(sd_bus_wait) FIND(sd_bus_call)
    FIND(sd_bus_close) FIND(sd_bus_unref) FIND(sd_bus_message_new_method_call) FIND(sd_bus_message_append)
    FIND(sd_bus_message_read) FIND(sd_bus_message_set_auto_start) FIND(sd_bus_message_unref) FIND(sd_bus_error_free)
    return NULL;
}

static int64_t now_microseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

// The library itself would wait for a greeting for a minute and a half.
static int wait_until_ready(sd_bus *connection, int limit_milliseconds) {
    int64_t end = now_microseconds() + (int64_t)limit_milliseconds * 1000;
    for (;;) {
        int result = sd.sd_bus_is_ready(connection);
        if (result != 0) return result < 0 ? result : 0;
        result = sd.sd_bus_process(connection, NULL);
        if (result < 0) return result;
        if (result > 0) continue;
        int64_t left = end - now_microseconds();
        if (left <= 0) return -ETIMEDOUT;
        result = sd.sd_bus_wait(connection, (uint64_t)left);
        if (result < 0 && result != -EINTR) return result;
    }
}

static void disconnect(sd_bus *connection) {
    sd.sd_bus_close(connection);
    sd.sd_bus_unref(connection);
}

struct csystembus *csystembus_open(int limit_milliseconds, int *error, const char **problem) {
    *error = EOPNOTSUPP;
    *problem = load();
    if (*problem) return NULL;
    sd_bus *connection = NULL;
    int result = sd.sd_bus_open_system(&connection);
    if (result >= 0) {
        result = wait_until_ready(connection, limit_milliseconds);
        if (result < 0) disconnect(connection);
    }
    struct csystembus *bus = result < 0 ? NULL : calloc(1, sizeof *bus);
    if (bus) {
        bus->connection = connection;
        return bus;
    }
    if (result >= 0) disconnect(connection);
    *error = result < 0 ? -result : ENOMEM;
    *problem = strerror(*error);
    return NULL;
}

static void keep(char *place, size_t size, const char *text) {
    strncpy(place, text ? text : "", size - 1);
    place[size - 1] = 0;
}

struct csystembus_answer csystembus_call(struct csystembus *bus, const struct csystembus_method *method,
                                         const char *first, const char *second, int limit_milliseconds) {
    sd_bus_message *question = NULL, *reply = NULL;
    sd_bus_error error = {0};
    int is_true = 0;
    keep(bus->name, sizeof bus->name, NULL);
    keep(bus->text, sizeof bus->text, NULL);
    int result = sd.sd_bus_message_new_method_call(bus->connection, &question, method->destination, method->path,
                                                   method->interface, method->member);
    if (result >= 0) result = sd.sd_bus_message_set_auto_start(question, 0);
    if (result >= 0) result = sd.sd_bus_message_append(question, "s", first);
    if (result >= 0 && second) result = sd.sd_bus_message_append(question, "s", second);
    if (result >= 0) {
        result = sd.sd_bus_call(bus->connection, question, (uint64_t)limit_milliseconds * 1000, &error, &reply);
        keep(bus->name, sizeof bus->name, error.name);
        keep(bus->text, sizeof bus->text, error.message);
    }
    // An answer of another type leaves it false.
    if (result >= 0) sd.sd_bus_message_read(reply, "b", &is_true);
    sd.sd_bus_error_free(&error);
    sd.sd_bus_message_unref(reply);
    sd.sd_bus_message_unref(question);
    return (struct csystembus_answer){result < 0 ? -result : 0, is_true != 0, bus->name, bus->text};
}

void csystembus_close(struct csystembus *bus) {
    disconnect(bus->connection);
    free(bus);
}

#pragma clang attribute pop
