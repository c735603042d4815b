// SPDX-License-Identifier: Apache-2.0
/* Part of _core.c: the command ring. */
#pragma once
#include "_mapping.h"

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
