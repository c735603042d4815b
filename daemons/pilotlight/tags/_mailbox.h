// SPDX-License-Identifier: Apache-2.0
/* Part of _core.c: mailboxes, one message under a counter that is odd while a writer copies. */
#pragma once
#include "_mapping.h"

enum { BOX_COUNTER = 0, BOX_MESSAGE = 8, LARGEST_MESSAGE = 4096 };

typedef struct {
    PyObject_HEAD
    Mapping map;
    size_t size; /* of the message */
    bool writable;
} Box;

typedef struct {
    const Box *box;
    uint8_t *data;
    uint64_t counter;
    bool stable;
} BoxAccess;

static PyObject *box_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    int fd, writable;
    unsigned int size;
    if ((kwargs && PyDict_Size(kwargs)) || !PyArg_ParseTuple(args, "iIp:Box", &fd, &size, &writable))
        return NULL;
    if (size == 0 || size > LARGEST_MESSAGE) {
        PyErr_SetString(PyExc_ValueError, "a mailbox holds a message of 1 to 4096 bytes");
        return NULL;
    }
    Box *b = (Box *)type->tp_alloc(type, 0);
    if (b == NULL)
        return NULL;
    b->size = size, b->writable = writable;
    if (map(&b->map, fd, BOX_MESSAGE + (uint64_t)size, writable ? PROT_READ | PROT_WRITE : PROT_READ) < 0) {
        Py_DECREF(b);
        return NULL;
    }
    return (PyObject *)b;
}

static int box_copy_in(void *argument)
{
    BoxAccess *a = argument;
    const Mapping *m = &a->box->map;
    uint64_t counter = atomic_load_explicit(word64(m, BOX_COUNTER), memory_order_relaxed);
    counter += counter & 1; /* a writer died in the middle of its copy */
    atomic_store_explicit(word64(m, BOX_COUNTER), counter + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    memcpy(m->base + BOX_MESSAGE, a->data, a->box->size);
    atomic_store_explicit(word64(m, BOX_COUNTER), counter + 2, memory_order_release);
    a->counter = counter + 2;
    return 0;
}

static int box_copy_out(void *argument)
{
    BoxAccess *a = argument;
    const Mapping *m = &a->box->map;
    a->counter = atomic_load_explicit(word64(m, BOX_COUNTER), memory_order_acquire);
    a->stable = (a->counter & 1) == 0;
    if (a->stable) {
        memcpy(a->data, m->base + BOX_MESSAGE, a->box->size);
        atomic_thread_fence(memory_order_acquire);
        a->stable = atomic_load_explicit(word64(m, BOX_COUNTER), memory_order_relaxed) == a->counter;
    }
    return 0;
}

static PyObject *box_write(PyObject *self, PyObject *argument)
{
    Box *b = (Box *)self;
    Py_buffer message;
    if (!is_open(&b->map) || PyObject_GetBuffer(argument, &message, PyBUF_SIMPLE) < 0)
        return NULL;
    PyObject *result = NULL;
    BoxAccess access = {.box = b, .data = message.buf};
    if (!b->writable)
        PyErr_SetString(PyExc_ValueError, "the mailbox is open for reading only");
    else if ((size_t)message.len != b->size)
        PyErr_Format(PyExc_ValueError, "the mailbox holds a message of %zu bytes, not %zd", b->size, message.len);
    else if (guarded(box_copy_in, &access) < 0)
        os_error();
    else
        result = PyLong_FromUnsignedLongLong(access.counter);
    PyBuffer_Release(&message);
    return result;
}

static PyObject *box_read(PyObject *self, PyObject *unused)
{
    (void)unused;
    Box *b = (Box *)self;
    uint8_t copy[LARGEST_MESSAGE];
    BoxAccess access = {.box = b, .data = copy};
    if (!is_open(&b->map))
        return NULL;
    if (guarded(box_copy_out, &access) < 0)
        return os_error();
    if (!access.stable)
        Py_RETURN_NONE;
    return Py_BuildValue("Ky#", (unsigned long long)access.counter, (char *)copy, (Py_ssize_t)b->size);
}

static PyObject *box_close(PyObject *self, PyObject *unused)
{
    (void)unused;
    unmap(&((Box *)self)->map);
    Py_RETURN_NONE;
}

static void box_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    unmap(&((Box *)self)->map);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyMethodDef box_methods[] = {
    {"write", box_write, METH_O, "write(message) -> the counter after it"},
    {"read", box_read, METH_NOARGS, "read() -> (counter, message), None while a writer copies"},
    {"close", box_close, METH_NOARGS, "close()"},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot box_slots[] = {
    {Py_tp_doc, "Box(fd, size, writable): the latest message of one writer"},
    {Py_tp_new, box_new},
    {Py_tp_dealloc, box_dealloc},
    {Py_tp_methods, box_methods},
    {0, NULL},
};
static PyType_Spec box_spec = {"pilotlight.tags._core.Box", sizeof(Box), 0, Py_TPFLAGS_DEFAULT, box_slots};
