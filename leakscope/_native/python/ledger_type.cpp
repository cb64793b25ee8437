#include "ledger_type.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <new>
#include <string>

#include "ledger_object.h"

namespace leakscope::python {
namespace {

void release(LedgerObject* self) {
  delete self->reader;
  delete self->heap;
  self->reader = nullptr;
  self->heap = nullptr;
  if (self->header != nullptr) prim::unmap_shared(self->header, self->bytes);
  self->header = nullptr;
  if (self->fd >= 0) close(self->fd);
  self->fd = -1;
}

PyObject* wrap(PyTypeObject* type, int fd) {
  const std::uint64_t bytes = prim::file_bytes(fd);
  void* base = bytes >= sizeof(Header) ? prim::map_shared(fd, bytes, nullptr) : nullptr;
  if (base == nullptr || !is_sound(*static_cast<Header*>(base), bytes)) {
    if (base != nullptr) prim::unmap_shared(base, bytes);
    close(fd);
    return raise_core_error("ledger", "this is no ledger of this version of leakscope", -1);
  }
  PyObject* object = type->tp_alloc(type, 0);
  if (object == nullptr) {
    prim::unmap_shared(base, bytes);
    close(fd);
    return nullptr;
  }
  LedgerObject* self = self_of(object);
  self->header = static_cast<Header*>(base);
  self->bytes = bytes;
  self->fd = fd;
  self->reader = new (std::nothrow) LedgerReader(Ledger(base), fd);
  self->heap = new (std::nothrow) HeapReader(Ledger(base), fd);
  if (self->reader == nullptr || self->heap == nullptr) {
    Py_DECREF(object);
    return PyErr_NoMemory();
  }
  return object;
}

PyObject* ledger_create(PyObject* type, PyObject* arguments, PyObject* keywords) {
  static const char* const names[] = {"interval_bytes", "exact_bytes", "max_frames",  "max_stacks", "heap",
                                      "values",         "buffers",     "chunk_bytes", nullptr};
  unsigned long long interval = 1, exact = 65536, chunk = 16u << 20;
  unsigned int frames = 64, stacks = 1u << 22;
  int heap = 0, values = 0, buffers = 0;
  if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "KKIIpp|pK", const_cast<char**>(names), &interval,
                                   &exact, &frames, &stacks, &heap, &values, &buffers, &chunk))
    return nullptr;
  LedgerConfig config;
  config.interval_bytes = interval == 0 ? 1 : interval;
  config.exact_bytes = exact < 1024 ? 1024 : exact;
  config.max_frames = frames == 0 ? 1 : frames;
  config.max_stacks = stacks;
  config.heap = heap != 0 ? 1 : 0;
  config.heap_values = values != 0 ? 1 : 0;
  config.buffers = buffers != 0 ? 1 : 0;
  config.chunk_bytes = chunk;
  auto* layout = static_cast<Header*>(prim::map_memory(sizeof(Header)));
  if (layout == nullptr) return PyErr_NoMemory();
  lay_out(*layout, config);
  layout->parent.store(prim::process_id());
  const int fd = prim::create_shared("leakscope", layout->file_bytes);
  const bool written =
      fd >= 0 && pwrite(fd, layout, sizeof(Header), 0) == static_cast<ssize_t>(sizeof(Header));
  const int error = errno;
  prim::unmap_memory(layout, sizeof(Header));
  if (!written) {
    if (fd >= 0) close(fd);
    const std::string text = std::string("no shared memory for the ledger: ") + strerror(error);
    return raise_core_error("ledger", text.c_str(), -1);
  }
  return wrap(reinterpret_cast<PyTypeObject*>(type), fd);
}

PyObject* ledger_adopt(PyObject* type, PyObject* argument) {
  const long fd = PyLong_AsLong(argument);
  if (fd == -1 && PyErr_Occurred() != nullptr) return nullptr;
  PyObject* ledger = wrap(reinterpret_cast<PyTypeObject*>(type), static_cast<int>(fd));
  if (ledger != nullptr) self_of(ledger)->header->parent.store(prim::process_id());
  return ledger;
}

PyObject* ledger_close(PyObject* object, PyObject*) {
  release(self_of(object));
  Py_RETURN_NONE;
}

PyObject* ledger_fd(PyObject* object, void*) {
  return PyLong_FromLong(self_of(object)->fd);
}

// Pairs (address, size) of mappings from before recording that may be arenas.
PyObject* ledger_early_arenas(PyObject* object, PyObject*) {
  LedgerObject* self = open_self(object);
  if (self == nullptr) return nullptr;
  std::uint64_t words[2 * early_arena_limit];
  std::size_t count = 0;
  for (const auto& place : self->header->early_arenas) {
    const std::uint64_t word = place.load(), size_bits = word & 63;
    if (word == 0) continue;
    words[count++] = word - size_bits;
    words[count++] = std::uint64_t{1} << size_bits;
  }
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(words),
                                   static_cast<Py_ssize_t>(count * sizeof words[0]));
}

