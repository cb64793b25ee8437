// The object graph's way out of the program: who may fill the ledger's area, how the parent's wish is noticed, and what
// became of the copy that walks. It knows the area and the process; it knows no Python.
#pragma once

#include "hook.h"

namespace leakscope::hook {

// Are graphs taken in this process? And will they be, once it records?
bool takes_heap() noexcept;
bool will_take_heap() noexcept;
// Wakes the parent, which waits for requests and for news of the area at the same place.
void tell_parent() noexcept;

// Takes the area for `owner` if it is empty. Whoever gets it must see to it that it ends complete or failed.
bool claim_heap_area(HeapOwner owner) noexcept;
void fail_heap(const char* problem) noexcept;

// Copies the process and lets the copy run `walk` on the area that is ours; without a copy to be had it runs here, or
// nowhere. The caller holds whatever keeps the heap from changing.
enum class WithoutCopy : bool { walk_here, fail };
void freeze_heap(void (*walk)(HeapArea& area) noexcept, HeapOwner owner,
                 WithoutCopy otherwise = WithoutCopy::walk_here) noexcept;

// Gives up an area that was claimed and not used.
void release_heap_area() noexcept;
// Ends the copy that was just made, and with it its graph.
void abandon_copy(const char* problem) noexcept;

// Is a copy walking? Looks after one that has ended.
bool look_after_copy() noexcept;

// Something to do beside recording: a graph is wished for, or a copy may have ended. Cheap; asked now and then.
inline bool has_errand() noexcept {
  const Header& header = recorder.ledger().header();
  return header.heap_wish.load(std::memory_order_relaxed) == HeapWish::wanted ||
         header.heap_copy.load(std::memory_order_relaxed) != 0;
}
// `safe`: the caller is in a request of the interpreter for memory, hence neither inside the C library's allocator nor
// in its loader.
void run_errand(bool safe) noexcept;

// In the child of a fork.
void forget_heap() noexcept;

}  // namespace leakscope::hook
