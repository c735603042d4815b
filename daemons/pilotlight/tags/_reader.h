// SPDX-License-Identifier: Apache-2.0
/* Part of _core.c: the reading side of a segment. */
#pragma once
#include "_snapshot.h"

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    int fd;
    unsigned long long size, image_at, stamps_at, qualities_at, journal_at, capacity;
    Py_buffer table;
    if ((kwargs && PyDict_Size(kwargs)) ||
        !PyArg_ParseTuple(args, "iKKKKKKy*:Reader", &fd, &size, &image_at, &stamps_at, &qualities_at, &journal_at,
                          &capacity, &table))
        return NULL;
    Reader *r = (Reader *)type->tp_alloc(type, 0);
    uint64_t image_size = image_at < stamps_at ? stamps_at - image_at : 0;
    if (r == NULL || (r->tags = load_extents(&table, image_size, &r->count)) == NULL)
        goto failed;
    if (image_at < HEADER_SIZE || image_at > stamps_at || stamps_at + 8ull * r->count != qualities_at ||
        !within(size, qualities_at, r->count) || !is_journal(size, journal_at, capacity)) {
        PyErr_SetString(PyExc_ValueError, "the areas of the segment do not fit the file");
        goto failed;
    }
    r->values_at = image_at, r->values_size = qualities_at + r->count - image_at;
    r->stamps = stamps_at - image_at, r->qualities = qualities_at - image_at;
    r->journal_at = journal_at, r->capacity = capacity;
    if (map(&r->map, fd, size, PROT_READ) < 0)
        goto failed;
    PyBuffer_Release(&table);
    return (PyObject *)r;
failed:
    PyBuffer_Release(&table);
    Py_XDECREF(r);
    return NULL;
}

typedef struct {
    const Reader *reader;
    uint8_t *into;
    uint64_t cursor, limit, first, count, lost;
    uint32_t wake;
    bool from_now;
} Slots;

static int copy_slots(void *argument)
{
    Slots *s = argument;
    const Reader *r = s->reader;
    s->wake = atomic_load_explicit(word32(&r->map, WAKE), memory_order_acquire);
    uint64_t head = atomic_load_explicit(word64(&r->map, JOURNAL_HEAD), memory_order_acquire);
    if (s->from_now || s->cursor > head) {
        s->first = head;
        s->lost = s->from_now ? 0 : 1;
        return 0;
    }
    uint64_t oldest = head > r->capacity ? head - r->capacity : 0;
    s->first = s->cursor > oldest ? s->cursor : oldest;
    s->count = head - s->first < s->limit ? head - s->first : s->limit;
    uint64_t at = s->first & (r->capacity - 1);
    uint64_t part = s->count < r->capacity - at ? s->count : r->capacity - at;
    const uint8_t *journal = r->map.base + r->journal_at;
    memcpy(s->into, journal + at * SLOT_SIZE, part * SLOT_SIZE);
    memcpy(s->into + part * SLOT_SIZE, journal, (s->count - part) * SLOT_SIZE);
    atomic_thread_fence(memory_order_acquire);
    uint64_t reserved = atomic_load_explicit(word64(&r->map, JOURNAL_RESERVED), memory_order_relaxed);
    oldest = reserved > r->capacity ? reserved - r->capacity : 0;
    uint64_t gone = oldest > s->first ? oldest - s->first : 0; /* overwritten while they were copied */
    gone = gone < s->count ? gone : s->count;
    memmove(s->into, s->into + gone * SLOT_SIZE, (s->count - gone) * SLOT_SIZE);
    s->first += gone;
    s->count -= gone;
    s->lost = s->first - s->cursor;
    return 0;
}

static PyObject *reader_journal(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Reader *r = (Reader *)self;
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "journal(cursor, limit)");
        return NULL;
    }
    Slots s = {.reader = r, .from_now = args[0] == Py_None};
    if (!s.from_now)
        s.cursor = PyLong_AsUnsignedLongLong(args[0]);
    s.limit = PyLong_AsUnsignedLongLong(args[1]);
    if (PyErr_Occurred() || !is_open(&r->map))
        return NULL;
    s.limit = s.limit < r->capacity ? s.limit : r->capacity;
    PyObject *slots = PyBytes_FromStringAndSize(NULL, s.from_now ? 0 : (Py_ssize_t)(s.limit * SLOT_SIZE));
    if (slots == NULL)
        return NULL;
    s.into = (uint8_t *)PyBytes_AS_STRING(slots);
    if (guarded(copy_slots, &s) < 0) {
        Py_DECREF(slots);
        return os_error();
    }
    if (_PyBytes_Resize(&slots, (Py_ssize_t)(s.count * SLOT_SIZE)) < 0)
        return NULL;
    return Py_BuildValue("NKKI", slots, (unsigned long long)s.first, (unsigned long long)s.lost, (unsigned int)s.wake);
}

typedef struct {
    const Mapping *map;
    uint32_t wake, superseded;
    uint64_t beat;
    int64_t time, deadline;
} State;

