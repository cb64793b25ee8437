#include "crc32.h"

#include <array>
#include <bit>
#include <cstring>

namespace leakscope {
namespace {

// Slicing by 16: table k answers "what does this byte do to the CRC when k more bytes follow", so sixteen bytes
// are sixteen independent look-ups instead of a chain of sixteen.
constexpr std::size_t kSlices = 16;
using Tables = std::array<std::array<std::uint32_t, 256>, kSlices>;

constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1U) != 0 ? (crc >> 1) ^ 0xEDB88320U : crc >> 1;
    tables[0][byte] = crc;
  }
  for (std::size_t slice = 1; slice < kSlices; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = tables[slice - 1][byte];
      tables[slice][byte] = (crc >> 8) ^ tables[0][crc & 0xFFU];
    }
  }
  return tables;
}

constexpr Tables kTables = make_tables();

std::uint32_t load32(const std::byte* from) noexcept {
  static_assert(std::endian::native == std::endian::little,
                "the slices are laid out for little-endian words");
  std::uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// The share of one 4-byte word whose last byte is `behind` bytes before the end of the block.
std::uint32_t slice(std::uint32_t word, std::size_t behind) noexcept {
  return kTables[behind + 3][word & 0xFFU] ^ kTables[behind + 2][(word >> 8) & 0xFFU] ^
         kTables[behind + 1][(word >> 16) & 0xFFU] ^ kTables[behind][word >> 24];
}

}  // namespace

std::uint32_t crc32(std::span<const std::byte> data, std::uint32_t before) noexcept {
  std::uint32_t crc = ~before;
  const std::byte* at = data.data();
  std::size_t left = data.size();
  for (; left >= kSlices; at += kSlices, left -= kSlices) {
    crc = slice(load32(at) ^ crc, 12) ^ slice(load32(at + 4), 8) ^ slice(load32(at + 8), 4) ^
          slice(load32(at + 12), 0);
  }
  for (; left > 0; ++at, --left) {
    crc = (crc >> 8) ^ kTables[0][(crc ^ std::to_integer<std::uint32_t>(*at)) & 0xFFU];
  }
  return ~crc;
}

}  // namespace leakscope
