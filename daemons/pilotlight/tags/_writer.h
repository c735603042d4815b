// SPDX-License-Identifier: Apache-2.0
/* Part of _core.c: the writing side of a segment. */
#pragma once
#include "_slots.h"

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
    FirstSlot first = {number, stamp, tag, quality, 0, (uint16_t)(slots_of(e.size) - 1), {0}};
    uint32_t done = e.size < SLOT_VALUE ? e.size : SLOT_VALUE;
    memcpy(first.value, value, done);
    memcpy(slot_at(w, number), &first, SLOT_SIZE);
    for (number++; done < e.size; number++) {
        FurtherSlot more = {number | FURTHER_SLOT, {0}};
        uint32_t part = e.size - done < SLOT_MORE ? e.size - done : SLOT_MORE;
        memcpy(more.value, value + done, part);
        memcpy(slot_at(w, number), &more, SLOT_SIZE);
        done += part;
    }
    return number;
}

/* Begin to fetch a cache line that readers hold, to write it soon. */
static void claim(const uint8_t *line)
{
#if defined(__x86_64__)
    __asm__ volatile("prefetchw %0" ::"m"(*line)); /* __builtin_prefetch would fetch it to read */
#else
    __builtin_prefetch(line, 1);
#endif
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
    claim(m->base + SEQUENCE);
    claim(m->base + WAKE);
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
    w->tags = load_extents(table, w->image_size, &w->count);
    if (w->tags == NULL)
        return -1;
    w->first = PyMem_Calloc(blocks, sizeof *w->first);
    w->changed = PyMem_Calloc((size_t)w->count + 1, sizeof *w->changed);
    w->marked = PyMem_Calloc((size_t)w->count + 1, 1);
    if (!w->first || !w->changed || !w->marked) {
        PyErr_NoMemory();
        return -1;
    }
    uint32_t tag = 0;
    for (size_t block = 0; block < blocks; block++) {
        while (tag < w->count && (uint64_t)w->tags[tag].offset + w->tags[tag].size <= block * BLOCK)
            tag++;
        w->first[block] = tag;
    }
    return 0;
}

static int writer_ranges(const Writer *w, uint64_t size)
{
    bool good = within(size, w->image_at, w->image_size) && w->image_at >= HEADER_SIZE &&
                (uint64_t)w->image.len == w->image_size && w->stamps_at >= HEADER_SIZE && w->stamps_at % 8 == 0 &&
                within(size, w->stamps_at, 8ull * w->count) && w->qualities_at >= HEADER_SIZE &&
                within(size, w->qualities_at, w->count) && w->qualities.len == w->count &&
                is_journal(size, w->journal_at, w->capacity);
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
    if (writer_tables(w, &table) < 0 || writer_ranges(w, size) < 0 ||
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
