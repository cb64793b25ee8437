#include "elf_symbols.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "demangle.h"
#include "elf_file.h"

namespace leakscope {
namespace {

using elf::Bytes;

// A file mapped for reading; no bytes if it is not a regular file or cannot be had.
class MappedFile {
 public:
  explicit MappedFile(const char* path) noexcept {
    // Not to wait for a writer should the path name a pipe, nor to become the master of a terminal.
    const int fd = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return;
    struct stat status {};
    if (::fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0) {
      const auto bytes = static_cast<std::size_t>(status.st_size);
      void* begin = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
      if (begin != MAP_FAILED) bytes_ = {static_cast<const std::byte*>(begin), bytes};
    }
    ::close(fd);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
  }
  [[nodiscard]] Bytes bytes() const noexcept { return bytes_; }

 private:
  Bytes bytes_;
};

struct Function {
  std::uint64_t begin, end;  // end 0: not known yet
  std::uint64_t limit;       // end of its section
  std::uint32_t name;        // in the string table
  std::uint32_t standing;    // the higher, the better a name among those of the same address
};

constexpr std::size_t kUnderscoresMost = 3;

// Aliases share an address: malloc, __libc_malloc, __malloc. Best is the name others can link to, without underscores.
std::uint32_t standing_of(const elf::Symbol& symbol, std::string_view beginning) noexcept {
  const unsigned binding = symbol.info >> 4;  // 0 local, 1 global, 2 weak
  const std::uint32_t visible = binding == 1 ? 2 : binding == 2 ? 1 : 0;
  const std::size_t underscores = std::min(beginning.find_first_not_of('_'), kUnderscoresMost);
  return visible * 4 + static_cast<std::uint32_t>(kUnderscoresMost - underscores);
}

std::uint64_t saturated_sum(std::uint64_t a, std::uint64_t b) noexcept {
  return b > std::numeric_limits<std::uint64_t>::max() - a ? std::numeric_limits<std::uint64_t>::max()
                                                           : a + b;
}

// Where a symbol without a size must end at the latest: assembly in .init does not own the .plt that follows.
std::uint64_t section_end(const std::vector<elf::Section>& sections, const elf::Symbol& symbol) noexcept {
  if (symbol.section >= sections.size()) return 0;
  const elf::Section& section = sections[symbol.section];
  const std::uint64_t end = saturated_sum(section.address, section.bytes);
  return symbol.value >= section.address && symbol.value < end ? end : 0;
}

// The functions of a file, ordered by address; of the same address the best name last.
class FunctionTable {
 public:
  explicit FunctionTable(Bytes file) {
    const elf::Tables tables = elf::tables(file);
    read(file, tables.sections, elf::kSectionSymbols);
    if (functions_.empty()) read(file, tables.sections, elf::kSectionDynamicSymbols);
    std::sort(functions_.begin(), functions_.end(), [](const Function& a, const Function& b) {
      if (a.begin != b.begin) return a.begin < b.begin;
      return a.standing != b.standing ? a.standing < b.standing : a.name > b.name;
    });
    close_open_ends();
    base_ = base_of(tables.segments);
  }

  [[nodiscard]] std::string name_at(std::uint64_t offset) const {
    const std::uint64_t address = base_ + offset;  // may wrap: then it is in no function
    auto after = std::upper_bound(functions_.begin(), functions_.end(), address,
                                  [](std::uint64_t wanted, const Function& f) { return wanted < f.begin; });
    // Functions seldom lie inside each other; the bound keeps a file where all do from costing a scan each.
    for (int steps = 0; after != functions_.begin() && steps < kNestedMost; ++steps) {
      --after;
      if (address < after->end) return demangled(elf::string_at(strings_, after->name, kNameMost));
    }
    return {};
  }

 private:
  static constexpr int kNestedMost = 64;
  static constexpr std::size_t kNameMost = 65536;
  static constexpr std::uint64_t kPage = 4096;

  // What dladdr() reports is the page of the first segment to be loaded; zero for all but fixed executables.
  static std::uint64_t base_of(const std::vector<elf::Segment>& segments) noexcept {
    for (const elf::Segment& segment : segments) {
      if (segment.type == elf::kSegmentLoad) return segment.address & ~(kPage - 1);
    }
    return 0;
  }

