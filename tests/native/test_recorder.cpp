// The recorder against a twin that keeps everything in maps: blocks, chunks and threads.
#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ledger_reader.h"
#include "recorder.h"
#include "recorder_twin.h"
#include "scratch_ledger.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

struct Fixture {
  ScratchLedger scratch;
  std::unique_ptr<Recorder> recorder = std::make_unique<Recorder>();
  explicit Fixture(std::uint64_t interval_bytes = exact, Room room = Room::whole)
      : scratch(interval_bytes, room) {
    scratch.header().node_count = Life::stacks;
    recorder->attach(scratch.ledger());
  }
  Recorder* operator->() const { return recorder.get(); }
  Header& header() const { return scratch.header(); }
};

Counters sum_of(const Counters& a, const Counters& b) {
  return {a.alloc_bytes + b.alloc_bytes, a.alloc_blocks + b.alloc_blocks, a.free_bytes + b.free_bytes,
          a.free_blocks + b.free_blocks, a.foreign_blocks + b.foreign_blocks};
}

void compare(const ScratchLedger& scratch, const Twin& twin) {
  const Header& header = scratch.header();
  for (std::size_t domain = 0; domain < domain_count; ++domain) {
    CAPTURE(domain);
    const DomainTotals &a = header.totals[0][domain], &b = header.totals[1][domain],
                       &known = twin.totals[domain];
    REQUIRE(a.alloc_bytes + b.alloc_bytes == known.alloc_bytes);
    REQUIRE(a.alloc_blocks + b.alloc_blocks == known.alloc_blocks);
    REQUIRE(a.free_bytes + b.free_bytes == known.free_bytes);
    REQUIRE(a.free_blocks + b.free_blocks == known.free_blocks);
  }
  REQUIRE(header.foreign_blocks.load() == twin.foreign_blocks);
  for (StackId stack = 0; stack < Life::stacks; ++stack) {
    CAPTURE(stack);
    const Counters found = sum_of(scratch.ledger().counters(0)[stack], scratch.ledger().counters(1)[stack]);
    const auto at = twin.stacks.find(stack);
    const Counters known = at == twin.stacks.end() ? Counters{} : at->second;
    REQUIRE(std::memcmp(&found, &known, sizeof found) == 0);
  }
  std::size_t seen = 0;
  LedgerReader(scratch.ledger(), scratch.fd()).for_each_block([&](const Block& block) {
    CAPTURE(block.address);
    const auto known = twin.live.find(block.address);
    REQUIRE(known != twin.live.end());
    REQUIRE(block.size == known->second.size);
    REQUIRE(block.weight == static_cast<double>(known->second.weight));
    REQUIRE(block.stack == known->second.stack);
    REQUIRE(block.thread == known->second.thread);
    REQUIRE(block.domain == known->second.domain);
    REQUIRE(block.born_s <= 60.0);
    ++seen;
  });
  REQUIRE(seen == twin.live.size());
  REQUIRE(header.dropped_blocks.load() == 0);
}

