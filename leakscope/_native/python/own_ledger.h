// What a recorded process asks of its own ledger: counters at chosen moments, frames of stacks, blocks of stacks.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../core/ledger.h"

namespace leakscope::python {

// Adds the functions and the type `LiveCounts` to the module; -1 with an exception on failure.
int add_own_ledger(PyObject* module);
// The ledger of this very process, and its file or -1; null if it is not recorded.
Header* own_ledger(int* file);

}  // namespace leakscope::python
