// The few structures of an ELF file that hold names, read from bytes that may be anyone's. It knows 64-bit
// little-endian files and offsets within them; it refuses to know addresses in a process. Own definitions instead
// of <elf.h>, so that it compiles and reads dumps' libraries on systems that have no such header.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <vector>

namespace leakscope::elf {

using Bytes = std::span<const std::byte>;

struct Header {
  unsigned char ident[16];
  std::uint16_t type, machine;
  std::uint32_t version;
  std::uint64_t entry, segments_offset, sections_offset;
  std::uint32_t flags;
  std::uint16_t header_size, segment_size, segment_count, section_size, section_count, names_section;
};

struct Segment {
  std::uint32_t type, flags;
  std::uint64_t offset, address, physical_address, file_bytes, memory_bytes, alignment;
};

struct Section {
  std::uint32_t name, type;
  std::uint64_t flags, address, offset, bytes;
  std::uint32_t link, info;
  std::uint64_t alignment, entry_bytes;
};

struct Symbol {
  std::uint32_t name;
  unsigned char info, other;
  std::uint16_t section;
  std::uint64_t value, bytes;
};

struct Note {
  std::uint32_t name_bytes, content_bytes, type;
};

static_assert(sizeof(Header) == 64 && sizeof(Segment) == 56 && sizeof(Section) == 64 && sizeof(Symbol) == 24);

inline constexpr std::uint32_t kSegmentLoad = 1, kSegmentNote = 4;
inline constexpr std::uint32_t kSectionSymbols = 2, kSectionStrings = 3, kSectionNote = 7,
                               kSectionDynamicSymbols = 11;
inline constexpr unsigned kSymbolFunction = 2, kSymbolIndirectFunction = 10;
inline constexpr std::uint32_t kNoteBuildId = 3;

// The part of `file` from `offset` on, `bytes` long; empty if it is not all there.
[[nodiscard]] inline Bytes part(Bytes file, std::uint64_t offset, std::uint64_t bytes) noexcept {
  if (offset > file.size() || bytes > file.size() - offset) return {};
  return file.subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(bytes));
}

// The structure at `offset`; nothing if it is not all there. Copies: nothing in a hostile file is aligned.
template <class T>
[[nodiscard]] std::optional<T> at(Bytes file, std::uint64_t offset) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  const Bytes bytes = part(file, offset, sizeof(T));
  if (bytes.empty()) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof value);
  return value;
}

// The zero-terminated string at `offset` of a string table, cut after `most` characters so that a table without
// zeros costs no search of all of it; empty if it is not all there.
[[nodiscard]] std::string_view string_at(Bytes table, std::uint64_t offset, std::size_t most) noexcept;

// Both empty unless `file` is a 64-bit little-endian ELF executable or shared object with whole tables.
struct Tables {
  std::vector<Segment> segments;
  std::vector<Section> sections;
};
[[nodiscard]] Tables tables(Bytes file);

}  // namespace leakscope::elf
