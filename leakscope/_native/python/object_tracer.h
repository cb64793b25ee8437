// CPython 3.13 and later: objects that are recycled from a free list never pass the allocator, so their block would
// keep the stack of an earlier, dead object. The interpreter reports creations to one tracer per process: us, in
// front of whoever was there.
#pragma once

namespace leakscope::python {

// With the interpreter's lock. False where the interpreter has no such tracer.
bool install_object_tracer() noexcept;

// Notices that another tool took the tracer's slot, counts that, and takes the slot again once it is empty.
// With the interpreter's lock. Cheap.
void watch_object_tracer() noexcept;

}  // namespace leakscope::python
