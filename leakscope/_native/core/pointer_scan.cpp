#include "pointer_scan.h"

#include <algorithm>

#include "../platform/prim.h"
#include "malloc_books.h"
#include "process_door.h"

namespace leakscope {
namespace {

constexpr const char* ledger_file = "/memfd:leakscope";  // its rows are full of addresses
constexpr std::uint64_t page = 4096, huge_range_pages = 1u << 16;
constexpr std::uint64_t further_heap = 64u << 20;  // one begins at a multiple of it
constexpr std::size_t filter_pages = 1u << 20, most_ranges = 1u << 15, words_at_once = 1u << 17;
constexpr std::size_t most_pieces = 1u << 22, most_edges = 1u << 23;  // 64 MiB each
constexpr double longest_s = 2;
constexpr std::uint64_t patience_ns = 5'000'000'000, asked_at_once = 1u << 30;
constexpr std::uint64_t most_reserved = std::uint64_t{512} << 30;
constexpr std::size_t most_links = 1u << 22;
// Where the list goes through an object: at its beginning, or behind two words for its attributes.
constexpr std::uint64_t head_after_words = 2 * sizeof(std::uint64_t), list_marks = 7;
constexpr std::uint64_t digit = (1u << 30) - 1, digits = digit << 32 | digit, address_bits = (1ULL << 48) - 1;

bool before(const Span& a, const Span& b) noexcept {
  return a.begin < b.begin;
}

using Ranges = std::vector<prim::MemoryRange>;

// The ranges that have anything in them; empty if that cannot be known, or is too much. What was only reserved has
// nothing: tables of our own, stacks of threads. Somebody may have reserved terabytes: then it is not asked for long.
Ranges resident_ranges(std::uint32_t process, prim::Remote& remote, std::uint64_t most_bytes,
                       std::uint64_t until_ns) {
  Ranges ranges(most_ranges);
  ranges.resize(prim::writable_memory(process, ledger_file, ranges.data(), most_ranges));
  if (ranges.size() == most_ranges) return {};
  std::uint64_t reserved = 0, bytes = 0;
  for (const auto& range : ranges) reserved += range.end - range.begin;
  if (reserved > most_reserved) return {};
  std::erase_if(ranges, [&](const prim::MemoryRange& range) {
    std::uint64_t resident = 0;
    for (std::uint64_t at = range.begin; at < range.end && bytes <= most_bytes; at += asked_at_once) {
      if (prim::monotonic_ns() > until_ns) bytes = most_bytes + 1;
      resident += remote.pages(at, std::min(at + asked_at_once, range.end)).resident;
    }
    bytes += resident;
    return resident == 0;
  });
  return bytes > most_bytes ? Ranges{} : ranges;
}

// The pieces of all heaps that can be walked, and the large blocks outside of them.
KnownPieces known_pieces(const MemoryDoor& door, const Ranges& ranges, const std::vector<Span>& large) {
  std::vector<MallocHeap> heaps;
  bool more = false;
  for (const auto& range : ranges) {
    if (more && range.heap) {  // in a forked process it has several ranges
      heaps.back().span.end = range.end;
      continue;
    }
    more = range.heap;
    if (range.heap || range.begin % further_heap == 0)
      heaps.push_back({.span = {range.begin, range.end}, .main = range.heap, .books = {}, .keep = true});
  }
  measure_heaps(door, heaps, {});
  std::size_t count = 0;
  for (const auto& heap : heaps) count += heap.used_pieces.size() + heap.free_pieces.size();
  if (count > most_pieces) return {};
  KnownPieces found;
  for (const auto& heap : heaps) {
    if (!heap.books.sound) continue;
    found.used.insert(found.used.end(), heap.used_pieces.begin(), heap.used_pieces.end());
    found.free.insert(found.free.end(), heap.free_pieces.begin(), heap.free_pieces.end());
  }
  for (const Span& block : large) {
    const bool in_heap = std::any_of(heaps.begin(), heaps.end(), [&](const MallocHeap& heap) {
      return heap.is_heap && heap.span.contains(block.begin);
    });
    if (!in_heap) found.large.push_back(block);
  }
  return found;
}

}  // namespace

PointerScan::PointerScan(const std::vector<std::uint64_t>& address, const std::vector<std::uint64_t>& size,
                         const KnownPieces& pieces, const std::vector<std::uint8_t>& objects)
    : targets_(pieces.large), target_of_(address.size(), root), pages_(filter_pages) {
  for (const Span& piece : pieces.used) targets_.push_back({piece.begin, piece.end - sizeof(std::uint64_t)});
  std::sort(targets_.begin(), targets_.end(), before);
  std::vector<Span> alone;
  for (std::size_t row = 0; row < address.size(); ++row) {
    const Span block{address[row], address[row] + std::max<std::uint64_t>(size[row], 1)};
    if (block.end > block.begin && target_at(block.begin) == root) alone.push_back(block);
  }
  targets_.insert(targets_.end(), alone.begin(), alone.end());
  std::sort(targets_.begin(), targets_.end(), before);
  for (std::size_t row = 0; row < address.size(); ++row) target_of_[row] = target_at(address[row]);
  for (const auto* known : {&pieces.used, &pieces.large})
    for (const Span& piece : *known) regions_.push_back({piece.begin, piece.end, target_at(piece.begin)});
  for (const Span& piece : pieces.free) regions_.push_back({piece.begin, piece.end, hole});
  std::sort(regions_.begin(), regions_.end(),
            [](const Region& a, const Region& b) { return a.begin < b.begin; });
  for (const Span& range : targets_) add_pages(range);
  reached_.resize(targets_.size());
  linked_.resize(targets_.size());
  for (std::size_t row = 0; row < objects.size(); ++row) {
    const bool whole = target_of_[row] != root && targets_[target_of_[row]].begin == address[row];
    if (objects[row] != 0 && whole && size[row] >= sizeof Head::words) heads_.push_back({address[row], {}});
  }
  std::sort(heads_.begin(), heads_.end(), [](const Head& a, const Head& b) { return a.begin < b.begin; });
}

void PointerScan::add_pages(const Span& range) {
  lowest_ = std::min(lowest_, range.begin);
  highest_ = std::max(highest_, range.end);
  const std::uint64_t last = std::min((range.end - 1) / page, range.begin / page + huge_range_pages);
  for (std::uint64_t at = range.begin / page; at <= last; ++at) pages_[at % filter_pages] = true;
}

std::uint32_t PointerScan::target_at(std::uint64_t address) const noexcept {
  auto found = std::upper_bound(targets_.begin(), targets_.end(), Span{address, address}, before);
  if (found == targets_.begin() || !(--found)->contains(address)) return root;
  return static_cast<std::uint32_t>(found - targets_.begin());
}

void PointerScan::look(std::uint64_t where, const std::uint64_t* words, std::size_t count) {
  auto region = std::partition_point(regions_.begin(), regions_.end(),
                                     [&](const Region& one) { return one.end <= where; });
  auto head = std::partition_point(heads_.begin(), heads_.end(),
                                   [&](const Head& one) { return one.begin + sizeof one.words <= where; });
  for (std::size_t at = 0; at < count; ++at) {
    const std::uint64_t word = words[at], place = where + at * sizeof(std::uint64_t);
    while (region != regions_.end() && region->end <= place) ++region;
    const bool inside = region != regions_.end() && region->begin <= place;
    const std::uint32_t source = inside ? region->target : root;
    if (source == hole) continue;
    while (head != heads_.end() && head->begin + sizeof head->words <= place) ++head;
    if (head != heads_.end() && head->begin <= place) head->words[(place - head->begin) / sizeof word] = word;
    follow(word, place, source);
    if (word > address_bits) follow(word & address_bits, place, source);
    if ((word & ~digits) == 0) follow((word >> 32) << 30 | (word & digit), place, source);
  }
}

void PointerScan::follow(std::uint64_t word, std::uint64_t place, std::uint32_t source) {
  if (!may_point(word)) return;
  const std::uint32_t target = target_at(word);
  if (target == root || target == source || targets_[target].contains(place) || reached_[target]) return;
  const std::uint64_t offset = (word - targets_[target].begin) & ~list_marks;
  if ((offset == 0 || offset == head_after_words) && links_.size() < most_links &&
      head_at(targets_[target].begin) != nullptr) {
    links_.push_back({place, word, source, target});
  } else {
    reach(target, source);
  }
}

void PointerScan::reach(std::uint32_t target, std::uint32_t source) {
  if (source == root || reached_[source] || edges_.size() == most_edges) {
    reached_[target] = true;
  } else if (edges_.empty() || edges_.back() != std::pair(source, target)) {
    edges_.emplace_back(source, target);
  }
}

const PointerScan::Head* PointerScan::head_at(std::uint64_t begin) const noexcept {
  const auto found = std::partition_point(heads_.begin(), heads_.end(),
                                          [&](const Head& head) { return head.begin < begin; });
  return found != heads_.end() && found->begin == begin ? &*found : nullptr;
}

// The next one's "previous" and the previous one's "next" are words that point here and that this block knows of. The
// collector keeps marks in the lower bits of both.
bool PointerScan::is_link(const Link& link) const noexcept {
  const std::size_t first = (link.word - targets_[link.target].begin) / sizeof(std::uint64_t);
  const Head* head = head_at(targets_[link.target].begin);
  const std::uint64_t next = head->words[first] & ~list_marks,
                      previous = head->words[first + 1] & ~list_marks;
  return link.place == previous || link.place == next + sizeof(std::uint64_t);
}

void PointerScan::settle_links() {
  for (const Link& link : links_) {
    if (is_link(link)) {
      linked_[link.target] = true;
    } else {
      reach(link.target, link.source);
    }
  }
  links_.clear();
}

// From what is reached, or in a list, to whatever that points to.
void PointerScan::spread() {
  settle_links();
  if (!std::is_sorted(edges_.begin(), edges_.end())) std::sort(edges_.begin(), edges_.end());
  std::vector<std::uint32_t> found;
  for (std::uint32_t target = 0; target < targets_.size(); ++target)
    if (reached_[target] || linked_[target]) found.push_back(target);
  while (!found.empty()) {
    const std::uint32_t source = found.back();
    found.pop_back();
    auto edge = std::lower_bound(edges_.begin(), edges_.end(), std::pair(source, std::uint32_t{0}));
    for (; edge != edges_.end() && edge->first == source; ++edge) {
      if (reached_[edge->second]) continue;
      reached_[edge->second] = true;
      found.push_back(edge->second);
    }
  }
  edges_.clear();
}

std::vector<std::uint8_t> PointerScan::answer() {
  spread();
  std::vector<std::uint8_t> out(target_of_.size());
  for (std::size_t row = 0; row < out.size(); ++row) {
    const std::uint32_t target = target_of_[row];
    const bool known = target != root;
    const Pointed listed = known && linked_[target] ? Pointed::linked : Pointed::no;
    out[row] = static_cast<std::uint8_t>(known && reached_[target] ? Pointed::yes : listed);
  }
  return out;
}

std::vector<std::uint8_t> pointed_blocks(std::uint32_t process, const std::vector<std::uint64_t>& address,
                                         const std::vector<std::uint64_t>& size,
                                         const std::vector<std::uint8_t>& objects,
                                         const std::vector<Span>& large, std::uint64_t most_bytes) {
  ProcessDoor look(static_cast<int>(process), longest_s);
  // The process waits meanwhile.
  const std::uint64_t until_ns = prim::monotonic_ns() + patience_ns;
  const Ranges ranges = resident_ranges(process, look.remote, most_bytes, until_ns);
  if (ranges.empty()) return {};
  PointerScan scan(address, size, known_pieces(look.door(), ranges, large), objects);
  std::vector<std::uint64_t> words(words_at_once);
  for (const auto& range : ranges) {
    for (std::uint64_t at = range.begin; at < range.end; at += words_at_once * sizeof(std::uint64_t)) {
      const std::size_t wanted =
          std::min<std::uint64_t>(range.end - at, words_at_once * sizeof(std::uint64_t));
      // What lies in swap would have to be fetched from there: then nobody is said to be lost.
      if (prim::monotonic_ns() > until_ns || !look.remote.read(at, words.data(), wanted)) return {};
      scan.look(at, words.data(), wanted / sizeof(std::uint64_t));
    }
  }
  return scan.answer();
}

}  // namespace leakscope
