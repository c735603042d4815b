// SPDX-License-Identifier: Apache-2.0
/* Shared memory of the tags: what Python cannot say. Fences, compare-and-publish, consistent copies, wake-ups, an
 * absolute sleep and the command ring. The byte layout and the protocol are in docs/segments.md; Python (layout.py)
 * writes and checks headers, and this file re-checks every range it is given against the size of the mapping.
 *
 * Whoever can write a segment may be hostile to its readers: no offset, index or length is ever taken from shared
 * memory here, and a file that is cut short under a mapping (SIGBUS) ends in OSError(EFAULT), not in a dead reader. */
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
enum { LEAST_ATTEMPTS = 200 }; /* of a snapshot: a reader that was kept from running must not blame the writer */
enum { BLOCK = 64, SPAN = 1024 }; /* grain of the comparison, bytes */

static const uint64_t FURTHER_SLOT = 1ull << 63;
static const int64_t SECOND = 1000000000;
static const int64_t LONGEST_SLEEP = 3600 * 1000000000ll;
static const int64_t SPIN_FOR = 100000; /* a snapshot spins so long (ns) for a writer before it sleeps */
static const uint64_t MOST_SLOTS = 1u << 24;

/* ---------------------------------------------------------------------------------------------- clock */

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

/* -------------------------------------------------------------------------------------------- mapping */

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

/* --------------------------------------------------------------------------------------------- writer */

typedef struct {
    uint32_t offset, size;
} Extent;

typedef struct {
    PyObject_HEAD
    Mapping map;
    size_t image_at, image_size, stamps_at, qualities_at, journal_at;
    uint64_t capacity;
    Py_buffer image, qualities; /* private staging: what publish compares with the shared image */
    uint32_t count;
    Extent *tags;
    uint32_t *first;   /* of each block of the image: the first tag that ends after the block's beginning */
    uint32_t *changed; /* scratch of publish: indexes, in the order found */
    uint8_t *marked;   /* scratch of publish: whether a tag is in `changed` */
} Writer;

static uint32_t slots_of(uint32_t size)
{
    return size <= SLOT_VALUE ? 1 : 1 + (size - SLOT_VALUE + SLOT_MORE - 1) / SLOT_MORE;
}

static bool differs(const uint8_t *a, const uint8_t *b, uint32_t size)
{
    switch (size) {
    case 1: return *a != *b;
    case 2: return memcmp(a, b, 2) != 0;
    case 4: return memcmp(a, b, 4) != 0;
    case 8: return memcmp(a, b, 8) != 0;
    default: return memcmp(a, b, size) != 0;
    }
}

/* Fill `changed`; returns how many tags differ, and the journal slots they need. */
static uint32_t compare(Writer *w, uint64_t *slots)
{
    const uint8_t *ours = w->image.buf, *theirs = w->map.base + w->image_at;
    uint32_t found = 0, next = 0;
    for (size_t span = 0; span < w->image_size; span += SPAN) {
        size_t span_end = span + SPAN < w->image_size ? span + SPAN : w->image_size;
        if (memcmp(ours + span, theirs + span, span_end - span) == 0)
            continue;
        for (size_t block = span; block < span_end; block += BLOCK) {
            size_t block_end = block + BLOCK < span_end ? block + BLOCK : span_end;
            if (memcmp(ours + block, theirs + block, block_end - block) == 0)
                continue;
            uint32_t tag = w->first[block / BLOCK];
            for (tag = tag > next ? tag : next; tag < w->count && w->tags[tag].offset < block_end; tag++) {
                Extent e = w->tags[tag];
                if (differs(ours + e.offset, theirs + e.offset, e.size)) {
                    w->changed[found++] = tag;
                    w->marked[tag] = 1;
                    *slots += slots_of(e.size);
                }
                next = tag + 1;
            }
        }
    }
    ours = w->qualities.buf, theirs = w->map.base + w->qualities_at;
    for (size_t span = 0; span < w->count; span += SPAN) {
        size_t span_end = span + SPAN < w->count ? span + SPAN : w->count;
        if (memcmp(ours + span, theirs + span, span_end - span) == 0)
            continue;
        for (size_t tag = span; tag < span_end; tag++)
            if (ours[tag] != theirs[tag] && !w->marked[tag]) {
                w->changed[found++] = (uint32_t)tag;
                *slots += slots_of(w->tags[tag].size);
            }
    }
    return found;
}

