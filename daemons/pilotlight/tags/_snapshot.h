// SPDX-License-Identifier: Apache-2.0
/* Part of _core.c: consistent copies of all values.
 * A reader keeps its last copy. While little has changed since, the journal tells what: its slots lie together, and
 * the lines of image and stamps stay with the writer, who would have to fetch them back at its next publish. */
#pragma once
#include "_slots.h"

typedef struct {
    PyObject_HEAD
    Mapping map;
    size_t values_at, values_size; /* image, stamps and qualities, which follow each other */
    size_t stamps, qualities;      /* where they begin among the values */
    size_t journal_at;
    uint64_t capacity;
    uint32_t count;
    Extent *tags;
    PyObject *last;     /* bytes: the values of the last snapshot, NULL before the first */
    uint64_t last_head; /* the journal's head then */
} Reader;

typedef struct {
    const Reader *reader;
    uint8_t *into;
    uint64_t sequence, head;
    int64_t time, wall;
    uint32_t wake;
} Copy;

enum { READY, AGAIN, FAILED = -1, INTERRUPTED = -2 }; /* how an attempt went; FAILED with errno */

/* The words of the last publish; AGAIN when the writer is at the next. */
static int load_words(void *argument)
{
    Copy *c = argument;
    const Mapping *m = &c->reader->map;
    c->wake = atomic_load_explicit(word32(m, WAKE), memory_order_acquire);
    c->sequence = atomic_load_explicit(word64(m, SEQUENCE), memory_order_acquire);
    if (c->sequence & 1)
        return AGAIN;
    c->head = atomic_load_explicit(word64(m, JOURNAL_HEAD), memory_order_relaxed);
    c->time = atomic_load_explicit(time64(m, PUBLISH_TIME), memory_order_relaxed);
    c->wall = atomic_load_explicit(time64(m, WALL_OFFSET), memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire); /* the loads above are done before the one below */
    return atomic_load_explicit(word64(m, SEQUENCE), memory_order_relaxed) == c->sequence ? READY : AGAIN;
}

/* Everything, with the words of its publish. */
static int copy_values(void *argument)
{
    Copy *c = argument;
    const Mapping *m = &c->reader->map;
    uint64_t sequence = c->sequence;
    memcpy(c->into, m->base + c->reader->values_at, c->reader->values_size);
    atomic_thread_fence(memory_order_acquire);
    return atomic_load_explicit(word64(m, SEQUENCE), memory_order_relaxed) == sequence ? READY : AGAIN;
}

/* One slot into private memory, so that what is checked is what is used. */
static void load_slot(const Reader *r, uint64_t number, void *slot)
{
    uint64_t words[SLOT_SIZE / 8];
    size_t at = r->journal_at + (number & (r->capacity - 1)) * SLOT_SIZE;
    for (size_t i = 0; i < SLOT_SIZE / 8; i++)
        words[i] = atomic_load_explicit(word64(&r->map, at + 8 * i), memory_order_relaxed);
    memcpy(slot, words, SLOT_SIZE);
}

/* Bring the last snapshot, which lies in `into`, up to date; AGAIN when the journal does not tell all of it. */
static int apply_journal(void *argument)
{
    const Copy *c = argument;
    const Reader *r = c->reader;
    for (uint64_t number = r->last_head; number < c->head;) {
        FirstSlot first;
        load_slot(r, number, &first);
        if (first.number != number || first.tag >= r->count)
            return AGAIN;
        Extent e = r->tags[first.tag];
        uint64_t next = number + slots_of(e.size);
        if (first.further != slots_of(e.size) - 1 || next > c->head)
            return AGAIN;
        uint32_t done = e.size < SLOT_VALUE ? e.size : SLOT_VALUE;
        memcpy(c->into + e.offset, first.value, done);
        while (++number < next) {
            FurtherSlot more;
            load_slot(r, number, &more);
            if (more.number != (number | FURTHER_SLOT))
                return AGAIN;
            uint32_t part = e.size - done < SLOT_MORE ? e.size - done : SLOT_MORE;
            memcpy(c->into + e.offset + done, more.value, part);
            done += part;
        }
        memcpy(c->into + r->stamps + (size_t)first.tag * 8, &first.stamp, 8);
        c->into[r->qualities + first.tag] = first.quality;
    }
    atomic_thread_fence(memory_order_acquire);
    uint64_t reserved = atomic_load_explicit(word64(&r->map, JOURNAL_RESERVED), memory_order_relaxed);
    return reserved - r->last_head <= r->capacity ? READY : AGAIN; /* else they may have been overwritten meanwhile */
}

/* Whether the journal is the shorter way: at most half of the bytes, and far from being overwritten. */
static bool is_near(const Copy *c)
{
    const Reader *r = c->reader;
    uint64_t behind = c->head - r->last_head; /* huge when the head went back */
    return r->last != NULL && behind <= r->capacity / 2 && behind * SLOT_SIZE <= r->values_size / 2;
}

/* One attempt at `values`, new bytes or the last ones when nothing has changed. */
static int attempt(Copy *c, PyObject **values)
{
    const Reader *r = c->reader;
    int state = guarded(load_words, c);
    if (state != READY)
        return state;
    bool near = is_near(c);
    if (near && c->head == r->last_head) {
        Py_XSETREF(*values, Py_NewRef(r->last));
        return READY;
    }
    if (*values == NULL && (*values = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)r->values_size)) == NULL)
        return INTERRUPTED;
    c->into = (uint8_t *)PyBytes_AS_STRING(*values);
    if (near) {
        memcpy(c->into, PyBytes_AS_STRING(r->last), r->values_size);
        state = guarded(apply_journal, c);
        if (state != AGAIN)
            return state;
    }
    return guarded(copy_values, c);
}

static void relax(void)
{
#if defined(__aarch64__)
    __asm__ volatile("yield");
#else
    __builtin_ia32_pause();
#endif
}

static PyObject *reader_snapshot(PyObject *self, PyObject *argument)
{
    Reader *r = (Reader *)self;
    int64_t patience = PyLong_AsLongLong(argument);
    if ((patience == -1 && PyErr_Occurred()) || !is_open(&r->map))
        return NULL;
    PyObject *values = NULL;
    Copy copy = {.reader = r};
    int64_t start = clock_ns(CLOCK_MONOTONIC), moved = start; /* when the writer was last seen to get on */
    uint64_t seen = 0;
    unsigned attempts = 0; /* since the patience is over */
    int state;
    r->map.users++;
    while ((state = attempt(&copy, &values)) == AGAIN) {
        int64_t now = clock_ns(CLOCK_MONOTONIC), waited = now - start;
        if (copy.sequence != seen && waited < LIVELY * patience)
            seen = copy.sequence, moved = now, attempts = 0;
        if (now - moved > patience && ++attempts >= LEAST_ATTEMPTS)
            break;
        if (waited < SPIN_FOR) {
            relax();
            continue;
        }
        Py_BEGIN_ALLOW_THREADS
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() < 0) {
            state = INTERRUPTED;
            break;
        }
    }
    int failed = errno;
    r->map.users--;
    if (r->map.closing)
        unmap(&r->map);
    if (state == READY) {
        Py_XSETREF(r->last, Py_NewRef(values));
        r->last_head = copy.head;
        return Py_BuildValue("NKLLKI", values, (unsigned long long)copy.sequence, (long long)copy.time,
                             (long long)copy.wall, (unsigned long long)copy.head, (unsigned int)copy.wake);
    }
    Py_XDECREF(values);
    if (state == AGAIN)
        Py_RETURN_NONE;
    errno = failed;
    return state == FAILED ? os_error() : NULL;
}
