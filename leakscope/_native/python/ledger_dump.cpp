#include <string.h>

#include <algorithm>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "../core/frozen_table.h"
#include "ledger_object.h"

namespace leakscope::python {
namespace {

// Columns on their way into a file, as an object that Python code can only hand on. Those of an object graph lie partly
// in the ledger, so they must not outlive it.
constexpr const char* part_name = "leakscope.columns";

void drop_part(PyObject* capsule) {
  delete static_cast<DumpColumns*>(PyCapsule_GetPointer(capsule, part_name));
}

PyObject* part_of(std::unique_ptr<DumpColumns> columns) {
  PyObject* capsule = PyCapsule_New(columns.get(), part_name, drop_part);
  if (capsule != nullptr) columns.release();
  return capsule;
}

// Appends the columns of all parts but those that are given; false with an exception.
bool add_parts(PyObject* parts, std::vector<Column>& given, std::vector<Column>& columns) {
  if (!PyTuple_Check(parts)) {
    PyErr_SetString(PyExc_TypeError, "parts must be a tuple");
    return false;
  }
  for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(parts); ++at) {
    const void* part = PyCapsule_GetPointer(PyTuple_GET_ITEM(parts, at), part_name);
    if (part == nullptr) return false;
    const auto& from = static_cast<const DumpColumns*>(part)->columns;
    for (const Column& column : from) {
      const auto same = [&](const Column& other) { return other.name == column.name; };
      if (std::none_of(given.begin(), given.end(), same)) columns.push_back(column);
    }
  }
  return true;
}

bool put_truth(PyObject* dict, const char* name, bool value) {
  return put(dict, name, PyBool_FromLong(value ? 1 : 0));
}

bool put_three(PyObject* dict, const char* name, const std::int32_t (&values)[3]) {
  return put(dict, name, Py_BuildValue("(iii)", values[0], values[1], values[2]));
}

}  // namespace

PyObject* ledger_freeze(PyObject* object, PyObject* arguments) {
  LedgerObject* self = open_self(object);
  unsigned int process = 0;
  if (self == nullptr || !PyArg_ParseTuple(arguments, "|I", &process)) return nullptr;
  std::unique_ptr<DumpColumns> columns;
  Py_BEGIN_ALLOW_THREADS try {
    columns = std::make_unique<DumpColumns>(self->reader->dump(process));
  } catch (const std::bad_alloc&) {
  }
  Py_END_ALLOW_THREADS return columns == nullptr ? PyErr_NoMemory() : part_of(std::move(columns));
}

PyObject* ledger_write_dump(PyObject* object, PyObject* arguments) {
  LedgerObject* self = open_self(object);
  PyObject *path = nullptr, *given = nullptr, *parts = nullptr;
  const char* meta = nullptr;
  Py_ssize_t meta_bytes = 0;
  if (self == nullptr || !PyArg_ParseTuple(arguments, "O&s#OO", PyUnicode_FSConverter, &path, &meta,
                                           &meta_bytes, &given, &parts))
    return nullptr;
  const std::unique_ptr<PyObject, void (*)(PyObject*)> kept(path, [](PyObject* it) { Py_DECREF(it); });
  std::vector<Column> columns{{"meta", "u1", meta, static_cast<std::uint64_t>(meta_bytes)}};
  GivenColumns extra;
  if (!extra.read(given) || !add_parts(parts, extra.columns(), columns)) return nullptr;
  for (Column& one : extra.columns()) columns.push_back(std::move(one));
  WriteResult result;
  Py_BEGIN_ALLOW_THREADS result = write_dump_file(PyBytes_AS_STRING(path), columns);
  Py_END_ALLOW_THREADS return written_or_error(result);
}

// One column of a part as bytes.
PyObject* part_column(PyObject*, PyObject* arguments) {
  PyObject* part = nullptr;
  const char* name = nullptr;
  if (!PyArg_ParseTuple(arguments, "Os", &part, &name)) return nullptr;
  const void* columns = PyCapsule_GetPointer(part, part_name);
  if (columns == nullptr) return nullptr;
  const Column* column = find_column(*static_cast<const DumpColumns*>(columns), name);
  if (column == nullptr) return PyErr_Format(PyExc_KeyError, "no column %s", name);
  const std::uint64_t item = static_cast<std::uint64_t>(column->dtype[1] - '0');
  return PyBytes_FromStringAndSize(static_cast<const char*>(column->data),
                                   static_cast<Py_ssize_t>(column->count * item));
}

