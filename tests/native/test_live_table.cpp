// The table of live blocks against std::map, in both ways of recording.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>

#include "ledger_reader.h"
#include "live_table.h"
#include "scratch_ledger.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT
using Twin = std::map<std::uint64_t, BlockRow>;

constexpr std::uint64_t region = 1u << 20;
constexpr std::uint64_t giga = std::uint64_t{1} << 30;

// Even and odd ones, at both ends of a region, and beyond what the shadow holds; 48 bytes apart.
std::vector<std::uint64_t> places() {
  std::vector<std::uint64_t> found;
  for (const std::uint64_t base :
       {0x40 * region, 0x41 * region, 0x7F00001 * region, std::uint64_t{1} << 47}) {
    for (std::uint64_t at = 1; at <= 20; ++at) {
      found.push_back(base + at * 48);
      found.push_back(base + at * 48 + region / 2 + 8);
    }
  }
  found.push_back(0x41 * region - 16);
  found.push_back(0x42 * region - 16);
  found.push_back(0x42 * region - 8 - 48);
  return found;
}

BlockRow any_block(Random& random, std::uint64_t address, bool is_exact) {
  constexpr std::array<std::uint64_t, 9> sizes = {
      0, 1022, 1023, 1024, 8u << 20, (8u << 20) + 17, giga, 5 * giga + 1, 1u << 16};
  BlockRow block{};
  block.address = address;
  block.size =
      between(random, 0, 1) == 0 ? between(random, 1, 3000) : sizes[between(random, 0, sizes.size() - 1)];
  block.weight = is_exact ? block.size : block.size + between(random, 0, 65536);
  block.stack = static_cast<StackId>(between(random, 0, 1023));
  block.thread = static_cast<ThreadIndex>(between(random, 0, thread_limit - 1));
  block.domain = static_cast<Domain>(between(random, 0, domain_count - 1));
  block.born = static_cast<Moment>(between(random, 0, 900'000'000));
  return block;
}

void check_birth(double kept, double born) {  // thousandths of a second
  const double allowed = born * 0.004;
  REQUIRE(kept <= born + 0.5);
  REQUIRE(kept >= born - allowed - 1.0);
}

void check_same(const BlockRow& found, const BlockRow& known) {
  REQUIRE(found.address == known.address);
  REQUIRE(found.size == known.size);
  REQUIRE(found.weight == known.weight);
  REQUIRE(found.stack == known.stack);
  REQUIRE(found.thread == known.thread);
  REQUIRE(found.domain == known.domain);
  check_birth(found.born, known.born);
}

// What the parent reads of the table is what the twin holds.
void compare(const ScratchLedger& scratch, const Twin& twin) {
  std::map<std::uint64_t, Block> seen;
  LedgerReader(scratch.ledger(), scratch.fd()).for_each_block([&](const Block& block) {
    REQUIRE(seen.emplace(block.address, block).second);
  });
  REQUIRE(seen.size() == twin.size());
  for (const auto& entry : twin) {
    const BlockRow& known = entry.second;
    CAPTURE(known.address);
    const auto found = seen.find(known.address);
    REQUIRE(found != seen.end());
    REQUIRE(found->second.size == known.size);
    REQUIRE(found->second.weight == static_cast<double>(known.weight));
    REQUIRE(found->second.stack == known.stack);
    REQUIRE(found->second.thread == known.thread);
    REQUIRE(found->second.domain == known.domain);
    check_birth(found->second.born_s * 1e3, known.born);
  }
}

