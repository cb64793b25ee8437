// What the parent reads: the columns of a dump equal a twin of maps, and a ledger that someone scribbled over gives
// wrong numbers at worst. The walls around the ledger (scratch_ledger.h) make a read outside it a crash.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ledger_reader.h"
#include "reader_promises.h"
#include "recorder_twin.h"
#include "scratch_ledger.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

// A ledger with everything in it: strings, frames of both kinds, stacks, threads, blocks, chunks.
struct Fixture {
  ScratchLedger scratch;
  std::unique_ptr<Recorder> recorder = std::make_unique<Recorder>();
  Life life;
  std::vector<StackId> parents{0};

  Fixture(std::uint64_t seed, std::uint64_t interval_bytes, int steps, Room room = Room::whole)
      : scratch(interval_bytes, room), life(seed, scratch.header().config) {
    recorder->attach(scratch.ledger());
    fill(*recorder);
    for (int step = 0; step < steps; ++step) REQUIRE(life.step(*recorder));
  }

  std::map<std::string, std::int64_t> totals() const {
    std::map<std::string, std::int64_t> found;
    for (const NamedTotal& total : reader().totals()) found[total.name] = total.value;
    return found;
  }
  LedgerReader reader() const { return LedgerReader(scratch.ledger(), scratch.fd()); }

 private:
  void fill(Recorder& recorder_) {
    StackTrie& trie = recorder_.trie();
    for (ThreadIndex thread = 0; thread < Life::threads; ++thread)
      recorder_.thread_started(thread + 100u, thread + 200u, thread == 3 ? "" : "worker \xC3\xA4");
    recorder_.thread_ended(2, 0);
    for (StackId stack = 1; stack < Life::stacks; ++stack) {
      Frame frame{};
      frame.function = trie.string("function " + std::to_string(stack % 50));
      frame.file = trie.string(stack % 10 == 0 ? "/nowhere/library.so" : "/nowhere/module.py");
      frame.line = static_cast<std::int32_t>(stack % 30);
      frame.kind = stack % 10 == 0 ? FrameKind::native : FrameKind::python;
      frame.offset = stack % 10 == 0 ? 0x1000u + stack : 0;
      const StackId parent = stack / 2;
      REQUIRE(trie.child(parent, trie.frame(frame)) == stack);
      BufferRow view{};
      view.view = 0x5000 + 16 * stack;
      view.stack = stack;
      view.type = frame.function;
      view.thread = static_cast<ThreadIndex>(stack % Life::threads);
      view.weight = 1;
      if (stack < 200) recorder_.buffer_acquired(view);
      parents.push_back(parent);
    }
    recorder_.chunk_taken(0x7E0000000000, 1u << 20, ChunkKind::arena, 17, 1);
    recorder_.chunk_taken(0x7E0010000000, 32u << 20, ChunkKind::mapping, 18, 2);
  }
};

void compare_stacks(const Fixture& f, const DumpColumns& dump) {
  const auto parent = column<std::uint32_t>(dump, "stack.parent");
  const auto alloc_bytes = column<double>(dump, "stack.alloc_bytes"),
             alloc_blocks = column<double>(dump, "stack.alloc_blocks");
  const auto free_bytes = column<double>(dump, "stack.free_bytes"),
             free_blocks = column<double>(dump, "stack.free_blocks");
  const auto foreign = column<double>(dump, "stack.foreign_blocks");
  REQUIRE(parent.size() == Life::stacks);
  for (StackId stack = 0; stack < Life::stacks; ++stack) {
    CAPTURE(stack);
    const auto at = f.life.twin.stacks.find(stack);
    Counters known = at == f.life.twin.stacks.end() ? Counters{} : at->second;
    if (stack == 18) known.alloc_bytes += 32u << 20, known.alloc_blocks += one_block;
    REQUIRE(parent[stack] == f.parents[stack]);
    REQUIRE(alloc_bytes[stack] == static_cast<double>(known.alloc_bytes));
    REQUIRE(alloc_blocks[stack] == static_cast<double>(known.alloc_blocks) / 256);
    REQUIRE(free_bytes[stack] == static_cast<double>(known.free_bytes));
    REQUIRE(free_blocks[stack] == static_cast<double>(known.free_blocks) / 256);
    REQUIRE(foreign[stack] == static_cast<double>(known.foreign_blocks) / 256);
  }
}

