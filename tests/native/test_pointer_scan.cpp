// The search for pointers against a stupid twin, and in this very process.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "pointer_scan.h"
#include "scratch_ledger.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

constexpr std::uint64_t disguise = 0x5555'5555'5555'5555ULL;
constexpr int blocks = 50;
constexpr std::size_t block_bytes = 3000;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Sanitizers bring a malloc of their own, and reserve terabytes that would all be looked through.
constexpr bool is_plain_process = false;
#else
constexpr bool is_plain_process = true;
#endif

bool points(std::uint64_t word, std::uint64_t begin, std::uint64_t size) {
  return word >= begin && word < begin + (size == 0 ? 1 : size);
}

bool is_int(std::uint64_t word) {
  return word % (1ULL << 32) < (1u << 30) && (word >> 32) < (1u << 30);
}

// Gives one of them; their addresses are nowhere else.
[[gnu::noinline]] void* ring_of_blocks(std::uint64_t* disguised) {
  void** first = static_cast<void**>(std::malloc(block_bytes));
  void** last = first;
  for (int at = 0; at < blocks; ++at) {
    disguised[at] = reinterpret_cast<std::uintptr_t>(last) ^ disguise;
    void** next = at + 1 < blocks ? static_cast<void**>(std::malloc(block_bytes)) : first;
    last[3] = next;
    last = next;
  }
  return first;
}

// Where functions that have returned kept addresses.
[[gnu::noinline]] void overwrite_stack() {
  volatile std::uint64_t words[512];
  for (auto& word : words) word = 0;
}

}  // namespace

TEST_CASE("every answer is that of looking at each word for each block") {
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::uint64_t base = between(random, 1, 1u << 30) * 4096;
    std::vector<std::uint64_t> address, size, words;
    for (std::uint64_t at = base; address.size() < 40; at += between(random, 16, 9000)) {
      const std::uint64_t room = between(random, 0, 200);
      address.push_back(at);
      size.push_back(room);
      at += room;
    }
    for (int at = 0; at < 60; ++at) {
      const std::uint64_t to = address[between(random, 0, address.size() - 1)] + between(random, 0, 220) - 10;
      words.push_back(at % 3 == 0 ? (to >> 30) << 32 | to % (1u << 30) : to);
    }
    const std::uint64_t where = address[between(random, 0, address.size() - 1)] / 8 * 8;
    PointerScan scan(address, size);
    scan.look(where, words.data(), words.size());
    const std::vector<std::uint8_t> found = scan.answer();
    for (std::size_t row = 0; row < address.size(); ++row) {
      bool known = false;
      for (std::size_t at = 0; at < words.size(); ++at) {
        if (points(where + at * 8, address[row], size[row])) continue;  // its own
        const std::uint64_t word = words[at];
        known = known || points(word, address[row], size[row]) ||
                points(word % (1ULL << 48), address[row], size[row]) ||
                (is_int(word) && points((word >> 32) << 30 | word % (1u << 30), address[row], size[row]));
      }
      CAPTURE(row);
      REQUIRE(found[row] == static_cast<std::uint8_t>(known ? Pointed::yes : Pointed::no));
    }
  }
}

TEST_CASE("what lies in pieces counts if these are reached, as in a search from each to each") {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::uint64_t base = between(random, 1, 1u << 30) * 4096;
    constexpr std::size_t count = 600;
    KnownPieces pieces;
    std::vector<std::uint64_t> words(count), address, size;
    // Pieces in use, free ones and what nobody knows take turns; a block in three of the pieces in use was sampled.
    for (std::uint64_t at = between(random, 8, 60); at + 20 < count; at += between(random, 0, 3)) {
      const std::uint64_t length = between(random, 2, 12);
      const Span piece{base + at * 8, base + (at + length) * 8};
      const bool used = between(random, 0, 3) != 0;
      (used ? pieces.used : pieces.free).push_back(piece);
      if (used ? between(random, 0, 2) == 0 : between(random, 0, 5) == 0) {
        address.push_back(piece.begin);
        size.push_back(piece.end - piece.begin - 8);
      }
      at += length;
    }
    address.push_back(base + 8 * count + 16);  // outside of all pieces
    size.push_back(64);
    for (std::uint64_t& word : words) {
      const std::uint64_t to = base + between(random, 0, count * 8 + 100);
      const std::uint64_t kind = between(random, 0, 20);
      if (kind < 3) word = to;
      if (kind == 3) word = to | between(random, 1, 0xFFFF) << 48;
      if (kind == 4) word = (to >> 30) << 32 | to % (1u << 30);
      if (kind == 5) word = random();
    }

    PointerScan scan(address, size, pieces);
    const std::size_t half = between(random, 0, count);
    scan.look(base + half * 8, words.data() + half, count - half);  // in any order
    scan.look(base, words.data(), half);
    const std::vector<std::uint8_t> found = scan.answer();

    const auto piece_of = [&](std::uint64_t at) {
      return std::find_if(pieces.used.begin(), pieces.used.end(),
                          [&](const Span& one) { return one.contains(at); });
    };
    const auto is_free = [&](std::uint64_t at) {
      return std::any_of(pieces.free.begin(), pieces.free.end(),
                         [&](const Span& one) { return one.contains(at); });
    };
    std::vector<bool> reached(pieces.used.size());
    const auto counts = [&](std::size_t at) {
      const auto in = piece_of(base + at * 8);
      if (in != pieces.used.end()) return bool{reached[static_cast<std::size_t>(in - pieces.used.begin())]};
      return !is_free(base + at * 8);
    };
    const auto is_pointed = [&](const Span& room, std::uint64_t shared) {
      const Span block{room.begin, room.end - shared};
      for (std::size_t at = 0; at < count; ++at) {
        if (room.contains(base + at * 8) || !counts(at)) continue;
        const std::uint64_t word = words[at];
        if (block.contains(word) || block.contains(word % (1ULL << 48))) return true;
        if (is_int(word) && block.contains((word >> 32) << 30 | word % (1u << 30))) return true;
      }
      return false;
    };
    for (bool more = true; more;) {
      more = false;
      for (std::size_t at = 0; at < reached.size(); ++at)
        if (!reached[at] && is_pointed(pieces.used[at], 8)) more = reached[at] = true;
    }
    for (std::size_t row = 0; row < address.size(); ++row) {
      const auto in = piece_of(address[row]);
      const bool known = in != pieces.used.end()
                             ? bool{reached[static_cast<std::size_t>(in - pieces.used.begin())]}
                             : is_pointed({address[row], address[row] + size[row]}, 0);
      CAPTURE(row);
      REQUIRE(found[row] == static_cast<std::uint8_t>(known ? Pointed::yes : Pointed::no));
    }
  }
}

