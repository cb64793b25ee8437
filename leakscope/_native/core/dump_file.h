// The bytes of a .lks file, version 1, as the writer lays them down and the reader expects them. This header knows
// sizes and offsets; what the columns mean is told in leakscope/formats/LKS.md. Everything is little-endian.
//
//        0        8       12       16       24       32       36       40       44            64
//        +--------+-------+--------+--------+--------+--------+--------+--------+-------------+
// header | magic  |version| header | file   | direct.| direct.| direct.| header |   zeros     |
//        |        |  = 1  | size=64| length | offset | count  | CRC-32 | CRC-32 |             |
//        +--------+-------+--------+--------+--------+--------+--------+--------+-------------+
//        the header's CRC covers bytes 0 to 40; the directory's covers count * 64 bytes
//
//        0                                40      44       48       56       64
//        +---------------------------------+-------+--------+--------+--------+
// entry  | name, ASCII, zero padded        | dtype | column | count  | offset |   one for each column
//        |                                 |       | CRC-32 |        |        |
//        +---------------------------------+-------+--------+--------+--------+
//
// Whatever a later version changes, bytes 0 to 44 keep their meaning, so that an old reader can tell a newer file
// from a damaged one.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace leakscope {

static_assert(std::endian::native == std::endian::little,
              "dumps are little-endian and written as memory lies");

// As PNG's: a byte that is no text, a name, and line ends that a text-mode transfer would change.
inline constexpr std::array<unsigned char, 8> kDumpMagic = {0x89, 'L', 'K', 'S', '\r', '\n', 0x1A, '\n'};
inline constexpr std::uint32_t kDumpVersion = 1;
inline constexpr std::uint64_t kColumnAlignment = 64;  // bytes; a cache line, and any dtype's alignment
inline constexpr std::size_t kColumnNameMost = 39;     // characters; one zero byte always follows
inline constexpr std::uint32_t kColumnsMost = 4096;    // a bound for readers; real dumps have some fifty

struct DumpHeader {
  std::array<unsigned char, 8> magic;
  std::uint32_t version;
  std::uint32_t header_size;
  std::uint64_t file_length;
  std::uint64_t directory_offset;
  std::uint32_t directory_count;
  std::uint32_t directory_crc32;
  std::uint32_t header_crc32;
  std::array<unsigned char, 20> zeros;
};

struct DumpDirectoryEntry {
  std::array<char, kColumnNameMost + 1> name;
  std::array<char, 4> dtype;
  std::uint32_t crc32;
  std::uint64_t count;
  std::uint64_t offset;
};

static_assert(sizeof(DumpHeader) == 64 && offsetof(DumpHeader, header_crc32) == 40);
static_assert(sizeof(DumpDirectoryEntry) == 64 && offsetof(DumpDirectoryEntry, offset) == 56);
static_assert(std::is_trivially_copyable_v<DumpHeader> && std::is_trivially_copyable_v<DumpDirectoryEntry>);

// Bytes of one item of a column of this dtype; 0 if there is no such dtype.
[[nodiscard]] constexpr std::uint64_t dtype_bytes(std::string_view dtype) noexcept {
  if (dtype == "u1") return 1;
  if (dtype == "u4" || dtype == "i4" || dtype == "f4") return 4;
  if (dtype == "u8" || dtype == "i8" || dtype == "f8") return 8;
  return 0;
}

// Names are printable ASCII without spaces: they are identifiers, and they are printed in messages.
[[nodiscard]] constexpr bool column_name_is_valid(std::string_view name) noexcept {
  if (name.empty() || name.size() > kColumnNameMost) return false;
  for (const char c : name) {
    if (c <= 0x20 || c >= 0x7F) return false;
  }
  return true;
}

// The next multiple of the alignment; the caller keeps `offset` at least 63 below 2**64.
[[nodiscard]] constexpr std::uint64_t column_align(std::uint64_t offset) noexcept {
  return (offset + kColumnAlignment - 1) & ~(kColumnAlignment - 1);
}

}  // namespace leakscope
