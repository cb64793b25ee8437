// The Python type `Ledger`: one process' shared ledger, seen from the parent.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <vector>

#include "../core/dump_writer.h"

namespace leakscope::python {

// Creates the type and adds it to the module; -1 with an exception on failure.
int add_ledger_type(PyObject* module);

// The exception CoreError(slug, text, offset); borrowed.
extern PyObject* core_error;
PyObject* raise_core_error(const char* slug, const char* text, long long offset);
PyObject* written_or_error(const WriteResult& result);

// Columns given as {name: (dtype, buffer)}. Holds the buffers while it lives.
class GivenColumns {
 public:
  GivenColumns() = default;
  ~GivenColumns();
  GivenColumns(const GivenColumns&) = delete;
  GivenColumns& operator=(const GivenColumns&) = delete;
  // False with an exception set.
  bool read(PyObject* mapping);
  std::vector<Column>& columns() { return columns_; }

 private:
  std::vector<Column> columns_;
  std::vector<Py_buffer> buffers_;
};

}  // namespace leakscope::python
