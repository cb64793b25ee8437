// The extension leakscope._core: conversions only. Typed in _core.pyi, documented in native.py.

#include <dlfcn.h>

#include <string>

#include "../core/dump_reader.h"
#include "../core/elf_symbols.h"
#include "../core/types.h"
#include "chunk_bindings.h"
#include "graph_bindings.h"
#include "ledger_type.h"
#include "own_ledger.h"
#include "pool_bindings.h"

namespace leakscope::python {

PyObject* core_error = nullptr;

PyObject* raise_core_error(const char* slug, const char* text, long long offset) {
  PyObject* arguments = Py_BuildValue("(ssL)", slug, text, offset);
  if (arguments != nullptr) PyErr_SetObject(core_error, arguments);
  Py_XDECREF(arguments);
  return nullptr;
}

PyObject* written_or_error(const WriteResult& result) {
  if (result.status != WriteStatus::ok) return raise_core_error(slug(result.status), result.text.c_str(), -1);
  return PyLong_FromUnsignedLongLong(result.bytes);
}

GivenColumns::~GivenColumns() {
  for (Py_buffer& buffer : buffers_) PyBuffer_Release(&buffer);
}

bool GivenColumns::read(PyObject* mapping) {
  PyObject* items = PyMapping_Items(mapping);
  if (items == nullptr) return false;
  bool done = true;
  for (Py_ssize_t at = 0; done && at < PyList_GET_SIZE(items); ++at) {
    const char* name = nullptr;
    const char* dtype = nullptr;
    Py_buffer buffer{};
    done = PyArg_ParseTuple(PyList_GET_ITEM(items, at), "s(sy*)", &name, &dtype, &buffer) != 0;
    if (!done) break;
    buffers_.push_back(buffer);
    const std::string size(dtype);
    const int item = size == "u1" ? 1 : size == "u4" || size == "i4" || size == "f4" ? 4 : 8;
    if (buffer.len % item != 0) {
      PyErr_Format(PyExc_ValueError, "column %s: %zd bytes are no whole number of %s", name, buffer.len,
                   dtype);
      done = false;
      break;
    }
    columns_.push_back({name, dtype, buffer.buf, static_cast<std::uint64_t>(buffer.len / item)});
  }
  Py_DECREF(items);
  return done;
}

namespace {

PyObject* write_columns(PyObject*, PyObject* arguments) {
  PyObject* path = nullptr;
  PyObject* given = nullptr;
  if (!PyArg_ParseTuple(arguments, "O&O", PyUnicode_FSConverter, &path, &given)) return nullptr;
  GivenColumns columns;
  PyObject* answer = nullptr;
  if (columns.read(given)) {
    WriteResult result;
    Py_BEGIN_ALLOW_THREADS result = write_dump_file(PyBytes_AS_STRING(path), columns.columns());
    Py_END_ALLOW_THREADS answer = written_or_error(result);
  }
  Py_DECREF(path);
  return answer;
}

std::span<const std::byte> bytes_of(const Py_buffer& buffer) {
  return {static_cast<const std::byte*>(buffer.buf), static_cast<std::size_t>(buffer.len)};
}

PyObject* read_directory_of(PyObject*, PyObject* data) {
  Py_buffer buffer{};
  if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) != 0) return nullptr;
  const Directory directory = read_directory(bytes_of(buffer));
  PyBuffer_Release(&buffer);
  if (directory.error.status != ReadStatus::ok)
    return raise_core_error(slug(directory.error.status), directory.error.text.c_str(),
                            directory.error.offset);
  PyObject* list = PyList_New(0);
  for (const ColumnEntry& entry : directory.columns) {
    PyObject* row = list == nullptr ? nullptr
                                    : Py_BuildValue("(ssKKK)", entry.name.c_str(), entry.dtype.c_str(),
                                                    static_cast<unsigned long long>(entry.count),
                                                    static_cast<unsigned long long>(entry.offset),
                                                    static_cast<unsigned long long>(entry.length));
    if (row == nullptr || PyList_Append(list, row) != 0) Py_CLEAR(list);
    Py_XDECREF(row);
    if (list == nullptr) return nullptr;
  }
  return list;
}

PyObject* check_columns_of(PyObject*, PyObject* data) {
  Py_buffer buffer{};
  if (PyObject_GetBuffer(data, &buffer, PyBUF_SIMPLE) != 0) return nullptr;
  ReadError error;
  Py_BEGIN_ALLOW_THREADS error = check_columns(bytes_of(buffer));
  Py_END_ALLOW_THREADS PyBuffer_Release(&buffer);
  if (error.status != ReadStatus::ok)
    return raise_core_error(slug(error.status), error.text.c_str(), error.offset);
  Py_RETURN_NONE;
}

