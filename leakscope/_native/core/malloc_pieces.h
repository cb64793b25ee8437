// One heap of glibc's malloc, piece by piece. Knows how pieces follow each other; refuses to know arenas.
//
//   piece   previous size | size + flags | what the program has, or list pointers if free
//
// A piece is free if the one behind it says so, and then its size stands there as well.
#pragma once

#include <vector>

#include "memory_door.h"

namespace leakscope {

struct PieceWalk {
  std::uint64_t first, end;  // the first piece, and the end of what malloc has taken
  std::uint64_t top;         // the piece that ends the arena; 0: not known, or not in this heap
  bool main;
};

struct PieceBooks : Books {
  std::vector<Span> free_pages;  // whole pages in free pieces that malloc_trim gives back, ascending
};

// Cost: reads what pages have headers in them, once.
[[nodiscard]] PieceBooks walk_pieces(const MemoryDoor& door, const PieceWalk& walk);

}  // namespace leakscope
