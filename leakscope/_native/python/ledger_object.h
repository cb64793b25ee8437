// What the methods of the Python type `Ledger` share: ledger_type.cpp has the type and what is told of a running
// program, ledger_dump.cpp what makes a dump of it.
#pragma once

#include <string.h>

#include "../core/heap_reader.h"
#include "../core/ledger_reader.h"
#include "../platform/prim.h"
#include "ledger_type.h"

namespace leakscope::python {

struct LedgerObject {
  PyObject_HEAD Header* header;  // null once closed
  std::uint64_t bytes;
  int fd;
  LedgerReader* reader;
  HeapReader* heap;
};

inline LedgerObject* self_of(PyObject* object) {
  return reinterpret_cast<LedgerObject*>(object);
}

inline LedgerObject* open_self(PyObject* object) {
  LedgerObject* self = self_of(object);
  if (self->header == nullptr) PyErr_SetString(PyExc_ValueError, "the ledger is closed");
  return self->header == nullptr ? nullptr : self;
}

// Puts a new reference into the dict and gives it away; false with an exception.
inline bool put(PyObject* dict, const char* name, PyObject* value) {
  if (value == nullptr) return false;
  const int status = PyDict_SetItemString(dict, name, value);
  Py_DECREF(value);
  return status == 0;
}

inline bool put_number(PyObject* dict, const char* name, std::uint64_t value) {
  return put(dict, name, PyLong_FromUnsignedLongLong(value));
}

inline bool put_text(PyObject* dict, const char* name, const char* text, std::size_t room) {
  return put(dict, name, PyUnicode_DecodeUTF8(text, static_cast<Py_ssize_t>(strnlen(text, room)), "replace"));
}

PyObject* ledger_freeze(PyObject* object, PyObject*);
PyObject* ledger_write_dump(PyObject* object, PyObject* arguments);
PyObject* part_column(PyObject*, PyObject* arguments);
PyObject* part_large_blocks(PyObject*, PyObject* arguments);
PyObject* part_add_strings(PyObject*, PyObject* arguments);
PyObject* ledger_heap_state(PyObject* object, PyObject*);
PyObject* ledger_wish_heap(PyObject* object, PyObject*);
PyObject* ledger_withdraw_heap(PyObject* object, PyObject*);
PyObject* ledger_heap_columns(PyObject* object, PyObject* arguments);
PyObject* ledger_empty_heap(PyObject* object, PyObject*);

}  // namespace leakscope::python