void compare_blocks(const Fixture& f, const DumpColumns& dump) {
  const auto address = column<std::uint64_t>(dump, "live.address"),
             size = column<std::uint64_t>(dump, "live.size");
  const auto weight = column<double>(dump, "live.weight");
  const auto stack = column<std::uint32_t>(dump, "live.stack"),
             thread = column<std::uint32_t>(dump, "live.thread");
  const auto domain = column<std::uint8_t>(dump, "live.domain");
  const auto born = column<float>(dump, "live.born_s");
  REQUIRE(address.size() == f.life.twin.live.size() + 1);
  std::size_t known_blocks = 0;
  for (std::size_t row = 0; row < address.size(); ++row) {
    if (static_cast<Domain>(domain[row]) == Domain::mapping) {
      REQUIRE(address[row] == 0x7E0010000000);
      REQUIRE(weight[row] == 32u << 20);
      continue;
    }
    const auto known = f.life.twin.live.find(address[row]);
    REQUIRE(known != f.life.twin.live.end());
    REQUIRE(size[row] == known->second.size);
    REQUIRE(weight[row] == static_cast<double>(known->second.weight));
    REQUIRE(stack[row] == known->second.stack);
    REQUIRE(thread[row] == known->second.thread);
    REQUIRE(domain[row] == static_cast<std::uint8_t>(known->second.domain));
    REQUIRE(born[row] >= 4.8F);  // recording began five seconds before the test
    REQUIRE(born[row] < 120.0F);
    ++known_blocks;
  }
  REQUIRE(known_blocks == f.life.twin.live.size());
}

void compare_names(const Fixture& f, const DumpColumns& dump) {
  const auto frame = column<std::uint32_t>(dump, "stack.frame");
  const auto function = column<std::uint32_t>(dump, "frame.function"),
             file = column<std::uint32_t>(dump, "frame.file");
  const auto line = column<std::int32_t>(dump, "frame.line");
  const auto kind = column<std::uint8_t>(dump, "frame.kind");
  const auto offset = column<std::uint64_t>(dump, "frame.offset");
  CHECK(frame[0] == 0);
  for (StackId stack = 1; stack < Life::stacks; ++stack) {
    CAPTURE(stack);
    const FrameId id = frame[stack];
    const bool native = stack % 10 == 0;
    REQUIRE(kind[id] == (native ? 1 : 0));
    REQUIRE(text(dump, file[id]) == (native ? "/nowhere/library.so" : "/nowhere/module.py"));
    if (!native) REQUIRE(text(dump, function[id]) == "function " + std::to_string(stack % 50));
    REQUIRE(line[id] == static_cast<std::int32_t>(stack % 30));
    REQUIRE(offset[id] == (native ? 0x1000u + stack : 0u));
  }
  const auto name = column<std::uint32_t>(dump, "thread.name");
  const auto native_id = column<std::uint64_t>(dump, "thread.native_id");
  const auto ended = column<double>(dump, "thread.ended_s");
  REQUIRE(name.size() == Life::threads);
  for (std::size_t thread = 0; thread < name.size(); ++thread) {
    CHECK(text(dump, name[thread]) == (thread == 3 ? "" : "worker \xC3\xA4"));
    CHECK(native_id[thread] == thread + 100);
    CHECK(std::isnan(ended[thread]) == (thread != 2));
  }
  CHECK(column<std::uint64_t>(dump, "chunk.address") ==
        std::vector<std::uint64_t>{0x7E0000000000, 0x7E0010000000});
  CHECK(column<std::uint64_t>(dump, "chunk.size") == std::vector<std::uint64_t>{1u << 20, 32u << 20});
  CHECK(column<std::uint8_t>(dump, "chunk.kind") == std::vector<std::uint8_t>{0, 1});
  CHECK(column<std::uint32_t>(dump, "chunk.stack") == std::vector<std::uint32_t>{17, 18});
  CHECK(column<std::uint32_t>(dump, "chunk.thread") == std::vector<std::uint32_t>{1, 2});
  (void)f;
}

