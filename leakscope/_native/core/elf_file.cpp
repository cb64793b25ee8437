#include "elf_file.h"

#include <algorithm>

namespace leakscope::elf {
namespace {

constexpr unsigned char kIdent[6] = {0x7F, 'E', 'L', 'F', 2 /* 64 bits */, 1 /* little-endian */};
constexpr std::uint16_t kTypeExecutable = 2, kTypeShared = 3;

std::optional<Header> header_of(Bytes file) noexcept {
  const std::optional<Header> header = at<Header>(file, 0);
  if (!header || std::memcmp(header->ident, kIdent, sizeof kIdent) != 0) return std::nullopt;
  if (header->type != kTypeExecutable && header->type != kTypeShared) return std::nullopt;
  return header;
}

// A table of `count` structures; empty unless all of it is in the file, which bounds the memory by the file's size.
template <class T>
std::vector<T> table(Bytes file, std::uint64_t offset, std::uint64_t count) {
  if (count == 0 || count > file.size() / sizeof(T)) return {};
  const Bytes bytes = part(file, offset, count * sizeof(T));
  if (bytes.empty()) return {};
  std::vector<T> rows(static_cast<std::size_t>(count));
  std::memcpy(rows.data(), bytes.data(), bytes.size());
  return rows;
}

// Counts that do not fit in the header's 16 bits stand in the first section instead.
std::uint64_t section_count(Bytes file, const Header& header) noexcept {
  if (header.section_count != 0 || header.sections_offset == 0) return header.section_count;
  const std::optional<Section> first = at<Section>(file, header.sections_offset);
  return first ? first->bytes : 0;
}

}  // namespace

std::string_view string_at(Bytes table, std::uint64_t offset, std::size_t most) noexcept {
  if (offset >= table.size()) return {};
  const char* begin = reinterpret_cast<const char*>(table.data()) + offset;
  const std::size_t left = table.size() - static_cast<std::size_t>(offset);
  const void* end = std::memchr(begin, '\0', std::min(left, most));
  if (end != nullptr) return {begin, static_cast<std::size_t>(static_cast<const char*>(end) - begin)};
  return left > most ? std::string_view(begin, most) : std::string_view();
}

Tables tables(Bytes file) {
  const std::optional<Header> header = header_of(file);
  Tables found;
  if (!header) return found;
  if (header->segment_size == sizeof(Segment)) {
    found.segments = table<Segment>(file, header->segments_offset, header->segment_count);
  }
  if (header->section_size == sizeof(Section)) {
    found.sections = table<Section>(file, header->sections_offset, section_count(file, *header));
  }
  return found;
}

}  // namespace leakscope::elf
