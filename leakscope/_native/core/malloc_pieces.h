// One heap of glibc's malloc, piece by piece. Knows how pieces follow each other; refuses to know arenas.
//
//   piece   previous size | size + flags | what the program has, or list pointers if free
//
// A piece is free if the one behind it says so, and then its size stands there as well. Sizes must lead from the first
// piece exactly to the end. Where they lead astray, because the program is at work there, the walk goes on with the next
// pieces that follow each other; what lies between counts as used. That may be a hundredth of the heap, else it is not known.
#pragma once

#include <vector>

#include "memory_door.h"

namespace leakscope {

struct PieceWalk {
  std::uint64_t first, end;  // the first piece, and the end of what malloc has taken
  bool main;
  bool keep = false;  // where each piece lies, not only how many bytes all have
};

struct PieceBooks : Books {
  std::vector<Span> used_pieces, free_pieces;  // what the program can have of each, ascending; if kept
  std::uint64_t skipped = 0;                   // of what is used: where pieces did not follow each other
  std::vector<Span> free_pages;  // whole pages in free pieces that malloc_trim gives back, ascending
};

// Cost: reads what pages have headers in them, once.
[[nodiscard]] PieceBooks walk_pieces(const MemoryDoor& door, const PieceWalk& walk);

}  // namespace leakscope
