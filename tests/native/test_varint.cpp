// Numbers in few bytes: what is written comes back, and nothing is read that is not there.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <initializer_list>
#include <random>
#include <vector>

#include "varint.h"

namespace {

using namespace leakscope;  // NOLINT: the subject

// In memory of exactly that size.
std::vector<std::uint8_t> written(std::uint64_t value) {
  std::array<std::uint8_t, max_varint_bytes> room{};
  std::uint8_t* at = room.data();
  put_varint(at, value);
  return {room.data(), at};
}

bool reads(const std::vector<std::uint8_t>& bytes, std::uint64_t& value, std::size_t& used) {
  const std::uint8_t* at = bytes.data();
  const bool done = get_varint(at, bytes.data() + bytes.size(), value);
  used = static_cast<std::size_t>(at - bytes.data());
  return done;
}

}  // namespace

TEST_CASE("a number comes back, whatever its length, and never from fewer bytes") {
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    const std::uint64_t value = round < 64 ? std::uint64_t{1} << round : random() >> (random() % 64);
    std::vector<std::uint8_t> bytes = written(value);
    std::uint64_t back = ~value;
    std::size_t used = 0;
    REQUIRE(reads(bytes, back, used));
    REQUIRE(back == value);
    REQUIRE(used == bytes.size());
    bytes.pop_back();
    REQUIRE_FALSE(reads(bytes, back, used));
    REQUIRE(used == 0);
    REQUIRE(back == value);
  }
}

TEST_CASE("lengths are those of seven bits a byte") {
  CHECK(written(0).size() == 1);
  CHECK(written(127).size() == 1);
  CHECK(written(128) == std::vector<std::uint8_t>{0x80, 0x01});
  CHECK(written(300) == std::vector<std::uint8_t>{0xAC, 0x02});
  CHECK(written(~std::uint64_t{0}).size() == max_varint_bytes);
}

TEST_CASE("what does not fit 64 bits or does not end is no number") {
  std::uint64_t value = 0;
  std::size_t used = 0;
  std::vector<std::uint8_t> bytes(9, 0xFF);
  bytes.push_back(0x02);
  CHECK_FALSE(reads(bytes, value, used));
  bytes.back() = 0x81;
  bytes.push_back(0x00);
  CHECK_FALSE(reads(bytes, value, used));
  CHECK_FALSE(reads(std::vector<std::uint8_t>(30, 0x80), value, used));
  CHECK_FALSE(reads({}, value, used));
  CHECK(reads({0x81, 0x80, 0x00}, value, used));  // padded
  CHECK(value == 1);
  CHECK(used == 3);
}

TEST_CASE("signed numbers fold to 0, -1, 1, -2 and back") {
  for (const std::int64_t value :
       std::initializer_list<std::int64_t>{0, -1, 1, -2, 1'000'000, INT64_MIN, INT64_MAX})
    CHECK(unzigzag(zigzag(value)) == value);
  CHECK(zigzag(0) == 0);
  CHECK(zigzag(-1) == 1);
  CHECK(zigzag(1) == 2);
  CHECK(zigzag(INT64_MIN) == UINT64_MAX);
}
