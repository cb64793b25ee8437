// From the interpreter's frames to stack ids. See the comment at capture() for the algorithm and what it may get wrong.
#pragma once

#include "../hook/process.h"

namespace leakscope::python {

// To be called once, with the interpreter's lock, before any stack is asked for.
void prepare_stacks() noexcept;

// The calling thread's stack; locking becomes `none` where the main interpreter's lock does not protect us.
StackId current_stack(hook::ThreadState& thread, Locking& locking) noexcept;

}  // namespace leakscope::python