void live_a_life(std::uint64_t seed, std::uint64_t interval_bytes) {
  CAPTURE(seed);
  Fixture f(interval_bytes);
  Life life(seed, f.header().config);
  for (int step = 1; step <= 20'000; ++step) {
    REQUIRE(life.step(*f.recorder));
    if (step % 5'000 == 0) compare(f.scratch, life.twin);
  }
  CHECK(life.twin.foreign_blocks > 0);
  while (!life.twin.live.empty()) {
    const std::uint64_t address = life.twin.live.begin()->first;
    REQUIRE(f->freed(address, 0, Locking::none));
    REQUIRE(life.twin.freed(address, 0));
  }
  compare(f.scratch, life.twin);
  for (std::size_t domain = 0; domain < domain_count; ++domain)
    CHECK(life.twin.totals[domain].alloc_bytes == life.twin.totals[domain].free_bytes);
}

// --- chunks

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t somewhere = 0x7F5000000000;
using Spans = std::vector<std::pair<std::uint64_t, std::uint64_t>>;  // beginning and size, in pages, sorted

Spans spans_of(const ScratchLedger& scratch, ChunkKind kind) {
  Spans found;
  const std::uint32_t high = scratch.header().chunk_high.load();
  for (std::uint32_t at = 0; at < high; ++at) {
    const ChunkRow& row = scratch.ledger().chunk_rows()[at];
    if (row.address != 0 && row.kind == kind)
      found.emplace_back((row.address - somewhere) / page, row.size / page);
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::int64_t live(const Header& header, std::uint64_t DomainTotals::*allocated,
                  std::uint64_t DomainTotals::*freed) {
  const DomainTotals& total = header.totals[1][static_cast<int>(Domain::mapping)];
  return static_cast<std::int64_t>(total.*allocated - total.*freed);
}

// Do the header's sums agree with the rows?
void check_sums(const ScratchLedger& scratch) {
  const Header& header = scratch.header();
  const Spans arenas = spans_of(scratch, ChunkKind::arena), mappings = spans_of(scratch, ChunkKind::mapping);
  const auto bytes = [](const Spans& spans) {
    std::uint64_t sum = 0;
    for (const auto& span : spans) sum += span.second * page;
    return sum;
  };
  REQUIRE(header.live_arenas.load() == arenas.size());
  REQUIRE(header.arena_bytes.load() == bytes(arenas));
  REQUIRE(header.live_mappings.load() == mappings.size());
  REQUIRE(header.mapping_bytes.load() == bytes(mappings));
  const auto large = std::count_if(mappings.begin(), mappings.end(), [](const auto& span) {
    return span.second * page >= LedgerConfig{}.chunk_bytes;
  });
  REQUIRE(header.large_mappings.load() == static_cast<std::uint64_t>(large));
  REQUIRE(live(header, &DomainTotals::alloc_bytes, &DomainTotals::free_bytes) ==
          static_cast<std::int64_t>(bytes(mappings)));
  REQUIRE(live(header, &DomainTotals::alloc_blocks, &DomainTotals::free_blocks) ==
          static_cast<std::int64_t>(mappings.size() * one_block));
}

// Takes the chunks of pages and gives one stretch back; what remains.
Spans after_release(const Spans& taken, std::uint64_t begin, std::uint64_t pages,
                    ChunkKind kind = ChunkKind::mapping) {
  const Fixture f;
  for (const auto& [at, size] : taken) f->chunk_taken(somewhere + at * page, size * page, kind, 3, 1);
  check_sums(f.scratch);
  f->chunk_released(somewhere + begin * page, pages * page);
  check_sums(f.scratch);
  return spans_of(f.scratch, kind);
}

}  // namespace

TEST_CASE("exact totals, stacks and blocks equal the twin's through twenty thousand events") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) live_a_life(seed, exact);
}

TEST_CASE("sampled totals, stacks and blocks equal the twin's through twenty thousand events") {
  for (std::uint64_t seed = 5; seed <= 8; ++seed) live_a_life(seed, sampled);
}

TEST_CASE("events under the interpreter's lock and others are counted apart") {
  const Fixture f;
  f->allocated(0x1000, 10, Domain::obj, 5, 0, Locking::interpreter);
  f->allocated(0x2000, 20, Domain::obj, 5, 0, Locking::none);
  CHECK(f.scratch.ledger().counters(0)[5].alloc_bytes == 10);
  CHECK(f.scratch.ledger().counters(1)[5].alloc_bytes == 20);
  CHECK(f->freed(0x1000, 0, Locking::none));
  CHECK(f.scratch.ledger().counters(0)[5].free_bytes == 0);
  CHECK(f.scratch.ledger().counters(1)[5].free_bytes == 10);
}

TEST_CASE("a free by another thread is foreign, one by the same is not") {
  for (const std::uint64_t address : {0x1000u, 0x1008u}) {  // in the shadow, in a row
    const Fixture f;
    f->allocated(address, 10, Domain::mem, 5, 2, Locking::none);
    CHECK(f->freed(address, 2, Locking::none));
    CHECK(f.header().foreign_blocks.load() == 0);
    f->allocated(address, 10, Domain::mem, 5, 2, Locking::none);
    CHECK(f->freed(address, 3, Locking::none));
    CHECK(f.header().foreign_blocks.load() == one_block);
    CHECK_FALSE(f->freed(address, 2, Locking::none));
  }
}