void live_a_life(std::uint64_t seed, std::uint64_t interval_bytes) {
  CAPTURE(seed);
  Random random(seed);
  const std::vector<std::uint64_t> addresses = places();
  const ScratchLedger scratch(interval_bytes);
  scratch.header().node_count = 1024;  // so that the reader knows the stacks
  LiveTable table;
  table.attach(scratch.ledger());
  Twin twin;
  for (int step = 0; step < 8'000; ++step) {
    const std::uint64_t address = addresses[between(random, 0, addresses.size() - 1)];
    const auto known = twin.find(address);
    const std::uint64_t event = between(random, 0, 9);
    if (event < 4) {
      const BlockRow block = any_block(random, address, interval_bytes == exact);
      REQUIRE(table.put(block));
      twin[address] = block;
    } else if (event < 8) {
      BlockRow block{};
      REQUIRE(table.take(address, block) == (known != twin.end()));
      if (known != twin.end()) {
        check_same(block, known->second);
        twin.erase(known);
      }
    } else {
      REQUIRE(table.contains(address) == (known != twin.end()));
    }
    if (step % 2'000 == 1'999) compare(scratch, twin);
  }
  for (const std::uint64_t address : addresses) {
    BlockRow block{};
    REQUIRE(table.take(address, block) == (twin.erase(address) == 1));
  }
  compare(scratch, {});
}

}  // namespace

TEST_CASE("the exact table agrees with a map, whatever the address and the size") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) live_a_life(seed, exact);
}

TEST_CASE("the sampled table agrees with a map, whatever the address and the size") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) live_a_life(seed, sampled);
}

TEST_CASE("rows of gone blocks are used again") {
  const ScratchLedger scratch(sampled);
  LiveTable table;
  table.attach(scratch.ledger());
  Random random(5);
  for (int round = 0; round < 50; ++round) {
    for (std::uint64_t at = 1; at <= 100; ++at) REQUIRE(table.put(any_block(random, at * 64, false)));
    for (std::uint64_t at = 1; at <= 100; ++at) {
      BlockRow block{};
      REQUIRE(table.take(at * 64, block));
    }
  }
  CHECK(scratch.header().block_high.load() == 101);
}

TEST_CASE("a full table refuses a block, and takes the next when one has gone") {
  const ScratchLedger scratch(sampled, Room::small);  // 1,024 rows, of which row 0 is nothing
  LiveTable table;
  table.attach(scratch.ledger());
  Random random(6);
  for (std::uint64_t at = 1; at <= 1023; ++at) REQUIRE(table.put(any_block(random, at * 64, false)));
  CHECK_FALSE(table.put(any_block(random, 1024 * 64, false)));
  CHECK_FALSE(table.contains(1024 * 64));
  BlockRow block{};
  REQUIRE(table.take(77 * 64, block));
  CHECK(table.put(any_block(random, 1024 * 64, false)));
  CHECK(table.contains(1024 * 64));
}

TEST_CASE("exact recording goes on in rows when the shadow has no region left") {
  const ScratchLedger scratch(exact, Room::small);  // eight regions
  scratch.header().node_count = 1024;
  LiveTable table;
  table.attach(scratch.ledger());
  Random random(7);
  Twin twin;
  for (std::uint64_t number = 1; number <= 20; ++number) {
    const BlockRow block = any_block(random, number * region + 32, true);
    REQUIRE(table.put(block));
    twin[block.address] = block;
    CHECK(table.contains(block.address));
  }
  compare(scratch, twin);
  for (const auto& [address, known] : twin) {
    BlockRow block{};
    REQUIRE(table.take(address, block));
    check_same(block, known);
  }
  compare(scratch, {});
}

TEST_CASE("a block put over another is counted as a collision where rows are kept") {
  const ScratchLedger scratch(sampled);
  LiveTable table;
  table.attach(scratch.ledger());
  Random random(8);
  REQUIRE(table.put(any_block(random, 4096, false)));
  REQUIRE(table.put(any_block(random, 4096, false)));
  CHECK(scratch.header().collisions.load() == 1);
}

TEST_CASE("a birth survives being taken and put back any number of times") {
  const ScratchLedger scratch(exact);
  LiveTable table;
  table.attach(scratch.ledger());
  const std::uint32_t last = ShadowTable::pack_birth(0xFFFFFFFF);
  for (std::uint32_t birth = 0; birth <= last; ++birth) {
    CAPTURE(birth);
    REQUIRE(table.put_exact(0x100000, {64, 1, 1, Domain::mem, birth}));
    BlockRow block{};
    for (int round = 0; round < 3; ++round) {
      REQUIRE(table.take(0x100000, block));
      REQUIRE(table.put(block));
    }
    ShadowTable::Entry entry{};
    REQUIRE(table.take_exact(0x100000, entry));
    REQUIRE(entry.birth == birth);
  }
}