// Pairs (address, size) of the recorder's own private memory.
PyObject* ledger_own_mappings(PyObject* object, PyObject*) {
  LedgerObject* self = open_self(object);
  if (self == nullptr) return nullptr;
  std::uint64_t words[2 * own_mapping_limit];
  std::size_t count = 0;
  for (const prim::OwnMapping& mapping : self->header->own_mappings) {
    const std::uint64_t address = mapping.address.load(), bytes = mapping.bytes.load();
    if (address == 0 || bytes == 0) continue;
    words[count++] = address;
    words[count++] = bytes;
  }
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(words),
                                   static_cast<Py_ssize_t>(count * sizeof words[0]));
}

PyObject* ledger_state(PyObject* object, PyObject*) {
  LedgerObject* self = open_self(object);
  if (self == nullptr) return nullptr;
  const Header& header = *self->header;
  PyObject* dict = PyDict_New();
  if (dict == nullptr) return nullptr;
  const struct {
    const char* name;
    std::uint64_t value;
  } numbers[] = {{"pid", header.pid.load()},
                 {"phase", static_cast<std::uint64_t>(header.phase.load())},
                 {"began_rss_anon_bytes", header.began_rss_anon_bytes},
                 {"dropped_stacks", header.dropped_stacks.load()},
                 {"dropped_blocks", header.dropped_blocks.load()},
                 {"dropped_threads", header.dropped_threads.load()},
                 {"unknown_frees", header.unknown_frees.load()},
                 {"collisions", header.collisions.load()},
                 {"truncated_stacks", header.truncated_stacks.load()},
                 {"tracer_lost", header.tracer_lost.load()},
                 {"dropped_handles", header.dropped_handles.load()},
                 {"dropped_crosses", header.dropped_crosses.load()},
                 {"freelists", static_cast<std::uint64_t>(header.free_lists)},
                 {"request_reason", header.request_reason.load()},
                 {"ledger_bytes", prim::resident_bytes(self->fd)}};
  bool done = put_text(dict, "problem", header.problem, sizeof header.problem) &&
              put_text(dict, "python", header.python, sizeof header.python) &&
              put(dict, "began_unix_s", PyFloat_FromDouble(header.began_unix_s)) &&
              put(dict, "elapsed_s", PyFloat_FromDouble(self->reader->elapsed_seconds()));
  for (const auto& number : numbers) done = done && put_number(dict, number.name, number.value);
  if (!done) Py_CLEAR(dict);
  return dict;
}

PyObject* ledger_totals(PyObject* object, PyObject*) {
  LedgerObject* self = open_self(object);
  if (self == nullptr) return nullptr;
  PyObject* dict = PyDict_New();
  if (dict == nullptr) return nullptr;
  for (const NamedTotal& total : self->reader->totals()) {
    if (!put(dict, total.name.c_str(), PyLong_FromLongLong(total.value))) {
      Py_DECREF(dict);
      return nullptr;
    }
  }
  return dict;
}

template <class T, class Get>
PyObject* column(const std::vector<StackRow>& rows, Get&& get, int width = 1) {
  PyObject* bytes = PyBytes_FromStringAndSize(
      nullptr, static_cast<Py_ssize_t>(rows.size() * sizeof(T) * static_cast<std::size_t>(width)));
  if (bytes == nullptr) return nullptr;
  char* into = PyBytes_AS_STRING(bytes);
  for (const StackRow& row : rows) {
    for (int at = 0; at < width; ++at) {
      const T value = get(row, at);
      memcpy(into, &value, sizeof value);
      into += sizeof value;
    }
  }
  return bytes;
}

PyObject* ledger_stacks(PyObject* object, PyObject* arguments) {
  LedgerObject* self = open_self(object);
  long long at_least = 0;
  Py_ssize_t most = 0;
  int ages = 1;
  if (self == nullptr || !PyArg_ParseTuple(arguments, "Ln|p", &at_least, &most, &ages)) return nullptr;
  std::vector<StackRow> rows;
  Py_BEGIN_ALLOW_THREADS rows =
      self->reader->stacks(at_least, most < 0 ? 0 : static_cast<std::size_t>(most), ages != 0);
  Py_END_ALLOW_THREADS PyObject* dict = PyDict_New();
  if (dict == nullptr) return nullptr;
  using Row = const StackRow&;
  if (put(dict, "stack", column<std::uint32_t>(rows, [](Row row, int) { return row.stack; })) &&
      put(dict, "live_bytes", column<std::int64_t>(rows, [](Row row, int) { return row.live_bytes; })) &&
      put(dict, "live_blocks",
          column<std::int64_t>(
              rows, [](Row row, int) { return static_cast<std::int64_t>(row.live_blocks + 0.5); })) &&
      put(dict, "alloc_blocks",
          column<std::int64_t>(
              rows, [](Row row, int) { return static_cast<std::int64_t>(row.alloc_blocks + 0.5); })) &&
      (ages == 0 || put(dict, "age_bytes",
                        column<std::int64_t>(
                            rows, [](Row row, int at) { return row.age_bytes[at]; }, age_classes))))
    return dict;
  Py_DECREF(dict);
  return nullptr;
}

