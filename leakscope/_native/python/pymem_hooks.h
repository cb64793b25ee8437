// Hooks in the interpreter's allocators. Installed once, never removed: swapping allocators is not atomic, and
// whoever wrapped us keeps pointers to us.
#pragma once

namespace leakscope::python {

// With the interpreter's lock. Finds out by trial how the allocators below nest, then goes in front of them.
void install_allocator_hooks() noexcept;

}  // namespace leakscope::python
