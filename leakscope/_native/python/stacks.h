// From the interpreter's frames to stack ids. See the comment at capture() for the algorithm and what it may get wrong.
#pragma once

#include "../hook/process.h"

namespace leakscope::python {

// To be called once, with the interpreter's lock, before any stack is asked for.
void prepare_stacks() noexcept;

// The calling thread's stack; locking becomes `none` where the main interpreter's lock does not protect us.
StackId current_stack(hook::ThreadState& thread, Locking& locking) noexcept;

// What must be looked after every few events, with the interpreter's lock held.
void upkeep() noexcept;

// The same, and the time, before a block that record_small() is to record.
void now_and_then(hook::ThreadState& thread) noexcept;
inline void tick(hook::ThreadState& thread) noexcept {
  if (__builtin_expect((++thread.ticks & 15) == 0, 0)) now_and_then(thread);
}

// Records a small block that the allocator has just made for a domain, exactly, under the interpreter's lock. Returns it.
template <Domain D>
void* record_small(hook::ThreadState& thread, void* block, std::size_t size) noexcept;

}  // namespace leakscope::python
