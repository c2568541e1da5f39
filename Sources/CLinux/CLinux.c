// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "CLinux.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

static int result(long value) { return value < 0 ? -errno : (int)value; }

static int directory_or_cwd(int directory) { return directory < 0 ? AT_FDCWD : directory; }

int linux_open_at(int directory, const char *path, int flags, uint32_t mode) {
    int native = O_CLOEXEC;
    if ((flags & LINUX_READ) && (flags & LINUX_WRITE)) native |= O_RDWR;
    else if (flags & LINUX_WRITE) native |= O_WRONLY;
    else native |= O_RDONLY;
    if (flags & LINUX_CREATE) native |= O_CREAT;
    if (flags & LINUX_EXCLUSIVE) native |= O_EXCL;
    if (flags & LINUX_DIRECTORY) native |= O_DIRECTORY;
    if (flags & LINUX_TRUNCATE) native |= O_TRUNC;
    if (flags & LINUX_APPEND) native |= O_APPEND;
    if (flags & LINUX_NO_FOLLOW) native |= O_NOFOLLOW;
    return result(openat(directory_or_cwd(directory), path, native, mode));
}

int linux_close(int descriptor) { return result(close(descriptor)); }

long linux_read(int descriptor, void *buffer, size_t count) {
    ssize_t got = read(descriptor, buffer, count);
    return got < 0 ? -errno : got;
}

long linux_write(int descriptor, const void *buffer, size_t count) {
    ssize_t put = write(descriptor, buffer, count);
    return put < 0 ? -errno : put;
}

int linux_rewind(int descriptor) { return lseek(descriptor, 0, SEEK_SET) < 0 ? -errno : 0; }

static int copy_status(int outcome, const struct stat *native, struct linux_status *status) {
    if (outcome < 0) return -errno;
    status->device = native->st_dev;
    status->inode = native->st_ino;
    status->mode = native->st_mode;
    status->size = native->st_size;
    status->modified_seconds = native->st_mtim.tv_sec;
    status->modified_nanoseconds = native->st_mtim.tv_nsec;
    return 0;
}

int linux_status_of(int descriptor, struct linux_status *status) {
    struct stat native;
    return copy_status(fstat(descriptor, &native), &native, status);
}

int linux_status_at(int directory, const char *path, struct linux_status *status) {
    struct stat native;
    return copy_status(fstatat(directory_or_cwd(directory), path, &native, 0), &native, status);
}

int linux_access(const char *path, bool write, bool execute) {
    return result(access(path, (write ? W_OK : R_OK) | (execute ? X_OK : 0)));
}

int linux_allocate(int descriptor, int64_t size) { return -posix_fallocate(descriptor, 0, size); }

int linux_set_modified(int descriptor, int64_t seconds, int64_t nanoseconds) {
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds, .tv_nsec = nanoseconds}};
    return result(futimens(descriptor, times));
}

int linux_make_directory(const char *path, uint32_t mode) { return result(mkdir(path, mode)); }

int linux_link_at(int from_directory, const char *from, int to_directory, const char *to) {
    return result(linkat(directory_or_cwd(from_directory), from, directory_or_cwd(to_directory), to, 0));
}

int linux_unlink_at(int directory, const char *path, bool is_directory) {
    return result(unlinkat(directory_or_cwd(directory), path, is_directory ? AT_REMOVEDIR : 0));
}

int linux_rename_at(int from_directory, const char *from, int to_directory, const char *to) {
    return result(renameat(directory_or_cwd(from_directory), from, directory_or_cwd(to_directory), to));
}

void *linux_directory_open(int descriptor) { return fdopendir(descriptor); }

const char *linux_directory_next(void *directory) {
    struct dirent *entry = readdir(directory);
    return entry ? entry->d_name : NULL;
}

void linux_directory_close(void *directory) { closedir(directory); }

int linux_lock(int descriptor, bool shared, bool wait) {
    return result(flock(descriptor, (shared ? LOCK_SH : LOCK_EX) | (wait ? 0 : LOCK_NB)));
}

void linux_pass_on(int descriptor) { fcntl(descriptor, F_SETFD, 0); }

static void wake_up(int signal) { (void)signal; }

void linux_interrupt_every(int milliseconds) {
    if (milliseconds > 0) {
        // Without SA_RESTART, so that the blocking call returns EINTR.
        struct sigaction action = {.sa_handler = wake_up};
        sigaction(SIGALRM, &action, NULL);
        // Whoever started us may have held the signal back, and a blocked one would wake nobody.
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGALRM);
        sigprocmask(SIG_UNBLOCK, &set, NULL);
    }
    struct timeval period = {.tv_sec = milliseconds / 1000, .tv_usec = milliseconds % 1000 * 1000};
    struct itimerval timer = {.it_interval = period, .it_value = period};
    setitimer(ITIMER_REAL, &timer, NULL);
}

void *linux_map(int descriptor, size_t size, bool writable, int *error) {
    void *address = mmap(NULL, size, PROT_READ | (writable ? PROT_WRITE : 0), MAP_SHARED, descriptor, 0);
    if (address != MAP_FAILED) return address;
    *error = errno;
    return NULL;
}

void linux_unmap(void *address, size_t size) { munmap(address, size); }

bool linux_is_network_namespace(int descriptor) { return ioctl(descriptor, NS_GET_NSTYPE) == CLONE_NEWNET; }

