// What a recorded program tells of its pools: the functions of leakscope._core that leakscope.watching calls.
#pragma once

#include <Python.h>

namespace leakscope::python {

int add_pool_functions(PyObject* module);

}  // namespace leakscope::python