void compare_totals(const Fixture& f) {
  std::map<std::string, std::int64_t> found = f.totals();
  std::uint64_t live_bytes = 32u << 20, alloc_bytes = 32u << 20, free_bytes = 0, alloc_blocks = one_block,
                free_blocks = 0;
  for (std::size_t domain = 0; domain < 4; ++domain) {
    const DomainTotals& known = f.life.twin.totals[domain];
    const std::string name = domain_names[domain];
    CHECK(found["live_bytes." + name] == static_cast<std::int64_t>(known.alloc_bytes - known.free_bytes));
    CHECK(found["live_blocks." + name] ==
          static_cast<std::int64_t>((known.alloc_blocks - known.free_blocks) / 256));
    live_bytes += known.alloc_bytes - known.free_bytes;
    alloc_bytes += known.alloc_bytes;
    free_bytes += known.free_bytes;
    alloc_blocks += known.alloc_blocks;
    free_blocks += known.free_blocks;
  }
  CHECK(found["live_bytes"] == static_cast<std::int64_t>(live_bytes));
  CHECK(found["alloc_bytes"] == static_cast<std::int64_t>(alloc_bytes));
  CHECK(found["free_bytes"] == static_cast<std::int64_t>(free_bytes));
  CHECK(found["alloc_blocks"] == static_cast<std::int64_t>(alloc_blocks / 256));
  CHECK(found["free_blocks"] == static_cast<std::int64_t>(free_blocks / 256));
  CHECK(found["foreign_frees"] == static_cast<std::int64_t>(f.life.twin.foreign_blocks / 256));
  CHECK(found["arena_count"] == 1);
  CHECK(found["arena_bytes"] == 1 << 20);
  CHECK(found["mapping_count"] == 1);
  CHECK(found["mapping_bytes"] == 32 << 20);
  CHECK(found["large_mapping_count"] == 1);
  CHECK(found["threads"] == Life::threads);
  CHECK(found["threads_alive"] == Life::threads - 1);
  CHECK(found["stacks"] == Life::stacks);
}