static uint32_t everything(Writer *w, uint64_t *slots)
{
    for (uint32_t tag = 0; tag < w->count; tag++) {
        w->changed[tag] = tag;
        *slots += slots_of(w->tags[tag].size);
    }
    return w->count;
}

static uint8_t *slot_at(Writer *w, uint64_t number)
{
    return w->map.base + w->journal_at + (number & (w->capacity - 1)) * SLOT_SIZE;
}

/* Append one change to the journal; returns the number of the slot after it. */
static uint64_t append(Writer *w, uint64_t number, int64_t stamp, uint32_t tag, uint8_t quality)
{
    Extent e = w->tags[tag];
    const uint8_t *value = (const uint8_t *)w->image.buf + e.offset;
    struct {
        uint64_t number;
        int64_t stamp;
        uint32_t tag;
        uint8_t quality, reserved;
        uint16_t further;
        uint8_t value[SLOT_VALUE];
    } first = {number, stamp, tag, quality, 0, (uint16_t)(slots_of(e.size) - 1), {0}};
    _Static_assert(sizeof first == SLOT_SIZE, "a journal slot");
    uint32_t done = e.size < SLOT_VALUE ? e.size : SLOT_VALUE;
    memcpy(first.value, value, done);
    memcpy(slot_at(w, number), &first, SLOT_SIZE);
    for (number++; done < e.size; number++) {
        struct {
            uint64_t number;
            uint8_t value[SLOT_MORE];
        } more = {number | FURTHER_SLOT, {0}};
        _Static_assert(sizeof more == SLOT_SIZE, "a journal slot");
        uint32_t part = e.size - done < SLOT_MORE ? e.size - done : SLOT_MORE;
        memcpy(more.value, value + done, part);
        memcpy(slot_at(w, number), &more, SLOT_SIZE);
        done += part;
    }
    return number;
}

static PyObject *writer_publish(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Writer *w = (Writer *)self;
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "publish(now_ns, everything)");
        return NULL;
    }
    int64_t now = PyLong_AsLongLong(args[0]);
    if ((now == -1 && PyErr_Occurred()) || !is_open(&w->map))
        return NULL;
    Mapping *m = &w->map;
    uint64_t slots = 0;
    uint32_t found = args[1] == Py_True ? everything(w, &slots) : compare(w, &slots);

    uint64_t odd = atomic_load_explicit(word64(m, SEQUENCE), memory_order_relaxed) | 1;
    uint64_t number = atomic_load_explicit(word64(m, JOURNAL_HEAD), memory_order_relaxed);
    int64_t wall = clock_ns(CLOCK_REALTIME) - clock_ns(CLOCK_MONOTONIC);
    atomic_store_explicit(word64(m, SEQUENCE), odd, memory_order_relaxed);
    atomic_store_explicit(word64(m, JOURNAL_RESERVED), number + slots, memory_order_relaxed);
    atomic_thread_fence(memory_order_release); /* no store below may be seen before the two above */
    for (uint32_t i = 0; i < found; i++) {
        uint32_t tag = w->changed[i];
        Extent e = w->tags[tag];
        uint8_t quality = ((uint8_t *)w->qualities.buf)[tag];
        w->marked[tag] = 0;
        number = append(w, number, now, tag, quality);
        memcpy(m->base + w->image_at + e.offset, (uint8_t *)w->image.buf + e.offset, e.size);
        memcpy(m->base + w->stamps_at + (size_t)tag * 8, &now, 8);
        if (m->base[w->qualities_at + tag] != quality) /* a store would fetch a cache line from the readers */
            m->base[w->qualities_at + tag] = quality;
    }
    atomic_store_explicit(time64(m, PUBLISH_TIME), now, memory_order_relaxed);
    atomic_store_explicit(time64(m, WALL_OFFSET), wall, memory_order_relaxed);
    atomic_store_explicit(word64(m, JOURNAL_HEAD), number, memory_order_release);
    atomic_store_explicit(word64(m, SEQUENCE), odd + 1, memory_order_release);
    wake_readers(m);
    return PyLong_FromUnsignedLong(found);
}

