// How the interposed functions reach the ones below them, and the one shape of realloc that all allocators share.
#pragma once

#include <errno.h>

#include "hook.h"

namespace leakscope::hook {

struct AlignedAllocator {
  int (*posix_memalign)(void**, std::size_t, std::size_t);
  void* (*aligned_alloc)(std::size_t, std::size_t);
  void* (*memalign)(std::size_t, std::size_t);
  void* (*valloc)(std::size_t);
  void* (*pvalloc)(std::size_t);
};
extern AlignedAllocator aligned;

void resolve_real_functions() noexcept;
// dlsym of the C library itself; the exported one is ours.
void* real_dlsym(void* handle, const char* name) noexcept;
// What the program should get instead of `found` when it looks up `name`; `found` itself for everything but the
// functions that we interpose.
void* hooked(const char* name, void* found) noexcept;

// Forgets the old block before the call (afterwards another thread may own its address), treats the result as a new
// one and puts the old one back if the call failed. The caller has already asked due().
template <class Call>
void* realloc_recorded(ThreadState& thread, void* block, std::size_t size, Domain domain, Locking locking,
                       Call&& call) noexcept {
  const bool look = thread.countdown < 0;
  BlockRow old;
  const bool recorded = may_be_recorded(block) && lift(thread, block, old);
  const std::uint32_t fallen = thread.fallen;
  void* moved = call(block, size);
  const int error = errno;
  const bool done = moved != nullptr || (size == 0 && block != nullptr);
  if (recorded) settle(thread, old, done, locking);
  // A request that fell through to the raw domain was seen there.
  if (look && thread.fallen == fallen) allocated(thread, moved, size, domain, locking);
  errno = error;
  return moved;
}

}  // namespace leakscope::hook
