// The buffer protocol: every type's functions for it are replaced by ours, which forward and tell the ledger.
#pragma once

namespace leakscope::python {

// With the interpreter's lock, when recording has begun.
void install_buffer_hooks() noexcept;

// Looks whether modules were imported, which is how most new types come, and has the main thread look for these. Cheap;
// called from hooks.
void notice_new_types() noexcept;

// Takes in the types that came since. With the interpreter's lock, between two instructions of somebody's code.
void watch_new_types() noexcept;

}  // namespace leakscope::python
