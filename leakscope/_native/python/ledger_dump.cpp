#include <string.h>

#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

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

// Appends the columns of all parts; false with an exception.
bool add_parts(PyObject* parts, std::vector<Column>& columns) {
  if (!PyTuple_Check(parts)) {
    PyErr_SetString(PyExc_TypeError, "parts must be a tuple");
    return false;
  }
  for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(parts); ++at) {
    const void* part = PyCapsule_GetPointer(PyTuple_GET_ITEM(parts, at), part_name);
    if (part == nullptr) return false;
    const auto& from = static_cast<const DumpColumns*>(part)->columns;
    columns.insert(columns.end(), from.begin(), from.end());
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

PyObject* ledger_freeze(PyObject* object, PyObject*) {
  LedgerObject* self = open_self(object);
  if (self == nullptr) return nullptr;
  std::unique_ptr<DumpColumns> columns;
  Py_BEGIN_ALLOW_THREADS try {
    columns = std::make_unique<DumpColumns>(self->reader->dump());
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
  if (!add_parts(parts, columns) || !extra.read(given)) return nullptr;
  for (Column& one : extra.columns()) columns.push_back(std::move(one));
  WriteResult result;
  Py_BEGIN_ALLOW_THREADS result = write_dump_file(PyBytes_AS_STRING(path), columns);
  Py_END_ALLOW_THREADS return written_or_error(result);
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
