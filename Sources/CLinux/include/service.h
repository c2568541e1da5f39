// SPDX-License-Identifier: Apache-2.0
//
// Programs that work beside this one and must not outlive it.

#ifndef SWIFT_CNI_SERVICE_H
#define SWIFT_CNI_SERVICE_H

// Starts a program whose output and errors go to a descriptor, and which the kernel ends with all that it has started when
// this process ends, whatever ends it: pid_namespaces(7). Its number is that of a process which passes SIGTERM on to it.
// Returns a descriptor that becomes readable at its end: pidfd_open(2).
int linux_start_service(const char *path, char *const arguments[], char *const environment[], int log, int *process);

#endif