int linux_enter_network_namespace(int descriptor) { return result(setns(descriptor, CLONE_NEWNET)); }

int linux_enter_mount_namespace(int descriptor) { return result(setns(descriptor, CLONE_NEWNS)); }

int linux_unshare(bool network, bool mounts) {
    return result(unshare((network ? CLONE_NEWNET : 0) | (mounts ? CLONE_NEWNS : 0)));
}

int linux_mount(const char *source, const char *target, const char *type, bool bind, bool make_private,
                const char *data) {
    unsigned long flags = (bind ? MS_BIND : 0) | (make_private ? MS_REC | MS_PRIVATE : 0);
    return result(mount(source, target, type, flags, data));
}

int linux_unmount(const char *target) { return result(umount2(target, MNT_DETACH)); }

int linux_spawn(const char *path, char *const arguments[], char *const environment[], int input, int output, int error,
                int *process) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t ignored, none;
    pid_t child = 0;
    sigemptyset(&ignored);
    // Handlers end with the program that has them; only what is ignored would be inherited.
    sigaddset(&ignored, SIGPIPE);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &ignored);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    const int given[3] = {input, output, error};
    for (int target = 0; target < 3; target++) {
        // A duplicate onto the same number is how posix_spawn is told to clear close-on-exec.
        if (given[target] >= 0) posix_spawn_file_actions_adddup2(&actions, given[target], target);
    }
    int code = posix_spawn(&child, path, &actions, &attributes, arguments, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    *process = child;
    return -code;
}

int linux_wait_for(int process, int *exit_code, int *signal) {
    int status = 0;
    while (waitpid(process, &status, 0) < 0) {
        if (errno != EINTR) return -errno;
    }
    *exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    *signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return 0;
}

int linux_kill(int process, int signal) { return result(kill(process, signal)); }

int linux_process_id(void) { return getpid(); }

int linux_pipe(int descriptors[2]) { return result(pipe2(descriptors, O_CLOEXEC)); }

int linux_memory_file(const char *name) { return result(memfd_create(name, MFD_CLOEXEC)); }

char **linux_environment(void) { return environ; }

static void termination_signals(sigset_t *set) {
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
}

int linux_hold_signals(void) {
    sigset_t set;
    signal(SIGPIPE, SIG_IGN);
    termination_signals(&set);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0) return -errno;
    return result(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

void linux_forget_termination(void) {
    sigset_t set;
    const struct timespec none = {0};
    termination_signals(&set);
    while (sigtimedwait(&set, NULL, &none) > 0) continue;
}

static void crashed(int signal) {
    static const char document[] =
        "{\"cniVersion\": \"1.1.0\", \"code\": 199, \"msg\": \"the plugin crashed\", \"details\": \"this is a bug in "
        "swift-cni; what the call left half done is removed by DEL or GC; run it again with CNI_TRACE=stderr to see "
        "where it stopped\"}\n";
    (void)signal;
    if (write(STDOUT_FILENO, document, sizeof document - 1) < 0) _exit(2);
    _exit(1);
}

void linux_report_crashes(void) {
    static const int signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV};
    // On a stack of its own, because an exhausted one is among the reasons.
    static char stack[16384];
    stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = crashed, .sa_flags = SA_ONSTACK | SA_RESETHAND};
    sigaltstack(&alternate, NULL);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, NULL);
}

bool linux_termination_pending(void) {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGTERM) || sigismember(&pending, SIGINT) || sigismember(&pending, SIGHUP);
}

int linux_occupy_standard_descriptors(void) {
    for (int descriptor = 0; descriptor < 3; descriptor++) {
        if (fcntl(descriptor, F_GETFD) >= 0) continue;
        // Opened the wrong way round on purpose: using a descriptor that the caller had closed must fail, not vanish.
        int occupied = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY);
        if (occupied < 0) return -errno;
    }
    return 0;
}

int linux_poll(struct linux_wait *waits, int count, int timeout_milliseconds) {
    struct pollfd native[4];
    if (count > 4) return -EINVAL;
    for (int i = 0; i < count; i++) native[i] = (struct pollfd){.fd = waits[i].descriptor, .events = POLLIN};
    int ready = poll(native, (nfds_t)count, timeout_milliseconds);
    if (ready < 0) return -errno;
    for (int i = 0; i < count; i++) waits[i].ready = native[i].revents != 0;
    return ready;
}

static int64_t nanoseconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t linux_monotonic_time(void) { return nanoseconds(CLOCK_MONOTONIC); }

int64_t linux_boot_time(void) { return nanoseconds(CLOCK_BOOTTIME); }

int64_t linux_real_time(void) { return nanoseconds(CLOCK_REALTIME); }

int linux_random(void *buffer, size_t count) {
    ssize_t got = getrandom(buffer, count, 0);
    return got == (ssize_t)count ? 0 : -EIO;
}

const char *linux_error_text(int number) {
    const char *text = strerrordesc_np(number);
    return text ? text : "unknown error";
}

const char *linux_error_name(int number) {
    const char *name = strerrorname_np(number);
    return name ? name : "E?";
}

bool linux_is_terminal(int descriptor) { return isatty(descriptor) == 1; }

int linux_effective_user(void) { return (int)geteuid(); }

void linux_exit(int code) { _exit(code); }
