// The set of addresses against std::set, and the walk's other containers against the standard ones.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "address_bits.h"
#include "scratch_ledger.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

void* address(std::uint64_t value) {
  return reinterpret_cast<void*>(value);
}

// A few heaps far from each other, densely filled here and there.
std::uint64_t somewhere(Random& random) {
  const std::uint64_t heaps[] = {0x1000, 0x5555'0000'0000, 0x7fff'ffff'0000 - (1u << 20),
                                 std::uint64_t{1} << 26};
  return (heaps[between(random, 0, 3)] + between(random, 0, (1u << 20) - 1)) & ~std::uint64_t{7};
}

}  // namespace

TEST_CASE("members are numbered in the order of their addresses") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    AddressBits bits;
    std::set<std::uint64_t> twin;

    for (int step = 0; step < 3000; ++step) {
      const std::uint64_t value = somewhere(random);
      CHECK(bits.add(AddressBits::seen, address(value)) == twin.insert(value).second);
    }

    REQUIRE(bits.count() == twin.size());
    std::vector<std::uint64_t> visited;
    bits.each([&](void* member) {
      visited.push_back(reinterpret_cast<std::uint64_t>(member));
      return true;
    });
    CHECK(std::equal(visited.begin(), visited.end(), twin.begin(), twin.end()));
    std::uint32_t number = 0;
    for (const std::uint64_t value : twin) CHECK(bits.rank(address(value)) == number++);
  }
}

TEST_CASE("a mark says nothing of membership, nor one mark of another") {
  AddressBits bits;
  bits.add(AddressBits::marked, address(0x10008));
  bits.add(AddressBits::seen, address(0x10010));

  CHECK(bits.has(AddressBits::marked, address(0x10008)));
  CHECK_FALSE(bits.has(AddressBits::seen, address(0x10008)));
  CHECK_FALSE(bits.has(AddressBits::frozen, address(0x10010)));
  CHECK_FALSE(bits.has(AddressBits::seen, address(0x7000'0000'0000)));
  CHECK(bits.count() == 1);
}

TEST_CASE("what is no address of an object is known") {
  CHECK(AddressBits::is_possible(address(0x7fff'ffff'fff8)));
  CHECK_FALSE(AddressBits::is_possible(nullptr));
  CHECK_FALSE(AddressBits::is_possible(address(0xff8)));
  CHECK_FALSE(AddressBits::is_possible(address(0x10004)));
  CHECK_FALSE(AddressBits::is_possible(address(0x8000'0000'0000)));
}

TEST_CASE("visiting stops when it is told to") {
  AddressBits bits;
  for (std::uint64_t value = 0x10000; value < 0x10100; value += 8)
    bits.add(AddressBits::seen, address(value));
  bits.count();

  int visits = 0;
  bits.each([&](void*) { return ++visits < 5; });

  CHECK(visits == 5);
}

TEST_CASE("an array keeps what was pushed while it grows") {
  Mapped<std::uint64_t> array;
  for (std::uint64_t value = 0; value < 100'000; ++value) REQUIRE(array.push(value * value));

  CHECK(array.size() == 100'000);
  for (std::uint64_t value = 0; value < 100'000; ++value) REQUIRE(array[value] == value * value);
  CHECK(array.pop() == std::uint64_t{99'999} * 99'999);
}

TEST_CASE("an arena's things do not move and do not overlap") {
  Arena arena;
  Random random(3);
  std::vector<std::pair<unsigned char*, std::size_t>> taken;

  for (int step = 0; step < 5000; ++step) {
    const std::size_t bytes = 1 + between(random, 0, 1999);
    auto* place = static_cast<unsigned char*>(arena.take(bytes));
    REQUIRE(place != nullptr);
    REQUIRE(reinterpret_cast<std::uintptr_t>(place) % 16 == 0);
    std::fill(place, place + bytes, static_cast<unsigned char>(step));
    taken.emplace_back(place, bytes);
  }

  for (std::size_t step = 0; step < taken.size(); ++step)
    REQUIRE(std::all_of(taken[step].first, taken[step].first + taken[step].second,
                        [&](unsigned char byte) { return byte == static_cast<unsigned char>(step); }));
}

TEST_CASE("an index finds the number of every word it was told") {
  WordIndex index;
  std::map<std::uint64_t, std::uint32_t> twin;
  Random random(5);

  for (std::uint32_t step = 0; step < 50'000; ++step) {
    const std::uint64_t word = 1 + between(random, 0, 19'999) * 0x100000;
    std::uint32_t* number = index.place(word);
    REQUIRE(number != nullptr);
    const auto known = twin.find(word);
    CHECK(*number == (known == twin.end() ? WordIndex::absent : known->second));
    *number = twin[word] = step;
  }
}
