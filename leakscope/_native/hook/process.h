// The recorder's life in a process: how it finds its ledger, what happens at fork, where per-thread stack memory
// comes from. Knows the environment and the process; knows no allocator and no Python.
#pragma once

#include "hook.h"

namespace leakscope::hook {

// The calling thread's last captured stack, root first; see python/frames.cpp.
struct StackCache {
  static constexpr std::uint32_t depth_limit = 8192;
  struct Entry {
    const void* frame;
    const void* position;
    StackId node;
  };
  std::uint32_t count;
  std::uint32_t codes_freed;  // what python/codes.h had counted when this was last looked at
  StackCache* next_free;
  const void* behind_root;  // what was behind the frame of entries()[0] when that came
  // The first item is no frame's: whoever goes towards the root ends there without counting, and a stack without
  // entries has its node, 0, too.
  Entry chain[depth_limit + 1];
  const void* walked[depth_limit];  // frames on the way to a known one

  // Steps taken before: from a node by an instruction to a node. Direct mapped.
  struct Step {
    const void* position;
    StackId parent;
    StackId node;
  };
  static constexpr std::uint32_t step_count = 1024;
  Step steps[step_count];

  // Native stacks unwound before, by what the C stack looked like; see native_stack.cpp.
  struct Unwound {
    std::uint64_t key;
    StackId node;
  };
  static constexpr std::uint32_t unwound_count = 512;
  Unwound unwound[unwound_count];

  Entry* entries() noexcept { return chain + 1; }
  const Entry* entries() const noexcept { return chain + 1; }
  StackId node() const noexcept { return chain[count].node; }
  void clear() noexcept {
    count = 0;
    chain[0] = {this, nullptr, 0};  // an address that no frame has
  }
};

// Taken over from ended threads where possible, so that thousands of short threads cost the memory of those alive.
StackCache* acquire_cache(ThreadState& thread) noexcept;
void release_cache(ThreadState& thread) noexcept;

// The ledger of this process; empty if it is not recorded.
Ledger process_ledger() noexcept;
// The ledger's file, in a process that reads its own ledger; else -1.
int ledger_file() noexcept;

// Does this process have a Python interpreter in it?
bool interpreter_present() noexcept;

// Arranges that recording begins when the interpreter comes to the user's code. Implemented by the python folder.
void await_interpreter() noexcept;

// What `leakscope run` says of pools to watch, a line for each; see arranging.py.
const char* wanted_pools() noexcept;

// Reads and clears the environment that `leakscope run` made. Called once, by the library's constructor.
void adopt_environment() noexcept;

}  // namespace leakscope::hook