static PyObject *writer_heartbeat(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    Writer *w = (Writer *)self;
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "heartbeat(now_ns, deadline_ns)");
        return NULL;
    }
    int64_t now = PyLong_AsLongLong(args[0]), deadline = PyLong_AsLongLong(args[1]);
    if (PyErr_Occurred() || !is_open(&w->map))
        return NULL;
    uint64_t odd = atomic_load_explicit(word64(&w->map, BEAT_SEQUENCE), memory_order_relaxed) | 1;
    atomic_store_explicit(word64(&w->map, BEAT_SEQUENCE), odd, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(time64(&w->map, BEAT_TIME), now, memory_order_relaxed);
    atomic_store_explicit(time64(&w->map, BEAT_DEADLINE), deadline, memory_order_relaxed);
    atomic_store_explicit(word64(&w->map, BEAT_SEQUENCE), odd + 1, memory_order_release);
    Py_RETURN_NONE;
}

static PyObject *writer_sequence(PyObject *self, PyObject *unused)
{
    (void)unused;
    Writer *w = (Writer *)self;
    if (!is_open(&w->map))
        return NULL;
    return PyLong_FromUnsignedLongLong(atomic_load_explicit(word64(&w->map, SEQUENCE), memory_order_relaxed));
}

static void writer_release(Writer *w)
{
    unmap(&w->map);
    PyBuffer_Release(&w->image);
    PyBuffer_Release(&w->qualities);
}

static PyObject *writer_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    writer_release((Writer *)self);
    Py_RETURN_NONE;
}

static int writer_tables(Writer *w, const Py_buffer *table)
{
    size_t blocks = w->image_size / BLOCK + 1;
    w->tags = PyMem_Calloc((size_t)w->count + 1, sizeof *w->tags);
    w->first = PyMem_Calloc(blocks, sizeof *w->first);
    w->changed = PyMem_Calloc((size_t)w->count + 1, sizeof *w->changed);
    w->marked = PyMem_Calloc((size_t)w->count + 1, 1);
    if (!w->tags || !w->first || !w->changed || !w->marked) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(w->tags, table->buf, (size_t)w->count * sizeof *w->tags);
    uint64_t end = 0;
    for (uint32_t tag = 0; tag < w->count; tag++) {
        Extent e = w->tags[tag];
        if (e.offset < end || e.size == 0 || e.size > UINT16_MAX || !within(w->image_size, e.offset, e.size)) {
            PyErr_SetString(PyExc_ValueError, "the tags of a directory must follow each other inside the image");
            return -1;
        }
        end = (uint64_t)e.offset + e.size;
    }
    uint32_t tag = 0;
    for (size_t block = 0; block < blocks; block++) {
        while (tag < w->count && (uint64_t)w->tags[tag].offset + w->tags[tag].size <= block * BLOCK)
            tag++;
        w->first[block] = tag;
    }
    return 0;
}