TEST_CASE("blocks beyond the table are counted as dropped and nowhere else") {
  const Fixture f(sampled, Room::small);  // 1,023 rows
  for (std::uint64_t at = 1; at <= 1'100; ++at) f->allocated(at * 64, 64, Domain::mem, 1, 0, Locking::none);
  CHECK(f.header().dropped_blocks.load() == 77);
  CHECK(f.scratch.ledger().counters(1)[1].alloc_bytes == 1023 * Sampler::weight(64, sampled, 65536));
  for (std::uint64_t at = 1; at <= 1'100; ++at) CHECK(f->freed(at * 64, 0, Locking::none) == (at <= 1023));
  CHECK(f.scratch.ledger().counters(1)[1].free_bytes == f.scratch.ledger().counters(1)[1].alloc_bytes);
}

TEST_CASE("a chunk is given back whole") {
  CHECK(after_release({{0, 10}, {20, 5}}, 0, 10) == Spans{{20, 5}});
  CHECK(after_release({{0, 10}, {20, 5}}, 0, 10, ChunkKind::arena) == Spans{{20, 5}});
  CHECK(after_release({{5, 10}}, 0, 100).empty());
}

TEST_CASE("a chunk loses its head, its tail or its middle") {
  CHECK(after_release({{10, 10}}, 10, 3) == Spans{{13, 7}});
  CHECK(after_release({{10, 10}}, 5, 8) == Spans{{13, 7}});
  CHECK(after_release({{10, 10}}, 17, 3) == Spans{{10, 7}});
  CHECK(after_release({{10, 10}}, 17, 30) == Spans{{10, 7}});
  CHECK(after_release({{10, 10}}, 13, 4) == Spans{{10, 3}, {17, 3}});
}

TEST_CASE("one release goes over several chunks") {
  CHECK(after_release({{0, 10}, {10, 10}, {20, 10}, {40, 10}}, 5, 20) == Spans{{0, 5}, {25, 5}, {40, 10}});
}

TEST_CASE("what touches no chunk changes nothing") {
  CHECK(after_release({{10, 10}}, 0, 10) == Spans{{10, 10}});
  CHECK(after_release({{10, 10}}, 20, 10) == Spans{{10, 10}});
  CHECK(after_release({{10, 10}}, 12, 0) == Spans{{10, 10}});
  CHECK(after_release({}, 0, 10).empty());
}

TEST_CASE("a chunk given back twice is given back once") {
  const Fixture f;
  f->chunk_taken(somewhere, 10 * page, ChunkKind::mapping, 3, 1);
  f->chunk_released(somewhere, 10 * page);
  f->chunk_released(somewhere, 10 * page);
  check_sums(f.scratch);
  CHECK(f.header().live_mappings.load() == 0);
  f->chunk_taken(somewhere, 4 * page, ChunkKind::arena, 3, 1);
  CHECK(f.header().chunk_high.load() == 1);  // the row is used again
}

TEST_CASE("a large mapping that is cut below the limit is none any more") {
  const Fixture f;
  f->chunk_taken(somewhere, LedgerConfig{}.chunk_bytes, ChunkKind::mapping, 3, 1);
  CHECK(f.header().large_mappings.load() == 1);
  f->chunk_released(somewhere, page);
  CHECK(f.header().large_mappings.load() == 0);
  check_sums(f.scratch);
}

TEST_CASE("chunks agree with a twin of single pages while they come and go") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Fixture f;
    std::map<std::uint64_t, int> owner;  // page: number of the taking
    std::map<int, std::pair<ChunkKind, StackId>> takings;
    for (int step = 1; step <= 2'000; ++step) {
      const std::uint64_t begin = between(random, 0, 400), pages = between(random, 1, 60);
      const auto first = owner.lower_bound(begin), last = owner.lower_bound(begin + pages);
      if (first == last && between(random, 0, 2) != 0) {
        const auto kind = static_cast<ChunkKind>(between(random, 0, 1));
        const auto stack = static_cast<StackId>(between(random, 0, 100));
        f->chunk_taken(somewhere + begin * page, pages * page, kind, stack, 1);
        takings[step] = {kind, stack};
        for (std::uint64_t at = begin; at < begin + pages; ++at) owner[at] = step;
      } else {
        f->chunk_released(somewhere + begin * page, pages * page);
        owner.erase(first, last);
      }
      if (step % 50 != 0) continue;
      check_sums(f.scratch);
      std::map<std::uint64_t, std::pair<ChunkKind, StackId>> seen, known;
      for (const auto& [at, taking] : owner) known[at] = takings[taking];
      for (std::uint32_t at = 0; at < f.header().chunk_high.load(); ++at) {
        const ChunkRow& row = f.scratch.ledger().chunk_rows()[at];
        if (row.address == 0) continue;
        for (std::uint64_t byte = 0; byte < row.size; byte += page)
          REQUIRE(
              seen.emplace((row.address + byte - somewhere) / page, std::pair{row.kind, row.stack}).second);
      }
      REQUIRE(seen == known);
    }
  }
}

