// SPDX-License-Identifier: Apache-2.0

#define _GNU_SOURCE
#include "service.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// What a shell says of a program that it could not run.
enum { NOT_RUN = 127 };

static int open_process(pid_t process) {
    const long descriptor = syscall(SYS_pidfd_open, process, 0);
    return descriptor < 0 ? -errno : (int)descriptor;
}

static bool has_ended(int process_descriptor) {
    struct pollfd wait = {.fd = process_descriptor, .events = POLLIN};
    return poll(&wait, 1, 0) != 0;
}

static void run(const char *path, char *const arguments[], char *const environment[], int log) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    const int input = open("/dev/null", O_RDONLY);
    if (dup2(input, STDIN_FILENO) >= 0 && dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0) {
        execve(path, arguments, environment);
    }
    _exit(NOT_RUN);
}

// The first process of a namespace, with which the kernel ends all others in it. It passes a request to end on to the
// program, and ends with it.
static void supervise(pid_t program) {
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGTERM);
    sigaddset(&awaited, SIGCHLD);
    for (;;) {
        int status = 0;
        const int signal = sigwaitinfo(&awaited, NULL);
        if (signal == SIGTERM) kill(program, SIGTERM);
        if (signal != SIGCHLD) continue;
        for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
            if (ended == program) _exit(WIFEXITED(status) ? WEXITSTATUS(status) : NOT_RUN);
        }
    }
}

int linux_start_service(const char *path, char *const arguments[], char *const environment[], int log, int *process) {
    const int parent = open_process(getpid());
    if (parent < 0) return parent;
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    // Like fork(2), into a new namespace for processes: a program that changes its user, as routing daemons do, loses the
    // signal that it would get at our end, but not the first process of its namespace.
    const pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, NULL, NULL, NULL, 0);
    const int failure = -errno;
    if (child == 0) {
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || has_ended(parent)) _exit(NOT_RUN);
        const pid_t program = fork();
        if (program == 0) run(path, arguments, environment, log);
        if (program < 0) _exit(NOT_RUN);
        supervise(program);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(parent);
    if (child < 0) return failure;
    *process = child;
    const int descriptor = open_process(child);
    if (descriptor >= 0) return descriptor;
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    return descriptor;
}
