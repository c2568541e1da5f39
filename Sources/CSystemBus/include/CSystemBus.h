// SPDX-License-Identifier: Apache-2.0
//
// The part of libsystemd that talks D-Bus, loaded when it is first needed: most hosts and most calls never need it.

#ifndef SWIFT_CNI_CSYSTEMBUS_H
#define SWIFT_CNI_CSYSTEMBUS_H

#include <stdbool.h>

// A connection to the system bus, which DBUS_SYSTEM_BUS_ADDRESS may name.
struct csystembus;

// A method of an object, by the names that D-Bus has for it.
struct csystembus_method {
    const char *destination;
    const char *path;
    const char *interface;
    const char *member;
};

// What came of a call; the texts live until the next one.
struct csystembus_answer {
    // 0, or the number of the error.
    int error;
    // Whether the method answered with a boolean that is true.
    bool is_true;
    // The name of the error as D-Bus has it, and its sentence; empty without an error.
    const char *name;
    const char *text;
};

// Connects, and waits so long until the bus has greeted back. Returns null, a number and a sentence where that fails;
// EOPNOTSUPP says that the library is missing, ETIMEDOUT that nobody answers.
struct csystembus *csystembus_open(int limit_milliseconds, int *error, const char **problem);

// Calls a method with one text, or with two, and waits for the answer; never has the bus start a service for it.
struct csystembus_answer csystembus_call(struct csystembus *bus, const struct csystembus_method *method,
                                         const char *first, const char *second, int limit_milliseconds);

// Closes the connection.
void csystembus_close(struct csystembus *bus);

#endif