PyObject* symbols_of(PyObject*, PyObject* arguments) {
  PyObject* path = nullptr;
  PyObject* given = nullptr;
  if (!PyArg_ParseTuple(arguments, "O&O", PyUnicode_FSConverter, &path, &given)) return nullptr;
  PyObject* answer = nullptr;
  if (PyObject* offsets = PySequence_Fast(given, "offsets must be a sequence"); offsets != nullptr) {
    std::vector<std::uint64_t> wanted;
    for (Py_ssize_t at = 0; at < PySequence_Fast_GET_SIZE(offsets); ++at)
      wanted.push_back(PyLong_AsUnsignedLongLongMask(PySequence_Fast_GET_ITEM(offsets, at)));
    Py_DECREF(offsets);
    if (PyErr_Occurred() == nullptr) {
      const std::vector<std::string> names = symbols(PyBytes_AS_STRING(path), wanted);
      answer = PyList_New(0);
      for (std::size_t at = 0; answer != nullptr && at < wanted.size(); ++at) {
        PyObject* name = PyUnicode_FromString(at < names.size() ? names[at].c_str() : "");
        if (name == nullptr || PyList_Append(answer, name) != 0) Py_CLEAR(answer);
        Py_XDECREF(name);
      }
    }
  }
  Py_DECREF(path);
  return answer;
}

// The recorder is another library, preloaded into this process or not: found by name.
template <class Function>
Function recorder_function(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

PyObject* recording_here(PyObject*, PyObject*) {
  const auto function = recorder_function<int (*)()>("leakscope_is_recording");
  return PyBool_FromLong(function != nullptr && function() != 0);
}

PyObject* request_dump_here(PyObject*, PyObject* arguments) {
  double timeout_s = 0;
  int heap = 0;
  if (!PyArg_ParseTuple(arguments, "dp", &timeout_s, &heap)) return nullptr;
  const auto is_recording = recorder_function<int (*)()>("leakscope_is_recording");
  const auto request = recorder_function<const char* (*)(unsigned long long)>("leakscope_request_dump");
  if (is_recording == nullptr || request == nullptr || is_recording() == 0)
    return raise_core_error("not-recording", "this program does not run under leakscope", -1);
  int file = -1;
  if (const Header* header = own_ledger(&file); header != nullptr && header->parent.load() == nobody)
    return raise_core_error("not-recording",
                            "this program records itself, and nobody is there to write a dump", -1);
  const auto timeout_ns = static_cast<unsigned long long>((timeout_s > 0 ? timeout_s : 0) * 1e9);
  const auto take_heap = recorder_function<void (*)(unsigned long long)>("leakscope_take_heap");
  if (heap != 0 && take_heap != nullptr) take_heap(timeout_ns);
  const char* path = nullptr;
  Py_BEGIN_ALLOW_THREADS path = request(timeout_ns);
  Py_END_ALLOW_THREADS if (path == nullptr) return raise_core_error("no-answer",
                                                                    "leakscope did not answer in time", -1);
  if (*path == 0) return raise_core_error("no-dump", "leakscope could not write the dump", -1);
  return PyUnicode_DecodeFSDefault(path);
}

PyMethodDef functions[] = {{"write_columns", write_columns, METH_VARARGS, nullptr},
                           {"read_directory", read_directory_of, METH_O, nullptr},
                           {"check_columns", check_columns_of, METH_O, nullptr},
                           {"symbols", symbols_of, METH_VARARGS, nullptr},
                           {"recording", recording_here, METH_NOARGS, nullptr},
                           {"request_dump", request_dump_here, METH_VARARGS, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

int add_names(PyObject* module, const char* name, const char* const* names, int count) {
  PyObject* tuple = PyTuple_New(count);
  for (int at = 0; tuple != nullptr && at < count; ++at) {
    PyObject* text = PyUnicode_FromString(names[at]);
    if (text == nullptr) {
      Py_CLEAR(tuple);
    } else {
      PyTuple_SET_ITEM(tuple, at, text);
    }
  }
  const int status = tuple == nullptr ? -1 : PyModule_AddObjectRef(module, name, tuple);
  Py_XDECREF(tuple);
  return status;
}

int fill(PyObject* module) {
  core_error = PyErr_NewException("leakscope._core.CoreError", nullptr, nullptr);
  if (core_error == nullptr || PyModule_AddObjectRef(module, "CoreError", core_error) != 0) return -1;
  if (PyModule_AddStringConstant(module, "BUILD", LEAKSCOPE_VERSION) != 0) return -1;
  PyObject* recorder =
      LEAKSCOPE_RECORDER[0] != 0 ? PyUnicode_FromString(LEAKSCOPE_RECORDER) : Py_NewRef(Py_None);
  const int status = recorder == nullptr ? -1 : PyModule_AddObjectRef(module, "RECORDER", recorder);
  Py_XDECREF(recorder);
  if (status != 0) return -1;
  return add_names(module, "DOMAINS", domain_names, domain_count) == 0 &&
                 add_names(module, "CHUNK_KINDS", chunk_kind_names, chunk_kind_count) == 0 &&
                 add_graph_functions(module) == 0 && add_pool_functions(module) == 0 &&
                 add_chunk_functions(module) == 0 && add_own_ledger(module) == 0
             ? add_ledger_type(module)
             : -1;
}

PyModuleDef_Slot module_slots[] = {{Py_mod_exec, reinterpret_cast<void*>(fill)},
#if PY_VERSION_HEX >= 0x030D0000
                                   {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
                                   {0, nullptr}};
PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_core", nullptr, 0,      functions,
                          module_slots,          nullptr, nullptr, nullptr};

}  // namespace
}  // namespace leakscope::python

PyMODINIT_FUNC PyInit__core() {
  return PyModuleDef_Init(&leakscope::python::definition);
}
