// SPDX-License-Identifier: Apache-2.0
//
// The system calls that the suite uses, in a form that ordinary and Embedded Swift import alike.
//
// Why there is a wrapper for each: the Glibc module does not exist in Embedded Swift, variadic C (open, fcntl) and
// function-like macros are not imported, and `errno` must be read before anything else runs. So each function returns
// what the system call returns or the negated error number, as the kernel itself does.

#ifndef SWIFT_CNI_CLINUX_H
#define SWIFT_CNI_CLINUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "offload.h"
#include "probe.h"
#include "service.h"

// A file's identity, size and time of last modification: stat(2).
struct linux_status {
    uint64_t device;
    uint64_t inode;
    uint32_t mode;
    int64_t size;
    int64_t modified_seconds;
    int64_t modified_nanoseconds;
};

// Flags of open(2), fixed here because the values differ between architectures.
enum linux_open_flags {
    LINUX_READ = 1,
    LINUX_WRITE = 2,
    LINUX_CREATE = 4,
    LINUX_EXCLUSIVE = 8,
    LINUX_DIRECTORY = 16,
    LINUX_TRUNCATE = 32,
    LINUX_APPEND = 64,
    LINUX_NO_FOLLOW = 128,
};

// What linux_poll waits for on each of up to four descriptors.
struct linux_wait {
    int descriptor;
    bool ready;
};

// Files: open(2), read(2), write(2), pwrite(2), fstat(2). A directory of -1 stands for the working directory.
int linux_open_at(int directory, const char *path, int flags, uint32_t mode);
int linux_close(int descriptor);

// Another descriptor of the same open file, closed on exec.
int linux_duplicate(int descriptor);

// Closes a netfilter socket without waiting. After a deletion, by whomever, the kernel makes the one who closes such a socket
// wait some 15 ms until no packet uses what was deleted. Here the last reference to it is one in a message on a pair of unix
// sockets, of which one end is in the same message: once both ends are closed only the kernel's own collector can reach
// them, and since Linux 6.10 it does that on a thread of its own. Older kernels collect in the caller, which then waits as it
// would have done anyway.
void linux_close_later(int descriptor);
long linux_read(int descriptor, void *buffer, size_t count);
long linux_write(int descriptor, const void *buffer, size_t count);
int linux_rewind(int descriptor);
int linux_status_of(int descriptor, struct linux_status *status);
int linux_status_at(int directory, const char *path, struct linux_status *status);
int linux_access(const char *path, bool write, bool execute);
int linux_allocate(int descriptor, int64_t size);
int linux_set_modified(int descriptor, int64_t seconds, int64_t nanoseconds);

// Names: mkdir(2), link(2), unlink(2), rename(2), readlink(2). The directories may be -1.
int linux_make_directory(const char *path, uint32_t mode);
int linux_link_at(int from_directory, const char *from, int to_directory, const char *to);
int linux_unlink_at(int directory, const char *path, bool is_directory);
int linux_rename_at(int from_directory, const char *from, int to_directory, const char *to);

// Directory listings: fdopendir(3), which takes the descriptor over; the name lives until the next call.
void *linux_directory_open(int descriptor);
const char *linux_directory_next(void *directory);
void linux_directory_close(void *directory);

// Locks: flock(2); with a limit, the wait is broken off by a timer and -EWOULDBLOCK returned.
int linux_lock(int descriptor, bool shared, bool wait);

// Leaves a descriptor open in the programs that are started from now on: fcntl(2), FD_CLOEXEC.
void linux_pass_on(int descriptor);

// A timer that interrupts blocking calls every so many milliseconds; 0 ends it.
void linux_interrupt_every(int milliseconds);

// Memory shared with a file: mmap(2). Returns NULL on failure, with the error number in *error.
void *linux_map(int descriptor, size_t size, bool writable, int *error);
void linux_unmap(void *address, size_t size);

// Namespaces and mounts: ioctl_ns(2), setns(2), unshare(2), mount(2), umount2(2).
bool linux_is_network_namespace(int descriptor);
int linux_enter_network_namespace(int descriptor);
int linux_enter_mount_namespace(int descriptor);
int linux_unshare(bool network, bool mounts);
int linux_mount(const char *source, const char *target, const char *type, bool bind, bool make_private, const char *data);
int linux_unmount(const char *target);

// Processes: posix_spawn(3) with default signals and an empty mask, waitpid(2), kill(2).
int linux_spawn(const char *path, char *const arguments[], char *const environment[], int input, int output, int error,
                int *process);
int linux_wait_for(int process, int *exit_code, int *signal);
int linux_kill(int process, int signal);
int linux_process_id(void);
int linux_pipe(int descriptors[2]);
int linux_memory_file(const char *name);
char **linux_environment(void);

// Signals: SIGPIPE ignored; SIGTERM, SIGINT and SIGHUP held back and readable on the descriptor that is returned.
int linux_hold_signals(void);
bool linux_termination_pending(void);
void linux_forget_termination(void);

// Has a program that crashes say so on both streams in the form of the protocol, and end with code 1.
void linux_report_crashes(void);
int linux_occupy_standard_descriptors(void);
int linux_poll(struct linux_wait *waits, int count, int timeout_milliseconds);

// Extended regular expressions: regcomp(3), regexec(3). Returns NULL if the pattern is none, with a sentence in `problem`.
void *linux_expression_open(const char *pattern, bool ignores_case, char *problem, size_t size);
bool linux_expression_matches(void *expression, const char *text);
void linux_expression_close(void *expression);

// Time in nanoseconds, randomness, error texts, terminals.
int64_t linux_monotonic_time(void);
int64_t linux_boot_time(void);
int64_t linux_real_time(void);
int linux_random(void *buffer, size_t count);
const char *linux_error_text(int number);
const char *linux_error_name(int number);
bool linux_is_terminal(int descriptor);
int linux_effective_user(void);
void linux_exit(int code) __attribute__((noreturn));

#endif
