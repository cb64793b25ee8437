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

bool points(std::uint64_t word, std::uint64_t begin, std::uint64_t size) {
  return word >= begin && word < begin + (size == 0 ? 1 : size);
}

bool is_int(std::uint64_t word) {
  return word % (1ULL << 32) < (1u << 30) && (word >> 32) < (1u << 30);
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
                (is_int(word) && points((word >> 32) << 30 | word % (1u << 30), address[row], size[row]));
      }
      CAPTURE(row);
      REQUIRE(found[row] == static_cast<std::uint8_t>(known ? Pointed::yes : Pointed::no));
    }
  }
}

TEST_CASE("in another process a block that is kept is told from those whose address is nowhere") {
  int told[2], over[2];
  REQUIRE(pipe(told) == 0);
  REQUIRE(pipe(over) == 0);
  const pid_t child = fork();
  if (child == 0) {
    static std::uint64_t disguised[blocks + 1];
    static void* volatile kept;
    kept = std::malloc(3000);
    disguised[blocks] = reinterpret_cast<std::uintptr_t>(kept) ^ disguise;
    for (int at = 0; at < blocks; ++at)
      disguised[at] = reinterpret_cast<std::uintptr_t>(std::malloc(3000)) ^ disguise;
    char done = 0;
    const bool sent = write(told[1], disguised, sizeof disguised) == sizeof disguised;
    _exit(sent && read(over[0], &done, 1) == 1 ? 0 : 1);
  }
  std::vector<std::uint64_t> address(blocks + 1);
  const ssize_t bytes = static_cast<ssize_t>(address.size() * sizeof(std::uint64_t));
  REQUIRE(read(told[0], address.data(), static_cast<std::size_t>(bytes)) == bytes);
  for (std::uint64_t& one : address) one ^= disguise;
  const std::vector<std::uint64_t> size(address.size(), 3000);
  const auto process = static_cast<std::uint32_t>(child);
  const std::vector<std::uint8_t> found = pointed_blocks(process, address, size, 1u << 30);
  CHECK(pointed_blocks(process, address, size, 4096).empty());  // more memory than may be read
  CHECK(write(over[1], "", 1) == 1);
  waitpid(child, nullptr, 0);
  if (!found.empty()) {  // else a sandbox forbids it
    CHECK(found.back() == static_cast<std::uint8_t>(Pointed::yes));
    CHECK(std::count(found.begin(), found.end() - 1, static_cast<std::uint8_t>(Pointed::no)) >= blocks - 2);
  }
  CHECK(pointed_blocks(process, address, size, 1u << 30).empty());  // it is gone
}
