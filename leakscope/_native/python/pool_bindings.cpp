#include "pool_bindings.h"

#include <dlfcn.h>
#include <stdint.h>

#include "../core/pool_rows.h"

namespace leakscope::python {
namespace {

// The recorder is another library, preloaded into this process or not: found by name, once.
struct Recorder {
  int (*open)(const char*, const char*, int);
  int (*event)(const PoolNews*, int);
  void (*observed)(unsigned int, unsigned long long, unsigned long long, unsigned long long, unsigned int);
};

template <class Function>
void find(Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

const Recorder& recorder() {
  static const Recorder found = [] {
    Recorder made{};
    find(made.open, "leakscope_pool_open");
    find(made.event, "leakscope_pool_event");
    find(made.observed, "leakscope_pool_observed");
    return made;
  }();
  return found;
}

// What the calling thread is in the middle of. A method of a handle that calls another one of it is one event; and while a
// pool looks for a handle to lend, what it does with those that came back is its own business. Ends are found by what began,
// not by order: light threads may change inside.
constexpr int most_inside = 32;
struct Inside {
  const void* what[most_inside];
  int count;

  bool holds(const void* one) const noexcept {
    for (int at = 0; at < count; ++at)
      if (what[at] == one) return true;
    return false;
  }
  void add(const void* one) noexcept {
    if (count < most_inside) what[count++] = one;
  }
  void remove(const void* one) noexcept {
    for (int at = count - 1; at >= 0; --at) {
      if (what[at] != one) continue;
      for (--count; at < count; ++at) what[at] = what[at + 1];
      return;
    }
  }
};
constinit thread_local Inside handles{}, acquisitions{};

const void* mark(long pool) {
  return reinterpret_cast<const void*>(static_cast<uintptr_t>(pool) + 1);
}

// Added to an event that may come again without harm.
constexpr long again = 16;

int happened(long pool, long event, PyObject* handle, unsigned long long size, long amount, int skip = 1) {
  const Recorder& to = recorder();
  const bool forgiving = acquisitions.count > 0 || (event >= 0 && (event & again) != 0);
  if (event >= again) event -= again;
  if (to.event == nullptr || pool < 0 || event < 0 || event >= pool_event_count) return 0;
  const PoolNews news{static_cast<std::uint32_t>(pool),
                      static_cast<PoolEvent>(event),
                      forgiving,
                      reinterpret_cast<uintptr_t>(handle),
                      size,
                      static_cast<std::int32_t>(amount)};
  return to.event(&news, skip);
}

int happened(long pool, PoolEvent event, PyObject* handle, long amount) {
  return happened(pool, static_cast<long>(event), handle, 0, amount);
}

bool enough(Py_ssize_t count, Py_ssize_t wanted) {
  if (count == wanted) return true;
  PyErr_Format(PyExc_TypeError, "takes %zd arguments, %zd were given", wanted, count);
  return false;
}

// pool_open(name, source, kind) -> number of the pool; -1: nothing is recorded
PyObject* pool_open(PyObject*, PyObject* arguments) {
  const char *name = nullptr, *source = nullptr;
  int kind = 0;
  if (!PyArg_ParseTuple(arguments, "ssi", &name, &source, &kind)) return nullptr;
  const Recorder& to = recorder();
  return PyLong_FromLong(to.open == nullptr ? -1 : to.open(name, source, kind));
}

// pool_began(pool, event, handle, amount) -> 0 if it is a part of what is going on with this handle, else to be ended: 1, or 2
// for a fault; event -1: nothing happens, but what happens until the end is not to be told
PyObject* pool_began(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (!enough(count, 4)) return nullptr;
  const long pool = PyLong_AsLong(arguments[0]), event = PyLong_AsLong(arguments[1]),
             amount = PyLong_AsLong(arguments[3]);
  if (PyErr_Occurred() != nullptr) return nullptr;
  PyObject* handle = arguments[2];
  if (event >= 0 && handles.holds(handle)) return PyLong_FromLong(0);
  handles.add(handle);
  // A reference is there when it has been taken, and may be gone before it was given back: another thread may have it then.
  const bool later = static_cast<PoolEvent>(event) == PoolEvent::retained;
  return PyLong_FromLong(!later && happened(pool, event, handle, 0, amount) == 2 ? 2 : 1);
}

// pool_ended(pool, event, handle, amount, done)
PyObject* pool_ended(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (!enough(count, 5)) return nullptr;
  const long pool = PyLong_AsLong(arguments[0]), amount = PyLong_AsLong(arguments[3]);
  const auto event = static_cast<PoolEvent>(PyLong_AsLong(arguments[1]) & ~again);
  const int done = PyObject_IsTrue(arguments[4]);
  if (PyErr_Occurred() != nullptr) return nullptr;
  PyObject* handle = arguments[2];
  handles.remove(handle);
  if (event == PoolEvent::retained && done != 0) happened(pool, event, handle, amount);
  if (event == PoolEvent::released && done == 0) happened(pool, PoolEvent::undone, handle, amount);
  Py_RETURN_NONE;
}

// pool_seeks(pool) -> whether this is the outermost search in this pool
PyObject* pool_seeks(PyObject*, PyObject* argument) {
  const long pool = PyLong_AsLong(argument);
  if (pool == -1 && PyErr_Occurred() != nullptr) return nullptr;
  const bool outermost = !acquisitions.holds(mark(pool));
  acquisitions.add(mark(pool));
  return PyBool_FromLong(outermost ? 1 : 0);
}

// pool_found(pool)
PyObject* pool_found(PyObject*, PyObject* argument) {
  const long pool = PyLong_AsLong(argument);
  if (pool == -1 && PyErr_Occurred() != nullptr) return nullptr;
  acquisitions.remove(mark(pool));
  Py_RETURN_NONE;
}

// pool_event(pool, event, handle, size, amount, skip) -> 0 nothing known, 1 written down, 2 a fault
PyObject* pool_event(PyObject*, PyObject* const* arguments, Py_ssize_t count) {
  if (!enough(count, 6)) return nullptr;
  const long pool = PyLong_AsLong(arguments[0]), event = PyLong_AsLong(arguments[1]),
             amount = PyLong_AsLong(arguments[4]), skip = PyLong_AsLong(arguments[5]);
  const unsigned long long size = PyLong_AsUnsignedLongLongMask(arguments[3]);
  if (PyErr_Occurred() != nullptr) return nullptr;
  return PyLong_FromLong(happened(pool, event, arguments[2], size, amount, static_cast<int>(skip)));
}

// Looks at what an object refers to, and into its dict of attributes, as far as the first few: no code of the program runs
// for that, and nothing is changed.
struct Hands {
  static constexpr int most = 32;
  int left = most;
  bool within = true;
  int skip = 1;  // the frame of the function that tells, if it is one of Python
};

int hand_over(PyObject* object, void* context) {
  auto& hands = *static_cast<Hands*>(context);
  if (object == nullptr) return 0;
  if (--hands.left < 0) return 1;
  happened(0, static_cast<long>(PoolEvent::handed_off), object, 0, 1, hands.skip);
  if (hands.within && PyDict_CheckExact(object)) {
    hands.within = false;
    Py_TYPE(object)->tp_traverse(object, hand_over, context);
    hands.within = true;
  }
  return 0;
}

void handed(PyObject* item, int skip) {
  Hands hands;
  hands.skip = skip;
  hand_over(item, &hands);
  if (!PyType_Check(item) && PyObject_IS_GC(item) && Py_TYPE(item)->tp_traverse != nullptr)
    Py_TYPE(item)->tp_traverse(item, hand_over, &hands);
}

// pool_handed(item): an item goes to somebody else, a handle or what refers to some
PyObject* pool_handed(PyObject*, PyObject* item) {
  handed(item, 1);
  Py_RETURN_NONE;
}

// `SimpleQueue` is a class of C, whose methods nobody can replace: what they call is.
constexpr int most_arguments = METH_FASTCALL | METH_KEYWORDS;
using Put = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t, PyObject*);
Put put_of_simple_queue = nullptr;

PyObject* put_told(PyObject* queue, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  // The item comes first, by position or by name.
  if (count > 0 || (names != nullptr && PyTuple_GET_SIZE(names) > 0)) handed(arguments[0], 0);
  return put_of_simple_queue(queue, arguments, count, names);
}

// pool_watch_simple_queue(class): from now on its `put` tells what it is given; nothing if it is made in another way
PyObject* pool_watch_simple_queue(PyObject*, PyObject* cls) {
  PyObject* method = PyObject_GetAttrString(cls, "put");
  if (method == nullptr) return nullptr;
  if (put_of_simple_queue == nullptr && Py_IS_TYPE(method, &PyMethodDescr_Type)) {
    PyMethodDef* definition = reinterpret_cast<PyMethodDescrObject*>(method)->d_method;
    if (definition->ml_flags == most_arguments) {
      put_of_simple_queue = reinterpret_cast<Put>(reinterpret_cast<void*>(definition->ml_meth));
      definition->ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(put_told));
    }
  }
  Py_DECREF(method);
  Py_RETURN_NONE;
}

// pool_observed(pool, held, used, peak, chunks); -1: unknown
PyObject* pool_observed(PyObject*, PyObject* arguments) {
  long pool = 0;
  long long held = -1, used = -1, peak = -1;
  unsigned int chunks = 0;
  if (!PyArg_ParseTuple(arguments, "lLLLI", &pool, &held, &used, &peak, &chunks)) return nullptr;
  const Recorder& to = recorder();
  const auto bytes = [](long long known) { return static_cast<unsigned long long>(known < 0 ? -1 : known); };
  if (to.observed != nullptr && pool >= 0)
    to.observed(static_cast<unsigned int>(pool), bytes(held), bytes(used), bytes(peak), chunks);
  Py_RETURN_NONE;
}

template <class Function>
PyCFunction function(Function* it) {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(it));
}

PyMethodDef pool_functions[] = {{"pool_open", pool_open, METH_VARARGS, nullptr},
                                {"pool_began", function(pool_began), METH_FASTCALL, nullptr},
                                {"pool_ended", function(pool_ended), METH_FASTCALL, nullptr},
                                {"pool_seeks", pool_seeks, METH_O, nullptr},
                                {"pool_found", pool_found, METH_O, nullptr},
                                {"pool_event", function(pool_event), METH_FASTCALL, nullptr},
                                {"pool_handed", pool_handed, METH_O, nullptr},
                                {"pool_watch_simple_queue", pool_watch_simple_queue, METH_O, nullptr},
                                {"pool_observed", pool_observed, METH_VARARGS, nullptr},
                                {nullptr, nullptr, 0, nullptr}};

}  // namespace

int add_pool_functions(PyObject* module) {
  return PyModule_AddFunctions(module, pool_functions);
}

}  // namespace leakscope::python
