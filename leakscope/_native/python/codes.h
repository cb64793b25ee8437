// Frames by instruction: which function, file and line an instruction pointer stands for, remembered by address and
// forgotten when the code object goes. Addresses are reused, so the free hook tells us when one does (its page is marked
// in the filters); no reference is held, and the program's code objects live and die as without us.
#pragma once

#include "../hook/process.h"
#include "frames.h"

namespace leakscope::python {

void prepare_codes() noexcept;

// The frame that a Python frame stands for now; 0 if it has none or the tables are full.
FrameId frame_id(const RawFrame* frame) noexcept;

// UTF-8 of a string object, without asking the interpreter for anything. Returns the bytes written.
std::size_t to_utf8(PyObject* text, char* into, std::size_t room) noexcept;

// A block that may be a code object is about to be freed.
void code_freed(const void* address) noexcept;

// How many known code objects, and states of threads, have gone; a cache that saw another number must catch_up().
extern std::atomic<std::uint32_t> codes_freed;
// Takes out of a cache what it remembers of code that has gone since.
void catch_up(hook::StackCache& cache) noexcept;

// Around fork, so that the child does not inherit a lock whose holder it lacks.
void lock_codes() noexcept;
void unlock_codes() noexcept;

}  // namespace leakscope::python
