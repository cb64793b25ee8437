// Lines of instructions against a twin that has one number per instruction: tables are written as CPython 3.11 and
// later write them, and asked in any order.
#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "location_table.h"

namespace {

using namespace leakscope;  // NOLINT: a test's subject

using Random = std::mt19937_64;

std::uint64_t up_to(Random& random, std::uint64_t most) {
  return std::uniform_int_distribution<std::uint64_t>(0, most)(random);
}

// A table, and the line of each two bytes of code.
struct Drawn {
  std::vector<std::uint8_t> table;
  std::vector<int> lines;
  int first_line = 1;
  int counted = 1;

  explicit Drawn(int first) : first_line(first), counted(first) {}

  void number(unsigned value) {
    for (; value >= 64; value >>= 6) table.push_back(static_cast<std::uint8_t>(64 | (value & 63)));
    table.push_back(static_cast<std::uint8_t>(value));
  }
  void signed_number(int value) {
    number(value < 0 ? (static_cast<unsigned>(-value) << 1) | 1 : static_cast<unsigned>(value) << 1);
  }
  void entry(unsigned kind, unsigned units, int delta) {
    table.push_back(static_cast<std::uint8_t>(128 | (kind << 3) | (units - 1)));
    if (kind < 10) table.push_back(0x5A);
    if (kind >= 10 && kind <= 12) {
      table.push_back(4);
      table.push_back(17);
    }
    if (kind == 13 || kind == 14) signed_number(delta);
    if (kind == 14) {
      number(3);
      number(200);
      number(70'000);
    }
    counted += delta;
    lines.insert(lines.end(), units, kind == 15 ? -1 : counted);
  }
  void any_entry(Random& random) {
    const auto kind = static_cast<unsigned>(up_to(random, 15));
    const auto units = static_cast<unsigned>(up_to(random, 7)) + 1;
    int delta = 0;
    if (kind >= 10 && kind <= 12) delta = static_cast<int>(kind) - 10;
    if (kind == 13 || kind == 14) delta = static_cast<int>(up_to(random, 5'000)) - 2'000;
    entry(kind, units, delta);
  }
  int ask(LineCursor& cursor, int offset) const {
    return line_at(cursor, table.data(), table.size(), first_line, offset);
  }
};

TEST_CASE("every instruction has the line that its entry says, asked in any order") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Drawn drawn(static_cast<int>(up_to(random, 10'000)));
    for (std::uint64_t count = up_to(random, 300) + 1; count > 0; --count) drawn.any_entry(random);
    LineCursor cursor = before_first(drawn.first_line);
    for (int step = 0; step < 2'000; ++step) {
      const auto unit = static_cast<std::size_t>(up_to(random, drawn.lines.size() - 1));
      REQUIRE(drawn.ask(cursor, static_cast<int>(unit) * 2) == drawn.lines[unit]);
    }
  }
}

TEST_CASE("an instruction behind the table has no line, and those before it still have theirs") {
  Drawn drawn(7);
  drawn.entry(11, 2, 1);
  LineCursor cursor = before_first(drawn.first_line);
  CHECK(drawn.ask(cursor, 4) == -1);
  CHECK(drawn.ask(cursor, 2) == 8);
  CHECK(drawn.ask(cursor, 0) == 8);
  LineCursor none = before_first(7);
  CHECK(line_at(none, nullptr, 0, 7, 0) == -1);
}

TEST_CASE("a table of any bytes is not left") {
  Random random(5);
  for (int round = 0; round < 2'000; ++round) {
    std::vector<std::uint8_t> table(up_to(random, 40));
    for (std::uint8_t& byte : table) byte = static_cast<std::uint8_t>(up_to(random, 255));
    table.shrink_to_fit();
    LineCursor cursor = before_first(1);
    for (const int offset : {0, 500, 2, 10'000, 4}) line_at(cursor, table.data(), table.size(), 1, offset);
    CHECK(cursor.at <= table.size());
  }
}

}  // namespace