static int writer_ranges(Writer *w, const Py_buffer *table, uint64_t size)
{
    bool good = table->len % (Py_ssize_t)sizeof(Extent) == 0 && (uint64_t)table->len / sizeof(Extent) < UINT32_MAX &&
                within(size, w->image_at, w->image_size) && w->image_at >= HEADER_SIZE &&
                (uint64_t)w->image.len == w->image_size;
    w->count = good ? (uint32_t)((size_t)table->len / sizeof(Extent)) : 0;
    good = good && w->stamps_at >= HEADER_SIZE && w->stamps_at % 8 == 0 && within(size, w->stamps_at, 8ull * w->count) &&
           w->qualities_at >= HEADER_SIZE && within(size, w->qualities_at, w->count) && w->qualities.len == w->count &&
           w->capacity > 0 && w->capacity <= MOST_SLOTS && (w->capacity & (w->capacity - 1)) == 0 &&
           w->journal_at >= HEADER_SIZE && w->journal_at % 8 == 0 && within(size, w->journal_at, w->capacity * SLOT_SIZE);
    if (!good)
        PyErr_SetString(PyExc_ValueError, "the areas of the segment do not fit each other or the file");
    return good ? 0 : -1;
}

static PyObject *writer_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    int fd;
    unsigned long long size, image_at, stamps_at, qualities_at, journal_at, capacity;
    Py_buffer table;
    PyObject *image, *qualities;
    if ((kwargs && PyDict_Size(kwargs)) ||
        !PyArg_ParseTuple(args, "iKKKKKKy*OO:Writer", &fd, &size, &image_at, &stamps_at, &qualities_at, &journal_at,
                          &capacity, &table, &image, &qualities))
        return NULL;
    Writer *w = (Writer *)type->tp_alloc(type, 0);
    if (w == NULL || PyObject_GetBuffer(image, &w->image, PyBUF_WRITABLE) < 0 ||
        PyObject_GetBuffer(qualities, &w->qualities, PyBUF_WRITABLE) < 0)
        goto failed;
    w->image_at = image_at, w->image_size = (size_t)w->image.len, w->stamps_at = stamps_at;
    w->qualities_at = qualities_at, w->journal_at = journal_at, w->capacity = capacity;
    if (writer_ranges(w, &table, size) < 0 || writer_tables(w, &table) < 0 ||
        map(&w->map, fd, size, PROT_READ | PROT_WRITE) < 0)
        goto failed;
    PyBuffer_Release(&table);
    return (PyObject *)w;
failed:
    PyBuffer_Release(&table);
    Py_XDECREF(w);
    return NULL;
}

static void writer_dealloc(PyObject *self)
{
    Writer *w = (Writer *)self;
    PyTypeObject *type = Py_TYPE(self);
    writer_release(w);
    PyMem_Free(w->tags);
    PyMem_Free(w->first);
    PyMem_Free(w->changed);
    PyMem_Free(w->marked);
    type->tp_free(self);
    Py_DECREF(type);
}

/* The header alone: tell the readers of an older epoch that a newer one is there. */
static int mark_superseded(void *argument)
{
    const Mapping *m = argument;
    atomic_store_explicit(word32(m, SUPERSEDED), 1, memory_order_release);
    wake_readers(m);
    return 0;
}

static PyObject *supersede(PyObject *self, PyObject *argument)
{
    (void)self;
    int fd = (int)PyLong_AsLong(argument);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    Mapping m = {0};
    if (map(&m, fd, HEADER_SIZE, PROT_READ | PROT_WRITE) < 0)
        return NULL;
    int result = guarded(mark_superseded, &m);
    unmap(&m);
    if (result < 0)
        return os_error();
    Py_RETURN_NONE;
}

/* --------------------------------------------------------------------------------------------- reader */

typedef struct {
    PyObject_HEAD
    Mapping map;
    size_t values_at, values_size; /* image, stamps and qualities, which follow each other */
    size_t journal_at;
    uint64_t capacity;
} Reader;