PyObject* part_large_blocks(PyObject*, PyObject* arguments) {
  PyObject* part = nullptr;
  unsigned long long at_least = 0;
  if (!PyArg_ParseTuple(arguments, "OK", &part, &at_least)) return nullptr;
  const void* columns = PyCapsule_GetPointer(part, part_name);
  if (columns == nullptr) return nullptr;
  try {
    const std::vector<std::uint64_t> found =
        large_blocks(*static_cast<const DumpColumns*>(columns), at_least);
    return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(found.data()),
                                     static_cast<Py_ssize_t>(found.size() * sizeof(std::uint64_t)));
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

PyObject* part_add_strings(PyObject*, PyObject* arguments) {
  PyObject *part = nullptr, *given = nullptr;
  if (!PyArg_ParseTuple(arguments, "OO!", &part, &PyTuple_Type, &given)) return nullptr;
  void* columns = PyCapsule_GetPointer(part, part_name);
  if (columns == nullptr) return nullptr;
  try {
    std::vector<std::string> texts;
    for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(given); ++at) {
      Py_ssize_t bytes = 0;
      const char* text = PyUnicode_AsUTF8AndSize(PyTuple_GET_ITEM(given, at), &bytes);
      if (text == nullptr) return nullptr;
      texts.emplace_back(text, static_cast<std::size_t>(bytes));
    }
    return PyLong_FromUnsignedLong(add_strings(*static_cast<DumpColumns*>(columns), texts));
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  }
}

PyObject* ledger_heap_state(PyObject* object, PyObject*) {
  LedgerObject* self = open_self(object);
  if (self == nullptr) return nullptr;
  const HeapFacts facts = self->heap->facts();
  PyObject* dict = PyDict_New();
  if (dict == nullptr) return nullptr;
  const struct {
    const char* name;
    std::uint64_t value;
  } numbers[] = {{"wish", static_cast<std::uint64_t>(facts.wish)},
                 {"owner", static_cast<std::uint64_t>(facts.owner)},
                 {"state", facts.state},
                 {"copy", facts.copy},
                 {"wake_signal", facts.wake_signal},
                 {"objects", facts.objects},
                 {"edges", facts.edges},
                 {"bodies", facts.bodies},
                 {"garbage", facts.garbage}};
  bool done = put(dict, "taken_s", PyFloat_FromDouble(facts.taken_s)) &&
              put(dict, "pause_s", PyFloat_FromDouble(facts.pause_s)) &&
              put(dict, "walk_s", PyFloat_FromDouble(facts.walk_s)) &&
              put(dict, "cpu_s", PyFloat_FromDouble(facts.cpu_s)) &&
              put_truth(dict, "frozen", facts.frozen) && put_truth(dict, "request", facts.request) &&
              put_truth(dict, "in_child", facts.in_child) && put_truth(dict, "values", facts.values) &&
              put_truth(dict, "collector_enabled", facts.collector_enabled) &&
              put_three(dict, "thresholds", facts.thresholds) && put_three(dict, "counts", facts.counts) &&
              put_text(dict, "problem", facts.problem.c_str(), facts.problem.size()) &&
              put_text(dict, "request_problem", facts.request_problem.c_str(), facts.request_problem.size());
  for (const auto& number : numbers) done = done && put_number(dict, number.name, number.value);
  if (!done) Py_CLEAR(dict);
  return dict;
}

PyObject* ledger_wish_heap(PyObject* object, PyObject*) {
  LedgerObject* self = open_self(object);
  if (self == nullptr) return nullptr;
  self->heap->wish();
  Py_RETURN_NONE;
}

PyObject* ledger_withdraw_heap(PyObject* object, PyObject*) {
  LedgerObject* self = open_self(object);
  return self == nullptr ? nullptr : PyBool_FromLong(self->heap->withdraw() ? 1 : 0);
}

// (what is wrong with the graph in the area, None), or ("", its columns). The numbers are those that the dump's meta text
// will give, so that they and the columns agree.
PyObject* ledger_heap_columns(PyObject* object, PyObject* arguments) {
  LedgerObject* self = open_self(object);
  unsigned long long objects = 0, edges = 0, bodies = 0;
  if (self == nullptr || !PyArg_ParseTuple(arguments, "KKK", &objects, &edges, &bodies)) return nullptr;
  std::unique_ptr<DumpColumns> graph;
  std::string problem;
  bool done = false;
  Py_BEGIN_ALLOW_THREADS try {
    graph = std::make_unique<DumpColumns>();
    problem = self->heap->add_columns({objects, edges, bodies}, *graph);
    done = true;
  } catch (const std::bad_alloc&) {
  }
  Py_END_ALLOW_THREADS if (!done) return PyErr_NoMemory();
  PyObject* part = problem.empty() ? part_of(std::move(graph)) : Py_NewRef(Py_None);
  if (part == nullptr) return nullptr;
  return Py_BuildValue("(s#N)", problem.data(), static_cast<Py_ssize_t>(problem.size()), part);
}

PyObject* ledger_empty_heap(PyObject* object, PyObject*) {
  LedgerObject* self = open_self(object);
  if (self == nullptr) return nullptr;
  self->heap->empty();
  Py_RETURN_NONE;
}

}  // namespace leakscope::python
