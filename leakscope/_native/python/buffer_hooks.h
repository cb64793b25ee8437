// The buffer protocol: every type's functions for it are replaced by ours, which forward and tell the ledger.
#pragma once

namespace leakscope::python {

// With the interpreter's lock, when recording has begun.
void install_buffer_hooks() noexcept;

// Takes in the types that came since: with each module written in C, and with each dump. With the interpreter's lock, and
// not in the middle of the making of a type.
void watch_new_types() noexcept;

}  // namespace leakscope::python
