// Drawn heaps with words of them, and an arena, overwritten at will. Walking ends, and what is called sound adds up.
#include <cstdlib>

#include "drawn_heaps.h"
#include "pymalloc_books.h"

using namespace leakscope;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  constexpr std::uint64_t arena = 0x7E0000000000, arena_bytes = 1u << 20;
  DrawnHeaps drawn(data[0]);
  drawn.memory.most_reads = 100'000;
  drawn.memory.add(arena, arena_bytes);
  const std::vector<MallocHeap> places = drawn.places();
  std::vector<std::uint64_t> begins{arena};
  for (const auto& [begin, bytes] : drawn.memory.pieces) begins.push_back(begin);
  // Records: which piece, where in it, what.
  for (std::size_t at = 1; at + 13 <= size; at += 13) {
    std::uint32_t offset;
    std::uint64_t word;
    std::memcpy(&offset, data + at + 1, 4);
    std::memcpy(&word, data + at + 5, 8);
    const std::uint64_t begin = begins[data[at] % begins.size()];
    drawn.memory.put(begin + offset % (drawn.memory.pieces[begin].size() / 8) * 8, word);
  }
  std::vector<MallocHeap> heaps = places;
  measure_heaps(drawn.memory.door(), heaps, drawn.library());
  for (const MallocHeap& heap : heaps)
    if (heap.books.sound && heap.books.used + heap.books.free > heap.span.bytes()) abort();
  const ArenaBooks books = arena_books(drawn.memory.door(), arena, arena_bytes);
  if (books.sound && books.used + books.free > arena_bytes) abort();
  return 0;
}
