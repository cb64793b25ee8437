// Numbers in as few bytes as they need: seven bits a byte, the lowest first, the high bit says "more" (LEB128), and
// signed ones folded to unsigned (0, -1, 1, -2, ...). Writing trusts the caller's room, since the walker must not
// branch on it; reading trusts nothing, since a file may come from anyone. Allocates nothing, throws nothing.
#pragma once

#include <cstdint>

namespace leakscope {

constexpr int max_varint_bytes = 10;  // of 64 bits

constexpr std::uint64_t zigzag(std::int64_t value) noexcept {
  return (static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63);
}

constexpr std::int64_t unzigzag(std::uint64_t value) noexcept {
  return static_cast<std::int64_t>((value >> 1) ^ (~(value & 1) + 1));
}

// Writes `value` and moves `at` behind it. There must be room for max_varint_bytes.
constexpr void put_varint(std::uint8_t*& at, std::uint64_t value) noexcept {
  while (value >= 0x80) {
    *at++ = static_cast<std::uint8_t>(value | 0x80);
    value >>= 7;
  }
  *at++ = static_cast<std::uint8_t>(value);
}

// Reads a number that ends before `end` and fits 64 bits, and moves `at` behind it; or false, and `at` is where the
// number begins. Padded numbers ("0x80 0x00") are read as what they say.
constexpr bool get_varint(const std::uint8_t*& at, const std::uint8_t* end, std::uint64_t& value) noexcept {
  if (at == end) return false;
  std::uint64_t result = *at;
  if (result < 0x80) [[likely]] {
    value = result;
    ++at;
    return true;
  }
  result &= 0x7F;
  const std::uint8_t* next = at + 1;
  for (int shift = 7; shift < 70; shift += 7) {
    if (next == end) return false;
    const std::uint64_t byte = *next++;
    if (shift == 63 && byte > 1) return false;  // the tenth byte has room for one bit
    result |= (byte & 0x7F) << shift;
    if (byte < 0x80) {
      value = result;
      at = next;
      return true;
    }
  }
  return false;
}

}  // namespace leakscope
