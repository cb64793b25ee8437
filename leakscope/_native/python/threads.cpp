#include "threads.h"

#include "../hook/hook.h"
#include "frames.h"

namespace leakscope::python {
namespace {

// A thread's name is a Python attribute that no hook may read. So it is read where a thread is started, in ordinary
// C code that holds the interpreter's lock: the C functions behind _thread.start_new_thread and its kin are exchanged
// inside their method definitions; the program sees the same builtin objects as ever.
struct Start {
  const char* name;
  PyMethodDef* definition;
  PyCFunction original;
};
Start starts[] = {{"start_new_thread", nullptr, nullptr},
                  {"start_new", nullptr, nullptr},
                  {"start_joinable_thread", nullptr, nullptr}};

// The Thread object whose bound method is started, or null (borrowed).
PyObject* thread_object(PyObject* arguments) {
  if (arguments == nullptr || !PyTuple_Check(arguments) || PyTuple_GET_SIZE(arguments) < 1) return nullptr;
  PyObject* function = PyTuple_GET_ITEM(arguments, 0);
  if (!Py_IS_TYPE(function, &PyMethod_Type)) return nullptr;
  PyObject* self = PyMethod_GET_SELF(function);
  // Only plain attribute access: nothing of the program's own code runs for our sake.
  return Py_TYPE(self)->tp_getattro == PyObject_GenericGetAttr ? self : nullptr;
}

void note_name(PyObject* arguments, PyObject* result) {
  PyObject* self = thread_object(arguments);
  if (self == nullptr || result == nullptr) return;
  PyObject* name = PyObject_GetAttrString(self, "_name");
  PyObject* ident = PyLong_Check(result) ? Py_NewRef(result) : PyObject_GetAttrString(result, "ident");
  if (name != nullptr && ident != nullptr && PyUnicode_Check(name) && PyLong_Check(ident)) {
    const char* text = PyUnicode_AsUTF8(name);
    const unsigned long number = PyLong_AsUnsignedLong(ident);
    if (text != nullptr) hook::recorder.thread_named(number, text);
  }
  PyErr_Clear();
  Py_XDECREF(name);
  Py_XDECREF(ident);
}

template <int Which>
PyObject* started(PyObject* module, PyObject* arguments) {
  PyObject* result = starts[Which].original(module, arguments);
  if (result != nullptr && hook::recording()) note_name(arguments, result);
  return result;
}

PyObject* started_joinable(PyObject* module, PyObject* arguments, PyObject* keywords) {
  const auto original =
      reinterpret_cast<PyCFunctionWithKeywords>(reinterpret_cast<void*>(starts[2].original));
  PyObject* result = original(module, arguments, keywords);
  if (result == nullptr || !hook::recording()) return result;
  PyObject* function = keywords != nullptr ? PyDict_GetItemString(keywords, "function") : nullptr;
  if (function == nullptr) {
    note_name(arguments, result);
  } else if (PyObject* packed = PyTuple_Pack(1, function); packed != nullptr) {
    note_name(packed, result);
    Py_DECREF(packed);
  }
  PyErr_Clear();
  return result;
}

void watch(PyObject* module, Start& start, PyCFunction replacement, int flags) {
  PyObject* function = PyObject_GetAttrString(module, start.name);
  if (function != nullptr && PyCFunction_Check(function)) {
    PyMethodDef* definition = reinterpret_cast<PyCFunctionObject*>(function)->m_ml;
    if (definition->ml_flags == flags && definition->ml_meth != replacement) {
      start.definition = definition;
      start.original = definition->ml_meth;
      definition->ml_meth = replacement;
    }
  }
  PyErr_Clear();
  Py_XDECREF(function);
}

}  // namespace

void watch_thread_starts() noexcept {
  PyObject* module = PyImport_ImportModule("_thread");  // built in, and there since the interpreter started
  if (module == nullptr) {
    PyErr_Clear();
    return;
  }
  watch(module, starts[0], started<0>, METH_VARARGS);
  watch(module, starts[1], started<1>, METH_VARARGS);
  watch(module, starts[2], reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(started_joinable)),
        METH_VARARGS | METH_KEYWORDS);
  Py_DECREF(module);
}

}  // namespace leakscope::python
