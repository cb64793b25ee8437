// How full an arena of pymalloc is, by the headers of its pools. Knows their layout, which has been the same since
// CPython 3.10; follows no pointer.
#pragma once

#include "memory_door.h"

namespace leakscope {

struct ArenaBooks : Books {
  std::uint32_t pools_used = 0;  // 0: nothing in it says that it is an arena at all
};

// Pools lie at multiples of their size, so an arena that does not begin at one has one pool less. Cost: one gathering read.
// Of a process that runs, each pool is as it was at some moment of the read.
[[nodiscard]] ArenaBooks arena_books(const MemoryDoor& door, std::uint64_t address,
                                     std::uint64_t bytes) noexcept;

}  // namespace leakscope