static PyObject *reader_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    int fd;
    unsigned long long size, values_at, values_size, journal_at, capacity;
    if ((kwargs && PyDict_Size(kwargs)) ||
        !PyArg_ParseTuple(args, "iKKKKK:Reader", &fd, &size, &values_at, &values_size, &journal_at, &capacity))
        return NULL;
    if (values_at < HEADER_SIZE || !within(size, values_at, values_size) || journal_at < HEADER_SIZE ||
        journal_at % 8 != 0 || capacity == 0 || capacity > MOST_SLOTS || (capacity & (capacity - 1)) != 0 ||
        !within(size, journal_at, capacity * SLOT_SIZE)) {
        PyErr_SetString(PyExc_ValueError, "the areas of the segment do not fit the file");
        return NULL;
    }
    Reader *r = (Reader *)type->tp_alloc(type, 0);
    if (r == NULL)
        return NULL;
    r->values_at = values_at, r->values_size = values_size, r->journal_at = journal_at, r->capacity = capacity;
    if (map(&r->map, fd, size, PROT_READ) < 0) {
        Py_DECREF(r);
        return NULL;
    }
    return (PyObject *)r;
}

typedef struct {
    const Reader *reader;
    uint8_t *into;
    uint64_t sequence, head;
    int64_t time, wall;
    uint32_t wake;
} Copy;

/* One attempt: 0 a consistent copy, 1 the writer was at it. */
static int copy_values(void *argument)
{
    Copy *c = argument;
    const Mapping *m = &c->reader->map;
    c->wake = atomic_load_explicit(word32(m, WAKE), memory_order_acquire);
    c->sequence = atomic_load_explicit(word64(m, SEQUENCE), memory_order_acquire);
    if (c->sequence & 1)
        return 1;
    memcpy(c->into, m->base + c->reader->values_at, c->reader->values_size);
    c->head = atomic_load_explicit(word64(m, JOURNAL_HEAD), memory_order_relaxed);
    c->time = atomic_load_explicit(time64(m, PUBLISH_TIME), memory_order_relaxed);
    c->wall = atomic_load_explicit(time64(m, WALL_OFFSET), memory_order_relaxed);
    atomic_thread_fence(memory_order_acquire); /* the loads above are done before the one below */
    return atomic_load_explicit(word64(m, SEQUENCE), memory_order_relaxed) != c->sequence;
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
    PyObject *values = PyBytes_FromStringAndSize(NULL, (Py_ssize_t)r->values_size);
    if (values == NULL)
        return NULL;
    Copy copy = {.reader = r, .into = (uint8_t *)PyBytes_AS_STRING(values)};
    int64_t start = clock_ns(CLOCK_MONOTONIC);
    int state;
    r->map.users++;
    for (unsigned attempt = 1; (state = guarded(copy_values, &copy)) == 1; attempt++) {
        int64_t waited = clock_ns(CLOCK_MONOTONIC) - start;
        if (waited > patience && attempt >= LEAST_ATTEMPTS)
            break;
        if (waited < SPIN_FOR) {
            relax();
            continue;
        }
        Py_BEGIN_ALLOW_THREADS
        nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
        Py_END_ALLOW_THREADS
        if (PyErr_CheckSignals() < 0) {
            state = -2;
            break;
        }
    }
    r->map.users--;
    if (r->map.closing)
        unmap(&r->map);
    if (state == 0)
        return Py_BuildValue("NKLLKI", values, (unsigned long long)copy.sequence, (long long)copy.time,
                             (long long)copy.wall, (unsigned long long)copy.head, (unsigned int)copy.wake);
    Py_DECREF(values);
    if (state == 1)
        Py_RETURN_NONE;
    return state == -1 ? os_error() : NULL;
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
    unmap(&((Reader *)self)->map);
    type->tp_free(self);
    Py_DECREF(type);
}

/* ----------------------------------------------------------------------------------------------- ring */

typedef struct {
    PyObject_HEAD
    Mapping map;
    uint32_t capacity, slot, stride;
} Ring;

