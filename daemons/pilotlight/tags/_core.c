// SPDX-License-Identifier: Apache-2.0
/* Shared memory of the tags: what Python cannot say. Fences, compare-and-publish, consistent copies, wake-ups, an
 * absolute sleep, the command ring and mailboxes. The byte layout and the protocol are in docs/segments.md; Python
 * (layout.py) writes and checks headers, and this extension re-checks every range it is given against the size of the mapping.
 *
 * Whoever can write a segment may be hostile to its readers: no offset, index or length out of shared memory
 * is used here before it was checked in private memory, and a file that is cut short under a mapping (SIGBUS) ends in OSError(EFAULT), not in a dead reader. */
#include "_mailbox.h"
#include "_mapping.h"
#include "_reader.h"
#include "_ring.h"
#include "_writer.h"

static PyMethodDef functions[] = {
    {"now_ns", now_ns, METH_NOARGS, "now_ns() -> CLOCK_MONOTONIC in nanoseconds"},
    {"sleep_until", sleep_until, METH_O, "sleep_until(deadline_ns) -> the time it woke; keeps the interpreter lock"},
    {"supersede", supersede, METH_O, "supersede(fd): flag the segment as an older epoch and wake its readers"},
    {NULL, NULL, 0, NULL},
};

static int add_types(PyObject *module)
{
    PyType_Spec *specs[] = {&writer_spec, &reader_spec, &ring_spec, &box_spec};
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
