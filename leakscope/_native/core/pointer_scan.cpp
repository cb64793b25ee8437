#include "pointer_scan.h"

#include <algorithm>

#include "../platform/prim.h"
#include "../platform/remote.h"

namespace leakscope {
namespace {

constexpr const char* ledger_file = "/memfd:leakscope";  // its rows are full of addresses
constexpr std::uint64_t page = 4096, huge_range_pages = 1u << 16;
constexpr std::size_t filter_pages = 1u << 20, most_ranges = 1u << 15, words_at_once = 1u << 17;

}  // namespace

PointerScan::PointerScan(const std::vector<std::uint64_t>& address, const std::vector<std::uint64_t>& size)
    : pages_(filter_pages), pointed_(address.size()) {
  ranges_.reserve(address.size());
  for (std::uint32_t row = 0; row < address.size(); ++row) {
    const std::uint64_t begin = address[row], end = begin + std::max<std::uint64_t>(size[row], 1);
    if (end < begin) continue;
    ranges_.push_back({begin, end, row});
    lowest_ = std::min(lowest_, begin);
    highest_ = std::max(highest_, end);
    const std::uint64_t last = std::min((end - 1) / page, begin / page + huge_range_pages);
    for (std::uint64_t at = begin / page; at <= last; ++at) pages_[at % filter_pages] = true;
  }
  std::sort(ranges_.begin(), ranges_.end(), [](const Range& a, const Range& b) { return a.begin < b.begin; });
}

void PointerScan::look(std::uint64_t where, const std::uint64_t* words, std::size_t count) noexcept {
  constexpr std::uint64_t digit = (1u << 30) - 1, digits = digit << 32 | digit;
  for (std::size_t at = 0; at < count; ++at) {
    const std::uint64_t word = words[at], place = where + at * sizeof(std::uint64_t);
    follow(word, place);
    if ((word & ~digits) == 0) follow((word >> 32) << 30 | (word & digit), place);
  }
}

void PointerScan::follow(std::uint64_t word, std::uint64_t place) noexcept {
  if (!may_point(word)) return;
  auto found = std::upper_bound(ranges_.begin(), ranges_.end(), word,
                                [](std::uint64_t value, const Range& range) { return value < range.begin; });
  if (found == ranges_.begin() || word >= (--found)->end) return;
  if (place < found->begin || place >= found->end) pointed_[found->row] = true;
}

std::vector<std::uint8_t> PointerScan::answer() const {
  std::vector<std::uint8_t> out(pointed_.size());
  for (std::size_t row = 0; row < out.size(); ++row)
    out[row] = static_cast<std::uint8_t>(pointed_[row] ? Pointed::yes : Pointed::no);
  return out;
}

std::vector<std::uint8_t> pointed_blocks(std::uint32_t process, const std::vector<std::uint64_t>& address,
                                         const std::vector<std::uint64_t>& size, std::uint64_t most_bytes) {
  std::vector<prim::MemoryRange> ranges(most_ranges);
  ranges.resize(prim::writable_memory(process, ledger_file, ranges.data(), most_ranges));
  if (ranges.size() == most_ranges) return {};
  prim::Remote remote(static_cast<int>(process));
  std::uint64_t bytes = 0;
  // What was only reserved has nothing in it: tables of our own, stacks of threads.
  std::erase_if(ranges, [&](const prim::MemoryRange& range) {
    const std::uint64_t resident = remote.pages(range.begin, range.end).resident;
    bytes += resident;
    return resident == 0;
  });
  if (ranges.empty() || bytes > most_bytes) return {};
  PointerScan scan(address, size);
  std::vector<std::uint64_t> words(words_at_once);
  bool any = false;
  for (const auto& range : ranges) {
    for (std::uint64_t at = range.begin; at < range.end; at += words_at_once * sizeof(std::uint64_t)) {
      const std::size_t wanted =
          std::min<std::uint64_t>(range.end - at, words_at_once * sizeof(std::uint64_t));
      // What lies in swap would have to be fetched from there: then nobody is said to be lost.
      if (!remote.read(at, words.data(), wanted)) return {};
      scan.look(at, words.data(), wanted / sizeof(std::uint64_t));
      any = true;
    }
  }
  return any ? scan.answer() : std::vector<std::uint8_t>{};
}

}  // namespace leakscope
