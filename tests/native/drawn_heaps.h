// Heaps of glibc's malloc drawn at random, with what is in them: a main arena, further ones, some of which have outgrown
// their first heap, fast bins, and the ring of arenas.
#pragma once

#include <algorithm>
#include <random>

#include "drawn_memory.h"
#include "malloc_books.h"

class DrawnHeaps {
 public:
  struct Truth {
    std::uint64_t end = 0, used = 0, free = 0, largest_free = 0, trimmable = 0;
    std::int64_t attached = -1;
    std::uint32_t arena = 0, number = 0;
  };

  DrawnMemory memory;
  std::map<std::uint64_t, Truth> truths;

  explicit DrawnHeaps(unsigned seed) : random_(seed) {
    memory.add(library_begin, 16384);
    std::vector<std::uint64_t> ring;
    const auto further = static_cast<std::uint32_t>(random_() % 4);
    for (std::uint32_t arena = 1; arena <= further; ++arena) ring.push_back(draw_arena(arena));
    draw_main();
    // The newest comes right behind the main arena.
    std::reverse(ring.begin(), ring.end());
    ring.insert(ring.begin(), main_arena);
    for (std::size_t at = 0; at < ring.size(); ++at)
      memory.put(ring[at] + 0x870, ring[(at + 1) % ring.size()]);
  }

  std::vector<leakscope::MallocHeap> places() const {
    std::vector<leakscope::MallocHeap> found;
    for (const auto& [begin, truth] : truths)
      found.push_back({.span = {begin, begin == main_begin ? truth.end : begin + most},
                       .main = begin == main_begin,
                       .books = {}});
    return found;
  }
  std::vector<leakscope::Span> library() const { return {{library_begin, library_begin + 16384}}; }

 private:
  static constexpr std::uint64_t most = 64u << 20, library_begin = 0x7FF000000000,
                                 main_arena = library_begin + 0xC80, main_begin = 0x555500001000, page = 4096;

  void draw_state(std::uint64_t arena, std::uint64_t top, std::uint64_t bytes, std::int64_t attached) {
    memory.put(arena + 0x60, top);
    for (int bin = 0; bin < 254; ++bin)
      memory.put(arena + 0x70 + 8u * static_cast<unsigned>(bin), arena + 0x60);
    memory.put(arena + 0x880, static_cast<std::uint64_t>(attached));
    memory.put(arena + 0x888, bytes);
  }

  void draw_main() {
    const std::uint64_t bytes = (1 + random_() % 40) * page;
    memory.add(main_begin, bytes);
    Truth& truth = truths[main_begin];
    truth.attached = static_cast<std::int64_t>(1 + random_() % 3);
    const std::uint64_t top = draw_pieces(truth, main_arena, main_begin, main_begin + bytes, true, true);
    draw_state(main_arena, top, bytes, truth.attached);
  }

  std::uint64_t draw_arena(std::uint32_t number) {
    const std::uint64_t head = random_() % 2 == 0 ? 32 : 48;  // glibc before and since 2.35
    const auto heaps = static_cast<std::uint32_t>(1 + random_() % 3);
    const std::uint64_t first = 0x7F0000000000 + number * 16 * most, arena = first + head;
    const auto attached = static_cast<std::int64_t>(random_() % 3);
    std::uint64_t top = 0, all = 0, begins[3];
    for (std::uint32_t heap = 0; heap < heaps; ++heap) {
      // Later heaps may lie below earlier ones.
      const std::uint64_t begin = begins[heap] = first + (heap == 1 ? 5 : heap) * most,
                          bytes = (1 + random_() % 40) * page;
      memory.add(begin, bytes);
      Truth& truth = truths[begin];
      truth.attached = attached, truth.arena = number, truth.number = heap;
      all += bytes;
    }
    for (std::uint32_t heap = 0; heap < heaps; ++heap) {
      const std::uint64_t begin = begins[heap], bytes = memory.pieces[begin].size();
      memory.put(begin, arena);
      memory.put(begin + 8, heap == 0 ? 0 : begins[heap - 1]);
      memory.put(begin + 16, bytes);
      memory.put(begin + 24, bytes);
      const std::uint64_t from = heap == 0 ? (arena + 0x898 + 15) / 16 * 16 : begin + head;
      top = draw_pieces(truths[begin], arena, from, begin + bytes, false, heap + 1 == heaps);
    }
    draw_state(arena, top, all, attached);
    return arena;
  }

  // Fills [piece, end) and returns the top, if it is here; else an end mark is.
  std::uint64_t draw_pieces(Truth& truth, std::uint64_t arena, std::uint64_t piece, std::uint64_t end,
                            bool main, bool has_top) {
    truth.end = end;
    const std::uint64_t stop = end - 32, flag = main ? 0 : 4;
    bool free_before = false;
    while (piece < stop) {
      std::uint64_t size = random_() % 8 == 0 ? 32 + random_() % 1500 * 16 : 32 + random_() % 20 * 16;
      if (has_top && random_() % 200 == 0) break;
      if (piece + size > stop) break;
      if (!has_top && stop - piece - size < 32) size = stop - piece;
      const bool free = !free_before && random_() % 3 == 0 && piece + size < stop;
      memory.put(piece + 8, size | (free_before ? 0 : 1) | (free ? 0 : flag));
      if (free) {
        memory.put(piece + size, size);
        add_free(truth, piece, size, true);
      } else {
        truth.used += size;
        if (size <= 128 && random_() % 4 == 0) add_fast(truth, arena, piece, size);
      }
      free_before = free;
      piece += size;
    }
    if (has_top) {
      memory.put(piece + 8, (end - piece) | (free_before ? 0 : 1));
      add_free(truth, piece, end - piece, main);
      return piece;
    }
    // What is left before the mark is one more piece.
    if (piece < stop) {
      memory.put(piece + 8, (stop - piece) | (free_before ? 0 : 1) | flag);
      truth.used += stop - piece;
    } else if (free_before) {
      memory.put(stop, 0);
    }
    memory.put(stop + 8, 16 | 1);
    memory.put(stop + 16 + 8, 1);
    return 0;
  }

  void add_free(Truth& truth, std::uint64_t piece, std::uint64_t size, bool trimmed) {
    truth.free += size;
    truth.largest_free = std::max(truth.largest_free, size);
    const std::uint64_t begin = (piece + 48 + page - 1) / page * page, end = (piece + size) / page * page;
    if (trimmed && begin < end) truth.trimmable += end - begin;
  }

  // Puts a piece in use at the head of its fast bin, with a pointer mixed as since glibc 2.32.
  void add_fast(Truth& truth, std::uint64_t arena, std::uint64_t piece, std::uint64_t size) {
    const std::uint64_t head = arena + 0x10 + (size / 16 - 2) * 8;
    memory.put(piece + 16, memory.word(head) ^ (piece + 16) >> 12);
    memory.put(head, piece);
    truth.used -= size;
    truth.free += size;
  }

  std::mt19937 random_;
};