static PyObject *ring_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    int fd;
    unsigned int capacity, slot;
    if ((kwargs && PyDict_Size(kwargs)) || !PyArg_ParseTuple(args, "iII:Ring", &fd, &capacity, &slot))
        return NULL;
    if (capacity == 0 || capacity > 65536 || (capacity & (capacity - 1)) != 0 || slot == 0 || slot > 65536) {
        PyErr_SetString(PyExc_ValueError, "a ring has 1 to 65536 slots (a power of two) of 1 to 65536 bytes");
        return NULL;
    }
    Ring *r = (Ring *)type->tp_alloc(type, 0);
    if (r == NULL)
        return NULL;
    r->capacity = capacity, r->slot = slot, r->stride = (slot + 4 + 7) / 8 * 8;
    if (map(&r->map, fd, RING_SLOTS + (uint64_t)capacity * r->stride, PROT_READ | PROT_WRITE) < 0) {
        Py_DECREF(r);
        return NULL;
    }
    return (PyObject *)r;
}

static uint8_t *ring_slot(const Ring *r, uint64_t number)
{
    return r->map.base + RING_SLOTS + (number & (r->capacity - 1)) * r->stride;
}

static PyObject *ring_push(PyObject *self, PyObject *argument)
{
    Ring *r = (Ring *)self;
    Py_buffer message;
    if (!is_open(&r->map) || PyObject_GetBuffer(argument, &message, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = NULL;
    if (message.len > r->slot) {
        PyErr_Format(PyExc_ValueError, "a command of %zd bytes does not fit a slot of %u", message.len, r->slot);
    } else {
        uint64_t head = atomic_load_explicit(word64(&r->map, RING_HEAD), memory_order_relaxed);
        uint64_t tail = atomic_load_explicit(word64(&r->map, RING_TAIL), memory_order_acquire);
        bool room = head - tail < r->capacity;
        if (room) {
            uint32_t length = (uint32_t)message.len;
            memcpy(ring_slot(r, head), &length, 4);
            memcpy(ring_slot(r, head) + 4, message.buf, length);
            atomic_store_explicit(word64(&r->map, RING_HEAD), head + 1, memory_order_release);
        }
        result = PyBool_FromLong(room);
    }
    PyBuffer_Release(&message);
    return result;
}

static PyObject *ring_pop(PyObject *self, PyObject *unused)
{
    (void)unused;
    Ring *r = (Ring *)self;
    if (!is_open(&r->map))
        return NULL;
    uint64_t tail = atomic_load_explicit(word64(&r->map, RING_TAIL), memory_order_relaxed);
    uint64_t head = atomic_load_explicit(word64(&r->map, RING_HEAD), memory_order_acquire);
    if (head == tail)
        Py_RETURN_NONE;
    uint32_t length;
    memcpy(&length, ring_slot(r, tail), 4);
    PyObject *message = NULL;
    if (length <= r->slot)
        message = PyBytes_FromStringAndSize((char *)ring_slot(r, tail) + 4, length);
    else
        PyErr_SetString(PyExc_ValueError, "a command in the ring is longer than its slot; it was dropped");
    atomic_store_explicit(word64(&r->map, RING_TAIL), tail + 1, memory_order_release);
    return message;
}

static PyObject *ring_touch(PyObject *self, PyObject *argument)
{
    Ring *r = (Ring *)self;
    int64_t now = PyLong_AsLongLong(argument);
    if ((now == -1 && PyErr_Occurred()) || !is_open(&r->map))
        return NULL;
    atomic_store_explicit(time64(&r->map, RING_TOUCHED), now, memory_order_release);
    Py_RETURN_NONE;
}

static PyObject *ring_touched(PyObject *self, PyObject *unused)
{
    (void)unused;
    Ring *r = (Ring *)self;
    if (!is_open(&r->map))
        return NULL;
    return PyLong_FromLongLong(atomic_load_explicit(time64(&r->map, RING_TOUCHED), memory_order_acquire));
}

static PyObject *ring_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    unmap(&((Ring *)self)->map);
    Py_RETURN_NONE;
}

static void ring_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    unmap(&((Ring *)self)->map);
    type->tp_free(self);
    Py_DECREF(type);
}

