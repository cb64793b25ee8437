// The table of exact recording against std::map, over the addresses and sizes where its packing has edges.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <vector>

#include "scratch_ledger.h"
#include "shadow_table.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT
using Entry = ShadowTable::Entry;
using Twin = std::map<std::uint64_t, Entry>;

constexpr std::uint64_t region = 1u << 20;
constexpr std::uint64_t giga = std::uint64_t{1} << 30;

bool same(const Entry& a, const Entry& b) {
  return a.size == b.size && a.stack == b.stack && a.thread == b.thread && a.domain == b.domain &&
         a.birth == b.birth;
}

// 32 bytes apart, so that no block's second granule is another block: at the beginning, in the middle and at the end
// of a region (where the second granule lies in the next one), low and high.
std::vector<std::uint64_t> places() {
  std::vector<std::uint64_t> found;
  for (const std::uint64_t base :
       {std::uint64_t{0x10} * region, std::uint64_t{0x11} * region, std::uint64_t{0x7F12345} * region,
        std::uint64_t{0x7FFFFFE} * region, std::uint64_t{0x7FFFFFF} * region}) {
    for (std::uint64_t at = 0; at < 12; ++at) {
      found.push_back(base + 16 + at * 32);
      found.push_back(base + region / 2 + at * 32);
    }
  }
  for (const std::uint64_t number : {0x10u, 0x11u, 0x7F12345u, 0x7FFFFFEu})
    found.push_back((number + 1) * region - 16);
  return found;
}

std::uint64_t any_size(Random& random) {
  constexpr std::array<std::uint64_t, 16> edges = {0,
                                                   1,
                                                   15,
                                                   16,
                                                   512,
                                                   1021,
                                                   1022,
                                                   1023,
                                                   1024,
                                                   1025,
                                                   (8u << 20) - 1,
                                                   8u << 20,
                                                   (8u << 20) + 1,
                                                   4 * giga + 5,
                                                   64 * giga,
                                                   std::uint64_t{1} << 60};
  const std::uint64_t kind = between(random, 0, 3);
  if (kind == 0) return between(random, 0, 1022);
  if (kind == 1) return between(random, 1023, 1u << 22);
  return edges[between(random, 0, edges.size() - 1)];
}

Entry any_entry(Random& random) {
  return {any_size(random), static_cast<StackId>(between(random, 0, stack_limit - 1)),
          static_cast<ThreadIndex>(between(random, 0, thread_limit - 1)),
          static_cast<Domain>(between(random, 0, domain_count - 1)),
          static_cast<std::uint32_t>(between(random, 0, 8191))};
}

// for_each sees exactly the twin's blocks, once each.
void compare(const ShadowTable& table, int fd, const Twin& twin) {
  Twin seen;
  table.for_each(fd, [&](std::uint64_t address, const Entry& entry) {
    CAPTURE(address);
    REQUIRE(seen.emplace(address, entry).second);
    const auto known = twin.find(address);
    REQUIRE(known != twin.end());
    REQUIRE(same(known->second, entry));
  });
  REQUIRE(seen.size() == twin.size());
}

}  // namespace

TEST_CASE("only multiples of 16 below 2^47 fit") {
  CHECK(ShadowTable::fits(0x7FFFFFFFFFF0));
  CHECK(ShadowTable::fits(16));
  CHECK_FALSE(ShadowTable::fits(0x7FFFFFFFFFF8));
  CHECK_FALSE(ShadowTable::fits(0x800000000000));
  CHECK_FALSE(ShadowTable::fits(0xFFFFFFFFFFFFFFF0));
  for (std::uint64_t low = 1; low < 16; ++low) CHECK_FALSE(ShadowTable::fits(0x1000 + low));
}

TEST_CASE("the shadow agrees with a map while blocks come, go and are put again") {
  const std::vector<std::uint64_t> addresses = places();
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const ScratchLedger scratch(exact);
    ShadowTable table;
    table.attach(scratch.ledger());
    Twin twin;
    for (int step = 0; step < 6'000; ++step) {
      const std::uint64_t address = addresses[between(random, 0, addresses.size() - 1)];
      const auto known = twin.find(address);
      const std::uint64_t event = between(random, 0, 9);
      if (event < 5) {
        const Entry entry = any_entry(random);
        REQUIRE(table.put(address, entry));
        twin[address] = entry;
      } else if (event < 8) {
        Entry entry{};
        REQUIRE(table.take(address, entry) == (known != twin.end()));
        if (known != twin.end()) {
          REQUIRE(same(entry, known->second));
          twin.erase(known);
        }
      } else {
        REQUIRE(table.contains(address) == (known != twin.end()));
      }
    }
    compare(table, scratch.fd(), twin);
    compare(table, -1, twin);
    CHECK(scratch.header().shadow_region_count.load() == 7);  // five, and two that only hold second granules
  }
}

