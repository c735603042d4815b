// SPDX-License-Identifier: Apache-2.0
/* Part of _core.c: the constants of docs/segments.md, the clock, and mapped files that may be cut short. */
#pragma once
#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <linux/futex.h>
#include <setjmp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "segments are little-endian and so must be the machine"
#endif

enum { /* offsets in the header of a segment */
    HEADER_SIZE = 512,
    SEQUENCE = 128,
    JOURNAL_HEAD = 136,
    JOURNAL_RESERVED = 144,
    PUBLISH_TIME = 152,
    WALL_OFFSET = 160,
    WAKE = 192,
    SUPERSEDED = 196,
    BEAT_SEQUENCE = 256,
    BEAT_TIME = 264,
    BEAT_DEADLINE = 272,
};
enum { SLOT_SIZE = 32, SLOT_VALUE = 8, SLOT_MORE = 24 }; /* journal slots: bytes of value in a first, in a further one */
enum { RING_HEAD = 64, RING_TAIL = 128, RING_TOUCHED = 192, RING_SLOTS = 256 };
enum { LEAST_ATTEMPTS = 200 }; /* of a snapshot, when its patience is over: maybe it was kept from running itself */
enum { LIVELY = 10 }; /* times its patience, a snapshot tries while the writer is seen to get on */
enum { BLOCK = 64, SPAN = 1024 }; /* grain of the comparison, bytes */

static const uint64_t FURTHER_SLOT = 1ull << 63;
static const int64_t SECOND = 1000000000;
static const int64_t LONGEST_SLEEP = 3600 * 1000000000ll;
static const int64_t SPIN_FOR = 100000; /* a snapshot spins so long (ns) for a writer before it sleeps */
static const uint64_t MOST_SLOTS = 1u << 22;

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

static struct timespec as_timespec(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND};
}

static PyObject *now_ns(PyObject *self, PyObject *unused)
{
    (void)self, (void)unused;
    return PyLong_FromLongLong(clock_ns(CLOCK_MONOTONIC));
}

static PyObject *sleep_until(PyObject *self, PyObject *argument)
{
    (void)self;
    int64_t deadline = PyLong_AsLongLong(argument);
    if (deadline == -1 && PyErr_Occurred())
        return NULL;
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    if (deadline > now && deadline - now > LONGEST_SLEEP) {
        PyErr_SetString(PyExc_ValueError, "the deadline is more than an hour ahead; sleep in smaller steps");
        return NULL;
    }
    struct timespec until = as_timespec(deadline);
    while (deadline > now) {
        if (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR && PyErr_CheckSignals() < 0)
            return NULL;
        now = clock_ns(CLOCK_MONOTONIC);
    }
    return PyLong_FromLongLong(now);
}

typedef struct {
    uint8_t *base;
    size_t size;
    unsigned users; /* calls that are inside without the interpreter lock */
    bool closing;
} Mapping;

static _Atomic uint64_t *word64(const Mapping *m, size_t offset)
{
    return (_Atomic uint64_t *)(void *)(m->base + offset);
}

static _Atomic int64_t *time64(const Mapping *m, size_t offset)
{
    return (_Atomic int64_t *)(void *)(m->base + offset);
}

static _Atomic uint32_t *word32(const Mapping *m, size_t offset)
{
    return (_Atomic uint32_t *)(void *)(m->base + offset);
}

static long futex(const _Atomic uint32_t *word, int operation, uint32_t value, const struct timespec *until)
{
    return syscall(SYS_futex, word, operation, value, until, NULL, FUTEX_BITSET_MATCH_ANY);
}

/* A guarded access returns to guarded() when the file behind the mapping has been cut short. */
static _Thread_local sigjmp_buf *volatile guard __attribute__((tls_model("initial-exec")));
static struct sigaction before_guard;

static void on_bus_error(int signal, siginfo_t *info, void *context)
{
    (void)signal, (void)info, (void)context;
    if (guard != NULL)
        siglongjmp(*guard, 1);
    sigaction(SIGBUS, &before_guard, NULL); /* not ours: the access repeats and meets the handler that was there */
}

static int install_guard(void)
{
    struct sigaction now;
    if (sigaction(SIGBUS, NULL, &now) < 0)
        return -1;
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_bus_error)
        return 0;
    before_guard = now;
    struct sigaction ours = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigemptyset(&ours.sa_mask);
    return sigaction(SIGBUS, &ours, NULL);
}

static int guarded(int (*access)(void *), void *argument)
{
    sigjmp_buf here;
    if (sigsetjmp(here, 0) != 0) {
        guard = NULL;
        errno = EFAULT;
        return -1;
    }
    guard = &here;
    atomic_signal_fence(memory_order_seq_cst);
    int result = access(argument);
    atomic_signal_fence(memory_order_seq_cst);
    guard = NULL;
    return result;
}

static bool within(size_t size, uint64_t offset, uint64_t length)
{
    return offset <= size && length <= size - offset;
}

static int map(Mapping *m, int fd, uint64_t size, int protection)
{
    struct stat status;
    if (fstat(fd, &status) < 0 || install_guard() < 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    if (size == 0 || size > (uint64_t)status.st_size) {
        PyErr_SetString(PyExc_ValueError, "the file is shorter than its header says");
        return -1;
    }
    void *base = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
    if (base == MAP_FAILED) {
        PyErr_SetFromErrno(PyExc_OSError);
        return -1;
    }
    m->base = base;
    m->size = size;
    return 0;
}

static void unmap(Mapping *m)
{
    m->closing = true;
    if (m->base != NULL && m->users == 0) {
        munmap(m->base, m->size);
        m->base = NULL;
    }
}

static int is_open(const Mapping *m)
{
    if (m->base != NULL && !m->closing)
        return 1;
    PyErr_SetString(PyExc_ValueError, "the segment is closed");
    return 0;
}

static PyObject *os_error(void)
{
    return PyErr_SetFromErrno(PyExc_OSError);
}

/* Wake one reader, who wakes two more, and so on: however many wait, the writer pays for one. */
static void wake_readers(const Mapping *m)
{
    atomic_fetch_add_explicit(word32(m, WAKE), 1, memory_order_release);
    futex(word32(m, WAKE), FUTEX_WAKE, 1, NULL);
}

#define FAST(f) ((PyCFunction)(void (*)(void))(f))
