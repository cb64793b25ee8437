#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "drawn_heaps.h"

using namespace leakscope;

TEST_CASE("pieces of all heaps of all arenas add up, as they were drawn") {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    DrawnHeaps drawn(seed);
    std::vector<MallocHeap> heaps = drawn.places();
    measure_heaps(drawn.memory.door(), heaps, drawn.library());
    for (const MallocHeap& heap : heaps) {
      const DrawnHeaps::Truth& truth = drawn.truths.at(heap.span.begin);
      CAPTURE(seed);
      CAPTURE(heap.span.begin);
      REQUIRE(heap.is_heap);
      REQUIRE(heap.books.sound);
      CHECK(heap.span.end == truth.end);
      CHECK(heap.books.used == truth.used);
      CHECK(heap.books.free == truth.free);
      CHECK(heap.books.largest_free == truth.largest_free);
      CHECK(heap.trimmable == truth.trimmable);
      CHECK(heap.attached == truth.attached);
      CHECK(heap.arena == truth.arena);
      CHECK(heap.number == truth.number);
    }
  }
}

TEST_CASE("without the library's data the main heap is walked all the same, but nobody knows its arena") {
  DrawnHeaps drawn(3);
  std::vector<MallocHeap> heaps = drawn.places();
  measure_heaps(drawn.memory.door(), heaps, {});
  const auto main =
      std::find_if(heaps.begin(), heaps.end(), [](const MallocHeap& heap) { return heap.main; });
  REQUIRE(main != heaps.end());
  CHECK(main->books.sound);
  CHECK(main->attached == -1);
}

TEST_CASE("memory that only lies where a heap may lie is none") {
  DrawnMemory memory;
  const std::uint64_t place = 0x7F0040000000;
  memory.add(place, 1u << 20);
  std::vector<MallocHeap> heaps{{.span = {place, place + (1u << 20)}, .main = false, .books = {}}};
  measure_heaps(memory.door(), heaps, {});
  CHECK_FALSE(heaps[0].is_heap);
  for (std::uint64_t at = 0; at < 1u << 20; at += 8) memory.put(place + at, place + 48);
  measure_heaps(memory.door(), heaps, {});
  CHECK_FALSE(heaps[0].books.sound);
}

TEST_CASE("a heap with one wrong word is unknown or the same, and never walked for ever") {
  std::mt19937_64 random(9);
  for (int round = 0; round < 400; ++round) {
    DrawnHeaps drawn(7);
    const std::vector<MallocHeap> places = drawn.places();
    const std::uint64_t hit = places[random() % places.size()].span.begin,
                        bytes = drawn.memory.pieces[hit].size();
    for (int words = 0; words < 1 + round % 20; ++words) {
      const std::uint64_t address = hit + random() % (bytes / 8) * 8;
      const std::uint64_t values[] = {0, random(), hit, drawn.memory.word(address) ^ (16u << random() % 8),
                                      1, 17};
      drawn.memory.put(address, values[random() % 6]);
    }
    std::vector<MallocHeap> heaps = drawn.places();
    measure_heaps(drawn.memory.door(), heaps, drawn.library());
    for (const MallocHeap& heap : heaps) {
      if (!heap.books.sound) continue;
      CHECK(heap.books.used + heap.books.free <= heap.span.bytes());
      CHECK(heap.books.largest_free <= heap.books.free);
    }
    CHECK(drawn.memory.reads < 1'000'000);
  }
}

TEST_CASE("where one piece is garbage the walk goes on behind it, and is off by no more than is skipped") {
  int known = 0;
  for (unsigned seed = 1; seed <= 60; ++seed) {
    DrawnHeaps drawn(seed);
    std::vector<MallocHeap> heaps = drawn.places();
    MallocHeap& main =
        *std::find_if(heaps.begin(), heaps.end(), [](const MallocHeap& heap) { return heap.main; });
    std::vector<std::uint64_t> pieces;
    for (std::uint64_t at = main.span.begin; at < main.span.end;
         at += drawn.memory.word(at + 8) & ~std::uint64_t{7})
      pieces.push_back(at);
    if (pieces.size() < 30) continue;
    drawn.memory.put(pieces[pieces.size() / 2] + 8, 0x4141414141414141);
    measure_heaps(drawn.memory.door(), heaps, drawn.library());
    const DrawnHeaps::Truth& truth = drawn.truths.at(main.span.begin);
    if (!main.books.sound) continue;  // the piece was longer than may be skipped
    ++known;
    const std::uint64_t most = std::max<std::uint64_t>(main.span.bytes() / 100, 4096) + 4096;
    CHECK(main.books.free <= truth.free);
    CHECK(truth.free - main.books.free <= most);
    CHECK(main.books.used + main.books.free == main.span.bytes());
  }
  CHECK(known > 20);
}

TEST_CASE("when the time is up the rest is unknown") {
  DrawnHeaps drawn(2);
  drawn.memory.most_reads = 3;
  std::vector<MallocHeap> heaps = drawn.places();
  measure_heaps(drawn.memory.door(), heaps, drawn.library());
  CHECK(std::none_of(heaps.begin(), heaps.end(), [](const MallocHeap& heap) { return heap.books.sound; }));
}