void compare_top_stacks(const Fixture& f) {
  std::map<StackId, double> bytes, blocks;
  bytes[18] = 32u << 20;
  blocks[18] = 1;
  for (const auto& [address, block] : f.life.twin.live) {
    bytes[block.stack] += static_cast<double>(block.weight);
    blocks[block.stack] +=
        block.size == 0 ? 1 : static_cast<double>(block.weight) / static_cast<double>(block.size);
  }
  const std::vector<StackRow> all = f.reader().stacks(0, 10'000, true);
  REQUIRE(all.size() == bytes.size());
  for (std::size_t at = 0; at < all.size(); ++at) {
    const StackRow& row = all[at];
    CAPTURE(row.stack);
    REQUIRE(static_cast<double>(row.live_bytes) == bytes[row.stack]);
    REQUIRE(row.live_blocks == doctest::Approx(blocks[row.stack]).epsilon(1e-3));  // counted in 1/256
    REQUIRE(row.age_bytes[0] + row.age_bytes[1] + row.age_bytes[2] + row.age_bytes[3] + row.age_bytes[4] ==
            row.live_bytes);
    if (at != 0) REQUIRE(row.live_bytes <= all[at - 1].live_bytes);
  }
  const std::vector<StackRow> top = f.reader().stacks(0, 5, false);
  REQUIRE(top.size() == 5);
  for (std::size_t at = 0; at < 5; ++at) CHECK(top[at].live_bytes == all[at].live_bytes);
  const std::int64_t limit = all[all.size() / 2].live_bytes;
  for (const StackRow& row : f.reader().stacks(limit, 10'000, false)) CHECK(row.live_bytes >= limit);
}

void compare(const Fixture& f) {
  const DumpColumns dump = f.reader().dump();
  CHECK(broken_promise(dump) == "");
  compare_stacks(f, dump);
  compare_blocks(f, dump);
  compare_names(f, dump);
  compare_totals(f);
  compare_top_stacks(f);
}

// --- scribbling

std::vector<Section> sections_of(const ScratchLedger& scratch) {
  const Header& header = scratch.header();
  return {{0, sizeof(Header)}, header.threads,        header.string_index,
          header.string_bytes, header.frames,         header.nodes,
          header.counters[0],  header.counters[1],    header.block_rows,
          header.chunk_rows,   header.buffer_rows,    header.buffer_counters,
          header.shadow_bases, header.shadow_regions, scratch.directory_at(0x7F0000000000)};
}

// A few bytes: noise, or a number that lies at some edge.
void scribble(Random& random, std::byte* at, std::uint64_t room) {
  constexpr std::uint64_t edges[] = {
      0, 1, 0xFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF};
  std::uint64_t value = between(random, 0, 1) == 0 ? random() : edges[between(random, 0, 7)];
  if (between(random, 0, 3) == 0) value = between(random, 0, 2'000);
  const std::uint64_t bytes = std::min<std::uint64_t>(between(random, 1, 8), room);
  std::memcpy(at, &value, bytes);
}

void scribble_over(Random& random, const ScratchLedger& scratch, const std::vector<Section>& sections,
                   int times) {
  for (int time = 0; time < times; ++time) {
    const Section& section = sections[between(random, 0, sections.size() - 1)];
    if (section.bytes == 0) continue;
    // Mostly where something is written; a directory's or a region's used words lie anywhere.
    const std::uint64_t used =
        std::min<std::uint64_t>(section.bytes, between(random, 0, 3) == 0 ? section.bytes : 8'192);
    std::uint64_t offset = between(random, 0, used - 1);
    if (between(random, 0, 1) == 0) offset = offset / 8 * 8;
    scribble(random, scratch.base() + section.offset + offset, section.bytes - offset);
  }
}

void survive(std::uint64_t seed, std::uint64_t interval_bytes) {
  CAPTURE(seed);
  Random random(seed);
  const Fixture f(seed, interval_bytes, 400, Room::small);
  const std::vector<Section> sections = sections_of(f.scratch);
  Header good;
  std::memcpy(static_cast<void*>(&good), static_cast<void*>(&f.scratch.header()), sizeof good);
  for (int round = 0; round < 12; ++round) {
    scribble_over(random, f.scratch, sections, static_cast<int>(between(random, 1, 200)));
    if (between(random, 0, 3) != 0) {  // sections where they were, all else as scribbled
      Header& header = f.scratch.header();
      header.magic = good.magic;
      header.layout = good.layout;
      header.header_bytes = good.header_bytes;
      header.file_bytes = good.file_bytes;
      std::memcpy(&header.threads, &good.threads, sections_bytes);
    }
    if (!is_sound(f.scratch.header(), f.scratch.bytes())) {
      std::memcpy(static_cast<void*>(&f.scratch.header()), static_cast<void*>(&good), sizeof good);
      continue;
    }
    const int fd = between(random, 0, 3) == 0 ? -1 : f.scratch.fd();
    REQUIRE(read_everything(LedgerReader(f.scratch.ledger(), fd)) == "");
  }
}

}  // namespace

TEST_CASE("a dump of exact recording equals the twin in every column") {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) compare(Fixture(seed, exact, 8'000));
}

TEST_CASE("a dump of sampled recording equals the twin in every column") {
  for (std::uint64_t seed = 4; seed <= 6; ++seed) compare(Fixture(seed, sampled, 8'000));
}

TEST_CASE("an empty ledger gives an empty dump that keeps its promises") {
  for (const std::uint64_t interval_bytes : {exact, sampled}) {
    const ScratchLedger scratch(interval_bytes);
    LedgerReader reader(scratch.ledger(), scratch.fd());
    const DumpColumns dump = reader.dump();
    CHECK(broken_promise(dump) == "");
    CHECK(column<std::uint64_t>(dump, "live.address").empty());
    CHECK(column<std::uint32_t>(dump, "stack.parent") == std::vector<std::uint32_t>{0});
    CHECK(column<std::uint32_t>(dump, "thread.name").size() == 1);
    CHECK(reader.stacks(0, 100, true).empty());
  }
}

TEST_CASE("blocks of threads beyond the table are those of one more row") {
  const ScratchLedger scratch(exact);
  Recorder recorder;
  recorder.attach(scratch.ledger());
  for (std::uint32_t thread = 0; thread <= other_threads; ++thread)
    recorder.thread_started(thread + 1, thread + 1, "t");
  recorder.allocated(0x1000, 40, Domain::obj, 0, other_threads, Locking::none);
  const DumpColumns dump = LedgerReader(scratch.ledger(), scratch.fd()).dump();
  CHECK(broken_promise(dump) == "");
  const auto name = column<std::uint32_t>(dump, "thread.name");
  REQUIRE(name.size() == std::size_t{other_threads} + 1);
  CHECK(text(dump, name.back()) == "(other threads)");
  CHECK(column<std::uint32_t>(dump, "live.thread") == std::vector<std::uint32_t>{other_threads});
}

TEST_CASE("survivors are sorted by age") {
  const ScratchLedger scratch(sampled);
  scratch.header().began_monotonic_ns = prim::coarse_ns() - 1'000'000'000'000u;  // a thousand seconds ago
  scratch.header().node_count = 2;
  LiveTable table;
  table.attach(scratch.ledger());
  std::uint64_t size = 1;
  for (const std::uint32_t age_s : {0u, 5u, 30u, 300u, 900u}) {
    BlockRow block{};
    block.address = size * 64;
    block.size = block.weight = size;
    block.stack = 1;
    block.born = 1'000'000 - age_s * 1'000;
    REQUIRE(table.put(block));
    size *= 10;
  }
  scratch.ledger().counters(0)[1] = {11'111, 5 * one_block, 0, 0, 0};
  const std::vector<StackRow> rows = LedgerReader(scratch.ledger(), scratch.fd()).stacks(0, 10, true);
  REQUIRE(rows.size() == 1);
  CHECK(rows[0].live_bytes == 11'111);
  for (int at = 0, bytes = 1; at < age_classes; ++at, bytes *= 10) CHECK(rows[0].age_bytes[at] == bytes);
}

TEST_CASE("a row that is being written is not shown") {
  const ScratchLedger scratch(sampled);
  LiveTable table;
  table.attach(scratch.ledger());
  BlockRow block{};
  block.address = 64;
  block.size = block.weight = 10;
  REQUIRE(table.put(block));
  scratch.ledger().block_rows()[1].sequence |= 1;
  int seen = 0;
  LedgerReader(scratch.ledger(), scratch.fd()).for_each_block([&](const Block&) { ++seen; });
  CHECK(seen == 0);
}

TEST_CASE("a section that is smaller than those it is indexed with is not sound") {
  const ScratchLedger scratch(exact, Room::small);
  Header& header = scratch.header();
  REQUIRE(is_sound(header, scratch.bytes()));
  const auto check_refused = [&](Section& section) {
    const Section whole = section;
    section.bytes /= 2;
    CHECK_FALSE(is_sound(header, scratch.bytes()));
    section = whole;
    REQUIRE(is_sound(header, scratch.bytes()));
  };
  check_refused(header.threads);
  check_refused(header.counters[0]);
  check_refused(header.counters[1]);
  check_refused(header.shadow_directory);
  check_refused(header.shadow_regions);
}

TEST_CASE("an exact ledger that someone scribbled over is read without a crash") {
  for (std::uint64_t seed = 1; seed <= 60; ++seed) survive(seed, exact);
}

TEST_CASE("a sampled ledger that someone scribbled over is read without a crash") {
  for (std::uint64_t seed = 101; seed <= 160; ++seed) survive(seed, sampled);
}