/* --------------------------------------------------------------------------------------------- module */

#define FAST(f) ((PyCFunction)(void (*)(void))(f))

static PyMethodDef writer_methods[] = {
    {"publish", FAST(writer_publish), METH_FASTCALL, "publish(now_ns, everything) -> number of tags that changed"},
    {"heartbeat", FAST(writer_heartbeat), METH_FASTCALL, "heartbeat(now_ns, deadline_ns)"},
    {"sequence", writer_sequence, METH_NOARGS, "sequence() -> the sequence counter; odd: a publish was cut off"},
    {"close", writer_close, METH_NOARGS, "close()"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot writer_slots[] = {
    {Py_tp_doc, "Writer(fd, size, image, stamps, qualities, journal, capacity, table, staged_image, staged_qualities)"},
    {Py_tp_new, writer_new},
    {Py_tp_dealloc, writer_dealloc},
    {Py_tp_methods, writer_methods},
    {0, NULL},
};
static PyType_Spec writer_spec = {"pilotlight.tags._core.Writer", sizeof(Writer), 0, Py_TPFLAGS_DEFAULT, writer_slots};

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
    {Py_tp_doc, "Reader(fd, size, values, values_size, journal, capacity): a read-only mapping"},
    {Py_tp_new, reader_new},
    {Py_tp_dealloc, reader_dealloc},
    {Py_tp_methods, reader_methods},
    {0, NULL},
};
static PyType_Spec reader_spec = {"pilotlight.tags._core.Reader", sizeof(Reader), 0, Py_TPFLAGS_DEFAULT, reader_slots};

static PyMethodDef ring_methods[] = {
    {"push", ring_push, METH_O, "push(message) -> False when the ring is full"},
    {"pop", ring_pop, METH_NOARGS, "pop() -> the oldest message, None when there is none"},
    {"touch", ring_touch, METH_O, "touch(now_ns)"},
    {"touched", ring_touched, METH_NOARGS, "touched() -> ns of the last touch, 0 when never"},
    {"close", ring_close, METH_NOARGS, "close()"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot ring_slots[] = {
    {Py_tp_doc, "Ring(fd, capacity, slot): one pusher, one popper"},
    {Py_tp_new, ring_new},
    {Py_tp_dealloc, ring_dealloc},
    {Py_tp_methods, ring_methods},
    {0, NULL},
};
static PyType_Spec ring_spec = {"pilotlight.tags._core.Ring", sizeof(Ring), 0, Py_TPFLAGS_DEFAULT, ring_slots};

static PyMethodDef functions[] = {
    {"now_ns", now_ns, METH_NOARGS, "now_ns() -> CLOCK_MONOTONIC in nanoseconds"},
    {"sleep_until", sleep_until, METH_O, "sleep_until(deadline_ns) -> the time it woke; keeps the interpreter lock"},
    {"supersede", supersede, METH_O, "supersede(fd): flag the segment as an older epoch and wake its readers"},
    {NULL, NULL, 0, NULL},
};

static int add_types(PyObject *module)
{
    PyType_Spec *specs[] = {&writer_spec, &reader_spec, &ring_spec};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        PyObject *type = PyType_FromSpec(specs[i]);
        if (type == NULL)
            return -1;
        int result = PyModule_AddType(module, (PyTypeObject *)type);
        Py_DECREF(type);
        if (result < 0)
            return -1;
    }
    return 0;
}

static PyModuleDef_Slot module_slots[] = {{Py_mod_exec, add_types}, {0, NULL}};
static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT, .m_name = "pilotlight.tags._core", .m_methods = functions, .m_slots = module_slots,
};

PyMODINIT_FUNC PyInit__core(void);
PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module);
}
