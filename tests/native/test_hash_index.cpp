// The index against std::unordered_map. Keys are rows' own, as in the tables; hashes are made to collide at will.
#include <doctest/doctest.h>

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "hash_index.h"
#include "scratch_ledger.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

// Rows with keys, and the index over them.
class Table {
 public:
  explicit Table(std::uint64_t hash_mask) : hash_mask_(hash_mask) {}

  std::uint32_t find(std::uint64_t key) const {
    return index_.find(hash(key), [&](std::uint32_t row) { return keys_[row] == key; });
  }
  std::uint32_t insert(std::uint64_t key) {
    const auto row = static_cast<std::uint32_t>(keys_.size());
    keys_.push_back(key);
    REQUIRE(index_.insert(hash(key), row, [&](std::uint32_t at) { return hash(keys_[at]); }));
    return row;
  }
  std::uint32_t take(std::uint64_t key) {
    return index_.take(
        hash(key), [&](std::uint32_t row) { return keys_[row] == key; },
        [&](std::uint32_t row) { return hash(keys_[row]); });
  }
  void clear() { index_.clear(); }
  std::uint64_t size() const { return index_.size(); }

 private:
  std::uint64_t hash(std::uint64_t key) const { return mixed(key) & hash_mask_; }

  std::uint64_t hash_mask_;
  HashIndex index_;
  std::vector<std::uint64_t> keys_{0};  // row 0 is nothing
};

// `steps` random events over `keys` keys; afterwards every key is looked up.
void compare(std::uint64_t seed, std::uint64_t hash_mask, std::uint64_t keys, int steps) {
  CAPTURE(seed);
  CAPTURE(hash_mask);
  Random random(seed);
  Table table(hash_mask);
  std::unordered_map<std::uint64_t, std::uint32_t> twin;
  for (int step = 0; step < steps; ++step) {
    const std::uint64_t key = between(random, 1, keys) * 16;
    const auto known = twin.find(key);
    const std::uint32_t row = known == twin.end() ? 0 : known->second;
    const std::uint64_t event = between(random, 0, 9);
    if (event < 2) {
      REQUIRE(table.find(key) == row);
    } else if (event < 6) {
      REQUIRE(table.take(key) == row);
      twin.erase(key);
    } else if (row == 0) {
      twin[key] = table.insert(key);
    }
    REQUIRE(table.size() == twin.size());
  }
  for (std::uint64_t key = 16; key <= keys * 16; key += 16) {
    const auto known = twin.find(key);
    REQUIRE(table.find(key) == (known == twin.end() ? 0 : known->second));
  }
}

}  // namespace

TEST_CASE("an empty index finds and takes nothing") {
  Table table(~std::uint64_t{0});
  CHECK(table.find(16) == 0);
  CHECK(table.take(16) == 0);
  CHECK(table.size() == 0);
}

TEST_CASE("the index agrees with an unordered map while rows come and go") {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) compare(seed, ~std::uint64_t{0}, 600, 20'000);
}

TEST_CASE("the index agrees with an unordered map when all rows want the same few places") {
  for (const std::uint64_t hash_mask : {0x0ULL, 0x1ULL, 0x7ULL, 0x3FULL}) compare(11, hash_mask, 200, 10'000);
}

TEST_CASE("a run that goes over the end of the index is closed like any other") {
  // Home places are the last four of the first 1,024, so that runs wrap to the beginning.
  Random random(12);
  HashIndex index;
  std::vector<std::uint64_t> home{0};
  std::unordered_map<std::uint32_t, bool> lives;
  const auto hash_of = [&](std::uint32_t row) { return home[row]; };
  for (std::uint32_t row = 1; row <= 300; ++row) {
    home.push_back(1020 + between(random, 0, 3));
    REQUIRE(index.insert(home[row], row, hash_of));
    lives[row] = true;
  }
  for (int step = 0; step < 3'000; ++step) {
    const auto row = static_cast<std::uint32_t>(between(random, 1, 300));
    if (lives[row]) {
      REQUIRE(index.take(
                  home[row], [&](std::uint32_t at) { return at == row; }, hash_of) == row);
    } else {
      REQUIRE(index.insert(home[row], row, hash_of));
    }
    lives[row] = !lives[row];
    for (std::uint32_t at = 1; at <= 300; at += 7)
      REQUIRE(index.find(home[at], [&](std::uint32_t other) { return other == at; }) == (lives[at] ? at : 0));
  }
}

TEST_CASE("rows survive growth from nothing to a hundred thousand") {
  Table table(~std::uint64_t{0});
  for (std::uint32_t key = 1; key <= 100'000; ++key) REQUIRE(table.insert(std::uint64_t{key} * 16) == key);
  for (std::uint32_t key = 1; key <= 100'000; ++key) REQUIRE(table.find(std::uint64_t{key} * 16) == key);
  CHECK(table.find(8) == 0);
  for (std::uint32_t key = 1; key <= 100'000; ++key) REQUIRE(table.take(std::uint64_t{key} * 16) == key);
  CHECK(table.size() == 0);
}

TEST_CASE("a cleared index is empty and can be used again") {
  Table table(~std::uint64_t{0});
  for (std::uint64_t key = 1; key <= 5'000; ++key) table.insert(key);
  table.clear();
  CHECK(table.size() == 0);
  CHECK(table.find(7) == 0);
  const std::uint32_t row = table.insert(7);
  CHECK(table.find(7) == row);
}
