// A program that does nothing notices no wish. For it there is a signal.
#pragma once

namespace leakscope::python {

// Takes a signal that nobody uses, and says in the ledger which. Before the program's first line.
void await_wake_signal() noexcept;

}  // namespace leakscope::python