  void read(Bytes file, const std::vector<elf::Section>& sections, std::uint32_t type) {
    const auto found = std::find_if(sections.begin(), sections.end(),
                                    [type](const elf::Section& section) { return section.type == type; });
    if (found == sections.end() || found->entry_bytes != sizeof(elf::Symbol) ||
        found->link >= sections.size())
      return;
    const elf::Section& strings = sections[found->link];
    if (strings.type != elf::kSectionStrings) return;
    strings_ = elf::part(file, strings.offset, strings.bytes);
    const Bytes rows = elf::part(file, found->offset, found->bytes);
    for (std::size_t at = 0; at + sizeof(elf::Symbol) <= rows.size(); at += sizeof(elf::Symbol)) {
      add(*elf::at<elf::Symbol>(rows, at), sections);
    }
  }

  void add(const elf::Symbol& symbol, const std::vector<elf::Section>& sections) {
    const unsigned kind = symbol.info & 0xFU;
    if (kind != elf::kSymbolFunction && kind != elf::kSymbolIndirectFunction) return;
    if (symbol.section == 0) return;  // defined elsewhere
    const std::string_view beginning = elf::string_at(strings_, symbol.name, kUnderscoresMost + 1);
    if (beginning.empty()) return;
    const std::uint64_t end = symbol.bytes == 0 ? 0 : saturated_sum(symbol.value, symbol.bytes);
    functions_.push_back(
        {symbol.value, end, section_end(sections, symbol), symbol.name, standing_of(symbol, beginning)});
  }

  void close_open_ends() noexcept {
    std::uint64_t next = std::numeric_limits<std::uint64_t>::max();
    for (std::size_t i = functions_.size(); i-- > 0;) {
      Function& function = functions_[i];
      if (i + 1 < functions_.size() && functions_[i + 1].begin != function.begin)
        next = functions_[i + 1].begin;
      if (function.end == 0) function.end = std::min(next, function.limit);
    }
  }

  std::vector<Function> functions_;
  Bytes strings_;
  std::uint64_t base_ = 0;
};

// Notes are padded to 4 bytes, or to 8 in segments that say so.
std::string build_id_in(Bytes notes, std::uint64_t alignment) {
  const std::uint64_t padding = alignment == 8 ? 7 : 3;
  std::uint64_t at = 0;
  while (const std::optional<elf::Note> note = elf::at<elf::Note>(notes, at)) {
    const std::uint64_t name_at = at + sizeof(elf::Note);
    const std::uint64_t content_at = (name_at + note->name_bytes + padding) & ~padding;
    const Bytes name = elf::part(notes, name_at, note->name_bytes);
    const Bytes content = elf::part(notes, content_at, note->content_bytes);
    const bool is_gnu = name.size() == 4 && std::memcmp(name.data(), "GNU", 4) == 0;
    if (is_gnu && note->type == elf::kNoteBuildId && !content.empty() && content.size() <= 64) {
      std::string text;
      for (const std::byte byte : content) {
        text += "0123456789abcdef"[std::to_integer<unsigned>(byte >> 4)];
        text += "0123456789abcdef"[std::to_integer<unsigned>(byte & std::byte{15})];
      }
      return text;
    }
    at = (content_at + note->content_bytes + padding) & ~padding;  // 33-bit sums: no overflow
  }
  return {};
}

std::string build_id_of(Bytes file) {
  const elf::Tables tables = elf::tables(file);
  for (const elf::Segment& segment : tables.segments) {
    if (segment.type != elf::kSegmentNote) continue;
    std::string id = build_id_in(elf::part(file, segment.offset, segment.file_bytes), segment.alignment);
    if (!id.empty()) return id;
  }
  for (const elf::Section& section : tables.sections) {
    if (section.type != elf::kSectionNote) continue;
    std::string id = build_id_in(elf::part(file, section.offset, section.bytes), section.alignment);
    if (!id.empty()) return id;
  }
  return {};
}

}  // namespace

std::vector<std::string> symbols(Bytes file, std::span<const std::uint64_t> offsets) noexcept {
  try {
    std::vector<std::string> names(offsets.size());
    const FunctionTable functions(file);
    for (std::size_t i = 0; i < offsets.size(); ++i) names[i] = functions.name_at(offsets[i]);
    return names;
  } catch (...) {  // only the standard library's allocations can throw here
    return {};
  }
}

std::string build_id(Bytes file) noexcept {
  try {
    return build_id_of(file);
  } catch (...) {
    return {};
  }
}

std::vector<std::string> symbols(const char* path, std::span<const std::uint64_t> offsets) noexcept {
  const MappedFile file(path);
  return symbols(file.bytes(), offsets);
}

std::string build_id(const char* path) noexcept {
  const MappedFile file(path);
  return build_id(file.bytes());
}

}  // namespace leakscope
