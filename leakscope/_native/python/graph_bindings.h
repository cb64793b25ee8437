// The graph kernels as functions of the module: buffers in, buffers filled.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

namespace leakscope::python {

// -1 with an exception on failure.
int add_graph_functions(PyObject* module);

}  // namespace leakscope::python
