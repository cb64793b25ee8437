// How full the heaps of glibc's malloc are, by walking their pieces. Knows the layout of heaps and arenas (glibc 2.27 to
// 2.42), takes no lock and trusts nothing: sizes must lead from a heap's first piece exactly to its end.
#pragma once

#include <span>
#include <vector>

#include "memory_door.h"

namespace leakscope {

struct MallocHeap {
  Span span;  // in: where the heap may lie; out: the part that malloc has taken
  bool main;  // the heap by sbrk
  Books books;
  std::uint64_t trimmable = 0;  // resident bytes of whole free pages that malloc_trim would give back
  std::int64_t attached = -1;   // threads that use its arena; -1: not known
  std::uint32_t arena = 0;      // 0 is the main one, others in order of birth
  std::uint32_t number = 0;     // of the heap in its arena, from 0
  bool is_heap = false;         // the main one is; others if their own headers say so
  bool keep = false;            // in: whether to tell where each piece lies
  std::vector<Span> used_pieces{}, free_pieces{};
};

// Fills in all that can be known of the heaps. `library` is the C library's own data, where the main arena lies.
// Pieces that threads keep for themselves (tcache: at most 7 of a size, below 1 KiB) count as used, as in malloc_info;
// those in fast bins as free, but are no part of the largest piece. Of a process that runs a heap is as it was at the
// moments of the reads; one that changed so much that the sizes lead astray everywhere is tried again, and is then not known.
// Cost: reads all pages with headers of pieces in them, some 2 GB/s.
void measure_heaps(const MemoryDoor& door, std::span<MallocHeap> heaps, std::span<const Span> library);

}  // namespace leakscope