TEST_CASE("a long block's second granule is no block") {
  const ScratchLedger scratch(exact);
  ShadowTable table;
  table.attach(scratch.ledger());
  for (const std::uint64_t size :
       {std::uint64_t{1023}, std::uint64_t{8u << 20}, 5 * giga, std::uint64_t{1} << 60}) {
    CAPTURE(size);
    REQUIRE(table.put(0x100000, {size, 7, 3, Domain::obj, 1}));
    Entry entry{};
    CHECK_FALSE(table.contains(0x100010));
    CHECK_FALSE(table.take(0x100010, entry));
    REQUIRE(table.take(0x100000, entry));
    CHECK(entry.size == size);
  }
}

TEST_CASE("what a forgotten long block left in its second granule is no block") {
  const ScratchLedger scratch(exact);
  ShadowTable table;
  table.attach(scratch.ledger());
  // The free of the long block was missed, then its memory was handed out in smaller pieces.
  REQUIRE(table.put(0x100000, {5000, 7, 3, Domain::obj, 1}));
  REQUIRE(table.put(0x100000, {16, 8, 3, Domain::obj, 2}));
  Entry entry{};
  CHECK_FALSE(table.contains(0x100010));
  CHECK_FALSE(table.take(0x100010, entry));
  REQUIRE(table.take(0x100000, entry));
  CHECK(entry.size == 16);
}

TEST_CASE("a block recorded in a forgotten long one stays, and no size is made up from it") {
  const ScratchLedger scratch(exact);
  ShadowTable table;
  table.attach(scratch.ledger());
  REQUIRE(table.put(0x100000, {5000, 7, 3, Domain::obj, 1}));
  const Entry inner{24, 0xABCDEF, 9, Domain::mem, 2};
  REQUIRE(table.put(0x100010, inner));
  compare(table, scratch.fd(), {{0x100010, inner}});
  Entry entry{};
  REQUIRE(table.take(0x100000, entry));
  CHECK(entry.size == 1023);  // at least that; the rest is overwritten
  REQUIRE(table.take(0x100010, entry));
  CHECK(same(entry, inner));
}

TEST_CASE("when all regions are taken a block is refused and nothing else is lost") {
  const ScratchLedger scratch(exact, Room::small);  // eight regions
  ShadowTable table;
  table.attach(scratch.ledger());
  Twin twin;
  for (std::uint64_t number = 1; number <= 8; ++number) {
    const Entry entry{40, static_cast<StackId>(number), 1, Domain::raw, 0};
    REQUIRE(table.put(number * region, entry));
    twin[number * region] = entry;
  }
  CHECK_FALSE(table.put(9 * region, {40, 9, 1, Domain::raw, 0}));
  CHECK_FALSE(table.contains(9 * region));
  // A long block whose second granule would need the ninth.
  CHECK_FALSE(table.put(9 * region - 16, {4096, 9, 1, Domain::raw, 0}));
  CHECK_FALSE(table.contains(9 * region - 16));
  compare(table, scratch.fd(), twin);
}

TEST_CASE("a reader does not follow a directory that leads outside") {
  const ScratchLedger scratch(exact, Room::small);  // eight regions, then the wall
  ShadowTable table;
  table.attach(scratch.ledger());
  const Entry small{40, 3, 1, Domain::raw, 0};
  REQUIRE(table.put(region, {5000, 7, 3, Domain::obj, 1}));
  REQUIRE(table.put(region + 8192, small));
  for (const std::uint32_t wrong : {9u, 0x80000000u, 0xFFFFFFFFu}) {
    scratch.ledger().shadow_directory()[1] = wrong;
    CHECK_FALSE(table.contains(region));
    compare(table, scratch.fd(), {{region + 8192, small}});  // the long one's size cannot be had
  }
}

TEST_CASE("a birth is kept to a thousandth of a second or 0.4 percent, however long the program runs") {
  const auto kept = [](Moment born) { return ShadowTable::birth_moment(ShadowTable::pack_birth(born)); };
  Random random(3);
  const auto check = [&](Moment born) {
    CAPTURE(born);
    REQUIRE(ShadowTable::pack_birth(born) <= 8191);
    REQUIRE(kept(born) <= born);  // never born later than it was
    REQUIRE(born - kept(born) <= born * 0.004);
  };
  for (Moment born = 0; born < 400'000; ++born) check(born);
  for (int step = 0; step < 100'000; ++step) check(static_cast<Moment>(between(random, 0, 0xFFFFFFFF)));
  check(0xFFFFFFFF);
}

TEST_CASE("births never run backwards") {
  std::uint32_t before = 0;
  for (std::uint64_t born = 0; born <= 0xFFFFFFFF; born += 9'973) {
    const std::uint32_t birth = ShadowTable::pack_birth(static_cast<Moment>(born));
    REQUIRE(birth >= before);
    before = birth;
  }
}