PyObject* ledger_wait_request(PyObject* object, PyObject* arguments) {
  LedgerObject* self = open_self(object);
  unsigned int seen = 0;
  double timeout_s = 0;
  if (self == nullptr || !PyArg_ParseTuple(arguments, "Id", &seen, &timeout_s)) return nullptr;
  Header& header = *self->header;
  if (header.request.load() == seen && timeout_s > 0) {
    const auto* word = reinterpret_cast<const std::uint32_t*>(&header.request);
    Py_BEGIN_ALLOW_THREADS prim::wait_while(
        word, seen, static_cast<std::uint64_t>((timeout_s < 3600 ? timeout_s : 3600) * 1e9));
    Py_END_ALLOW_THREADS if (PyErr_CheckSignals() != 0) return nullptr;
  }
  return PyLong_FromUnsignedLong(header.request.load());
}

PyObject* ledger_answered(PyObject* object, PyObject*) {
  LedgerObject* self = open_self(object);
  return self == nullptr ? nullptr : PyLong_FromUnsignedLong(self->header->answer.load());
}

PyObject* ledger_answer_request(PyObject* object, PyObject* arguments) {
  LedgerObject* self = open_self(object);
  unsigned int ticket = 0;
  const char* path = nullptr;
  if (self == nullptr || !PyArg_ParseTuple(arguments, "Is", &ticket, &path)) return nullptr;
  Header& header = *self->header;
  strncpy(header.answer_path, path, sizeof header.answer_path - 1);
  header.request_heap.store(0);
  header.answer.store(ticket);
  prim::wake_all(reinterpret_cast<const std::uint32_t*>(&header.answer));
  Py_RETURN_NONE;
}

void ledger_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  release(self_of(object));
  type->tp_free(object);
  Py_DECREF(type);
}

PyMethodDef methods[] = {{"create", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(ledger_create)),
                          METH_CLASS | METH_VARARGS | METH_KEYWORDS, nullptr},
                         {"adopt", ledger_adopt, METH_CLASS | METH_O, nullptr},
                         {"close", ledger_close, METH_NOARGS, nullptr},
                         {"state", ledger_state, METH_NOARGS, nullptr},
                         {"totals", ledger_totals, METH_NOARGS, nullptr},
                         {"stacks", ledger_stacks, METH_VARARGS, nullptr},
                         {"wait_request", ledger_wait_request, METH_VARARGS, nullptr},
                         {"answered", ledger_answered, METH_NOARGS, nullptr},
                         {"answer_request", ledger_answer_request, METH_VARARGS, nullptr},
                         {"freeze", ledger_freeze, METH_VARARGS, nullptr},
                         {"early_arenas", ledger_early_arenas, METH_NOARGS, nullptr},
                         {"own_mappings", ledger_own_mappings, METH_NOARGS, nullptr},
                         {"write_dump", ledger_write_dump, METH_VARARGS, nullptr},
                         {"heap_state", ledger_heap_state, METH_NOARGS, nullptr},
                         {"wish_heap", ledger_wish_heap, METH_NOARGS, nullptr},
                         {"withdraw_heap", ledger_withdraw_heap, METH_NOARGS, nullptr},
                         {"heap_columns", ledger_heap_columns, METH_VARARGS, nullptr},
                         {"empty_heap", ledger_empty_heap, METH_NOARGS, nullptr},
                         {nullptr, nullptr, 0, nullptr}};

PyGetSetDef attributes[] = {{"fd", ledger_fd, nullptr, nullptr, nullptr},
                            {nullptr, nullptr, nullptr, nullptr, nullptr}};

PyType_Slot slots[] = {{Py_tp_dealloc, reinterpret_cast<void*>(ledger_dealloc)},
                       {Py_tp_methods, methods},
                       {Py_tp_getset, attributes},
                       {0, nullptr}};

PyType_Spec spec = {"leakscope._core.Ledger", sizeof(LedgerObject), 0,
                    Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};

}  // namespace

int add_ledger_type(PyObject* module) {
  PyObject* type = PyType_FromSpec(&spec);
  const int status = type == nullptr ? -1 : PyModule_AddObjectRef(module, "Ledger", type);
  Py_XDECREF(type);
  return status;
}

}  // namespace leakscope::python