static int load_state(void *argument)
{
    State *s = argument;
    s->wake = atomic_load_explicit(word32(s->map, WAKE), memory_order_acquire);
    s->superseded = atomic_load_explicit(word32(s->map, SUPERSEDED), memory_order_acquire);
    return 0;
}

static int load_beat(void *argument)
{
    State *s = argument;
    s->beat = atomic_load_explicit(word64(s->map, BEAT_SEQUENCE), memory_order_acquire);
    s->time = atomic_load_explicit(time64(s->map, BEAT_TIME), memory_order_relaxed);
    s->deadline = atomic_load_explicit(time64(s->map, BEAT_DEADLINE), memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire);
    return (s->beat & 1) || atomic_load_explicit(word64(s->map, BEAT_SEQUENCE), memory_order_relaxed) != s->beat;
}

static PyObject *reader_state(PyObject *self, PyObject *unused)
{
    (void)unused;
    Reader *r = (Reader *)self;
    State state = {.map = &r->map};
    if (!is_open(&r->map))
        return NULL;
    if (guarded(load_state, &state) < 0)
        return os_error();
    return Py_BuildValue("IO", (unsigned int)state.wake, state.superseded ? Py_True : Py_False);
}

static PyObject *reader_beat(PyObject *self, PyObject *unused)
{
    (void)unused;
    Reader *r = (Reader *)self;
    State state = {.map = &r->map};
    if (!is_open(&r->map))
        return NULL;
    int result = 1;
    for (int attempt = 0; attempt < 1000 && result == 1; attempt++)
        result = guarded(load_beat, &state);
    if (result < 0)
        return os_error();
    if (result == 1)
        Py_RETURN_NONE;
    return Py_BuildValue("KLL", (unsigned long long)(state.beat / 2), (long long)state.time, (long long)state.deadline);
}

static PyObject *reader_wait(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Reader *r = (Reader *)self;
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "wait(seen, deadline_ns)");
        return NULL;
    }
    uint32_t seen = (uint32_t)PyLong_AsUnsignedLongMask(args[0]);
    int64_t deadline = PyLong_AsLongLong(args[1]);
    if (PyErr_Occurred() || !is_open(&r->map))
        return NULL;
    struct timespec until = as_timespec(deadline);
    State state = {.map = &r->map};
    int failed = 0;
    bool woken = false;
    r->map.users++;
    for (;;) {
        if (guarded(load_state, &state) < 0) {
            failed = errno;
            break;
        }
        if (state.wake != seen) {
            if (woken)
                futex(word32(&r->map, WAKE), FUTEX_WAKE, 2, NULL);
            break;
        }
        long result;
        Py_BEGIN_ALLOW_THREADS
        result = futex(word32(&r->map, WAKE), FUTEX_WAIT_BITSET, seen, &until);
        failed = result < 0 ? errno : 0;
        woken = result == 0;
        Py_END_ALLOW_THREADS
        if (failed == EINTR && PyErr_CheckSignals() < 0)
            break;
        if (r->map.closing || failed == ETIMEDOUT || failed == EFAULT)
            break;
        failed = 0;
    }
    r->map.users--;
    if (r->map.closing)
        unmap(&r->map);
    if (PyErr_Occurred())
        return NULL;
    if (failed && failed != ETIMEDOUT) {
        errno = failed;
        return os_error();
    }
    return PyBool_FromLong(state.wake != seen);
}

static PyObject *reader_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    Mapping *m = &((Reader *)self)->map;
    if (m->users > 0) { /* another thread of ours waits: everyone looks again, and it sees the end */
        m->closing = true;
        futex(word32(m, WAKE), FUTEX_WAKE, INT32_MAX, NULL);
    }
    unmap(m);
    Py_RETURN_NONE;
}

static void reader_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Reader *r = (Reader *)self;
    unmap(&r->map);
    Py_CLEAR(r->last);
    PyMem_Free(r->tags);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef reader_methods[] = {
    {"snapshot", reader_snapshot, METH_O,
     "snapshot(patience_ns) -> (values, sequence, time_ns, wall_offset_ns, journal_head, wake), None when never consistent"},
    {"journal", FAST(reader_journal), METH_FASTCALL, "journal(cursor, limit) -> (slots, first, lost, wake)"},
    {"state", reader_state, METH_NOARGS, "state() -> (wake, superseded)"},
    {"wait", FAST(reader_wait), METH_FASTCALL, "wait(seen, deadline_ns) -> whether the wake word moved"},
    {"beat", reader_beat, METH_NOARGS, "beat() -> (count, time_ns, deadline_ns), None when never consistent"},
    {"close", reader_close, METH_NOARGS, "close()"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot reader_slots[] = {
    {Py_tp_doc, "Reader(fd, size, image, stamps, qualities, journal, capacity, table): a read-only mapping"},
    {Py_tp_new, reader_new},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_methods, reader_methods},
    {0, NULL},
};
static PyType_Spec reader_spec = {"pilotlight.tags._core.Reader", sizeof(Reader), 0, Py_TPFLAGS_DEFAULT, reader_slots};
