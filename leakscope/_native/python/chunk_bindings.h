// How full another process' chunks are, and what a frozen table of blocks tells of them, as functions of the module.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace leakscope::python {

// -1 with an exception on failure.
int add_chunk_functions(PyObject* module);

}  // namespace leakscope::python