TEST_CASE(
    "an object that only its neighbours in the collector's list know is told from one that is referred to") {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const std::uint64_t base = between(random, 1, 1u << 30) * 4096;
    constexpr std::size_t count = 30, room = 10;
    std::vector<std::uint64_t> words(room * (count + 1)), address, size, heads;
    std::vector<std::uint8_t> objects;
    for (std::size_t at = 0; at < count; ++at) {
      address.push_back(base + at * room * 8);
      size.push_back(64);
      objects.push_back(between(random, 0, 3) != 0);
      heads.push_back(address.back() + between(random, 0, 1) * 16);
    }
    std::shuffle(heads.begin(), heads.end(), random);
    heads.push_back(base + count * room * 8);  // where the list begins: no block
    const auto word = [&](std::uint64_t where) -> std::uint64_t& { return words[(where - base) / 8]; };
    for (std::size_t at = 0; at < heads.size(); ++at) {
      const std::uint64_t next = heads[(at + 1) % heads.size()];
      word(heads[at]) = next;
      word(next + 8) = heads[at] | between(random, 0, 3);
    }
    std::vector<bool> referred(count);
    for (int at = 0; at < 8; ++at) {
      // A word in what is no block, or in the middle of another one, to an object, its list or its inside.
      const std::uint64_t from = between(random, 0, count - 1), to = between(random, 0, count - 1);
      if (from == to) continue;
      words[from * room + (between(random, 0, 1) == 0 ? 6 : 9)] = address[to] + between(random, 0, 4) * 8;
    }
    for (std::size_t from = 0; from < words.size(); ++from)
      for (std::size_t to = 0; to < count; ++to) {
        const bool own = base + from * 8 >= address[to] && base + from * 8 < address[to] + size[to];
        const bool link = from % room < 4 || from >= room * count;
        if (!own && !link && points(words[from], address[to], size[to])) referred[to] = true;
      }

    PointerScan scan(address, size, {}, objects);
    scan.look(base, words.data(), words.size());
    const std::vector<std::uint8_t> found = scan.answer();
    for (std::size_t row = 0; row < count; ++row) {
      const Pointed expected = referred[row] || objects[row] == 0 ? Pointed::yes : Pointed::linked;
      CAPTURE(row);
      REQUIRE(found[row] == static_cast<std::uint8_t>(expected));
    }
  }
}

TEST_CASE(
    "in another process what is kept is told from what is nowhere, and from a ring that was forgotten as a "
    "whole") {
  if (!is_plain_process) return;
  int told[2], over[2];
  REQUIRE(pipe(told) == 0);
  REQUIRE(pipe(over) == 0);
  const pid_t child = fork();  // but one: what a test has learnt would be found in the memory of a second one
  if (child == 0) {
    static std::uint64_t disguised[3 * blocks];
    static void* kept[1];
    kept[0] = ring_of_blocks(disguised);
    ring_of_blocks(disguised + blocks);
    for (int at = 2 * blocks; at < 3 * blocks; ++at)
      disguised[at] = reinterpret_cast<std::uintptr_t>(std::malloc(block_bytes)) ^ disguise;
    overwrite_stack();
    char done = 0;
    const bool sent = write(told[1], disguised, sizeof disguised) == sizeof disguised;
    _exit(sent && read(over[0], &done, 1) == 1 && kept[0] != nullptr ? 0 : 1);
  }
  std::vector<std::uint64_t> address(3 * blocks);
  const ssize_t bytes = static_cast<ssize_t>(address.size() * sizeof(std::uint64_t));
  REQUIRE(read(told[0], address.data(), static_cast<std::size_t>(bytes)) == bytes);
  for (std::uint64_t& one : address) one ^= disguise;
  const std::vector<std::uint64_t> size(address.size(), block_bytes);
  const auto process = static_cast<std::uint32_t>(child);
  const std::vector<std::uint8_t> found = pointed_blocks(process, address, size, {}, {}, 1u << 30);
  CHECK(pointed_blocks(process, address, size, {}, {}, 4096).empty());  // more memory than may be read
  CHECK(write(over[1], "", 1) == 1);
  waitpid(child, nullptr, 0);
  if (!found.empty()) {  // else a sandbox forbids it
    const auto yes = static_cast<std::uint8_t>(Pointed::yes), no = static_cast<std::uint8_t>(Pointed::no);
    const auto ring = found.begin() + blocks, alone = ring + blocks;
    CHECK(std::count(found.begin(), ring, yes) == blocks);
    CHECK(std::count(ring, alone, no) == blocks);
    CHECK(std::count(alone, found.end(), no) >= blocks - 2);
  }
  CHECK(pointed_blocks(process, address, size, {}, {}, 1u << 30).empty());  // it is gone
}
