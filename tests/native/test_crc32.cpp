// CRC-32 against published values and against its definition, bit by bit.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <random>
#include <string_view>
#include <vector>

#include "crc32.h"

namespace {

using leakscope::crc32;

std::uint32_t crc_of(std::string_view text) {
  return crc32(std::as_bytes(std::span(text)));
}

std::uint32_t crc_by_definition(std::span<const std::byte> data) {
  std::uint32_t crc = 0xFFFFFFFFU;
  for (const std::byte byte : data) {
    crc ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? (crc >> 1) ^ 0xEDB88320U : crc >> 1;
  }
  return ~crc;
}

std::vector<std::byte> random_bytes(std::size_t count) {
  std::mt19937 random(20240229);
  std::vector<std::byte> bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() & 0xFFU);
  return bytes;
}

}  // namespace

TEST_CASE("the CRC equals the published values") {
  CHECK(crc_of("") == 0);
  CHECK(crc_of("a") == 0xE8B7BE43U);
  CHECK(crc_of("123456789") == 0xCBF43926U);
  CHECK(crc_of("The quick brown fox jumps over the lazy dog") == 0x414FA339U);
  CHECK(crc_of(std::string_view("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32)) ==
        0x190A55ADU);
  CHECK(crc_of(std::string(32, '\xFF')) == 0xFF6CAB0BU);
}

TEST_CASE("the CRC equals its definition at every length and alignment") {
  const std::vector<std::byte> bytes = random_bytes(200);
  for (std::size_t begin = 0; begin < 17; ++begin) {
    for (std::size_t length = 0; begin + length <= bytes.size(); ++length) {
      const std::span<const std::byte> part(bytes.data() + begin, length);
      REQUIRE(crc32(part) == crc_by_definition(part));
    }
  }
}

TEST_CASE("the CRC of a whole equals the CRC continued over its parts") {
  const std::vector<std::byte> bytes = random_bytes(1000);
  const std::span<const std::byte> all(bytes);
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    REQUIRE(crc32(all.subspan(cut), crc32(all.first(cut))) == crc32(all));
  }
}
