/* Types of the main interpreter that take part in the buffer protocol, found without allocating anything. */
#ifndef LEAKSCOPE_BUFFER_TYPES_H
#define LEAKSCOPE_BUFFER_TYPES_H

#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Once, with the interpreter's lock. */
void leakscope_prepare_buffer_types(void);

/* Calls visit(type) for every type that has a function of the buffer protocol. With the interpreter's lock, and not in the
   middle of the making of a type. */
void leakscope_each_buffer_type(void (*visit)(PyTypeObject* type));

/* Is the type's release function what C code gave it? Else it is the interpreter's own, which calls a method of Python code
   and is told from others by its address: it must stay where it is. */
int leakscope_releases_in_c(PyTypeObject* type, releasebufferproc original);

/* Descriptors in a type's own dict hold its functions once more: subclasses take them from there from 3.12 on. */
void leakscope_exchange_in_descriptors(PyTypeObject* type, void* before, void* after);

/* Where a class says that it was made (borrowed), or NULL. */
PyObject* leakscope_module_of_type(PyTypeObject* type);

#ifdef __cplusplus
}
#endif
#endif