TEST_CASE("live bytes of each stack's mappings are those of its chunks after any cutting") {
  const Fixture f;
  f->chunk_taken(somewhere, 100 * page, ChunkKind::mapping, 3, 1);
  f->chunk_taken(somewhere + 100 * page, 100 * page, ChunkKind::mapping, 4, 1);
  f->chunk_released(somewhere + 90 * page, 20 * page);
  f->chunk_released(somewhere + 40 * page, 5 * page);
  const Counters& third = f.scratch.ledger().counters(1)[3];
  const Counters& fourth = f.scratch.ledger().counters(1)[4];
  CHECK(third.alloc_bytes - third.free_bytes == 85 * page);
  CHECK(third.alloc_blocks - third.free_blocks == 2 * one_block);
  CHECK(fourth.alloc_bytes - fourth.free_bytes == 90 * page);
}

TEST_CASE("chunks beyond the table are counted as dropped") {
  const Fixture f(exact, Room::small);  // 256 rows
  for (std::uint64_t at = 0; at < 260; ++at)
    f->chunk_taken(somewhere + at * 10 * page, page, ChunkKind::mapping, 3, 1);
  CHECK(f.header().dropped_blocks.load() == 4);
  CHECK(f.header().live_mappings.load() == 256);
  check_sums(f.scratch);
}

TEST_CASE("the rest behind a hole is counted as dropped when the table is full") {
  const Fixture f(exact, Room::small);  // 256 rows
  for (std::uint64_t at = 0; at < 256; ++at)
    f->chunk_taken(somewhere + at * 10 * page, 9 * page, ChunkKind::mapping, 3, 1);
  f->chunk_released(somewhere + page, page);
  CHECK(f.header().dropped_blocks.load() == 1);
  CHECK(f.header().mapping_bytes.load() == (256 * 9 - 8) * page);
  check_sums(f.scratch);
}

TEST_CASE("what is left of a cut mapping counts neither as taken nor as given back") {
  const Fixture f;
  f->chunk_taken(somewhere, 10 * page, ChunkKind::mapping, 3, 1);
  f->chunk_released(somewhere, page);
  f->chunk_released(somewhere + 9 * page, page);
  const Counters& at = f.scratch.ledger().counters(1)[3];
  CHECK(at.alloc_bytes == 10 * page);
  CHECK(at.free_bytes == 2 * page);
  CHECK(at.alloc_blocks == one_block);
  CHECK(at.free_blocks == 0);
  f->chunk_released(somewhere + 4 * page, page);
  CHECK(at.alloc_bytes == 10 * page);
  CHECK(at.free_bytes == 3 * page);
  CHECK(at.alloc_blocks == 2 * one_block);  // there are two now
}

TEST_CASE("threads beyond the table share one row") {
  const Fixture f;
  for (std::uint32_t thread = 0; thread < other_threads; ++thread)
    REQUIRE(f->thread_started(thread + 1, thread + 1, "t") == thread);
  for (int more = 0; more < 5; ++more) CHECK(f->thread_started(9, 20'000, "late") == other_threads);
  CHECK(f.header().thread_count.load() == other_threads);
  CHECK(f.header().dropped_threads.load() == 5);
  f->thread_ended(other_threads, 0);
  f->allocated(0x1000, 40, Domain::obj, 1, other_threads, Locking::none);
  CHECK(f->freed(0x1000, other_threads, Locking::none));
  CHECK(f.header().foreign_blocks.load() == 0);
}

TEST_CASE("locks taken for a fork are free again after it") {
  const Fixture f;
  f->before_fork();
  f->after_fork();
  f->allocated(0x1008, 40, Domain::obj, 1, 0, Locking::none);
  CHECK(f->freed(0x1008, 0, Locking::none));
  CHECK(f->trie().child(0, 1) != 0);
  f->chunk_taken(somewhere, page, ChunkKind::arena, 1, 0);
  CHECK(f->thread_started(1, 1, "t") == 0);
}

TEST_CASE("the log of the work ascends, has room for any run, and says what had been asked for") {
  const Fixture f;
  f.header().work_count = 0;  // the clock of a fixture began long ago
  for (Moment moment = 1; moment <= 5000; ++moment) {
    f->allocated(somewhere + moment * 64, 40, Domain::obj, 1, 0,
                 moment % 2 == 0 ? Locking::none : Locking::interpreter);
    f->note_work(moment);
    const std::uint32_t count = f.header().work_count.load();
    REQUIRE(count <= work_rows);
    REQUIRE(count >= std::min<std::uint32_t>(moment, work_rows / 2));
  }
  Moment before = 0;
  for (std::uint32_t at = 0; at < f.header().work_count.load(); ++at) {
    const Moment moment = f.header().work[at].moment.load();
    CHECK(moment > before);
    CHECK(f.header().work[at].blocks.load() == moment * one_block);
    before = moment;
  }
  CHECK(f.header().work[0].moment.load() == 1);
  CHECK(before == 5000);
}
