#include "heap_reader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "../platform/prim.h"
#include "dump_file.h"
#include "heap_columns.h"

namespace leakscope {
namespace {

constexpr const char* scribbled = "the program has overwritten the walk over its objects";

template <std::size_t Room>
std::string text_in(const char (&text)[Room]) {
  char copy[Room];
  std::memcpy(copy, text, Room);
  return std::string(copy, std::find(copy, copy + Room, '\0'));
}

double seconds(std::uint64_t nanoseconds) {
  return static_cast<double>(nanoseconds) * 1e-9;
}

// Where a column is said to lie, relative to the area.
struct Place {
  std::uint64_t offset, bytes;
};

// Bytes of the file's section that have memory behind them; `inside` if [offset, offset + bytes) is part of it.
class Memory {
 public:
  Memory(int fd, const Section& section) {
    std::uint64_t begin = section.offset, end = 0;
    const std::uint64_t last = section.offset + section.bytes;
    while (fd >= 0 && begin < last && prim::next_data(fd, begin, end) && begin < last) {
      end = std::min(end, last);
      parts_.push_back({begin - section.offset, end - begin});
      total_ += end - begin;
      begin = end;
    }
  }
  bool inside(const Place& place) const {
    const auto after = std::upper_bound(parts_.begin(), parts_.end(), place.offset,
                                        [](std::uint64_t at, const Place& part) { return at < part.offset; });
    if (after == parts_.begin()) return false;
    const Place& part = *(after - 1);
    return place.offset - part.offset <= part.bytes &&
           place.bytes <= part.bytes - (place.offset - part.offset);
  }
  std::uint64_t total() const { return total_; }

 private:
  std::vector<Place> parts_;
  std::uint64_t total_ = 0;
};

// Which known column an entry names; the number of known ones if none.
std::size_t index_of(const HeapColumn& entry) {
  std::size_t at = 0;
  for (; at < heap_columns.size(); ++at) {
    const KnownHeapColumn& known = heap_columns[at];
    if (std::strncmp(entry.name, known.name, sizeof entry.name) == 0 &&
        std::strncmp(entry.dtype, known.dtype, sizeof entry.dtype) == 0)
      break;
  }
  return at;
}

template <class T>
void copy_out(const std::byte* from, std::uint64_t items, std::vector<T>& into) {
  into.resize(items);
  if (items != 0) std::memcpy(into.data(), from, items * sizeof(T));
}

void copy_column(const std::byte* from, std::uint64_t items, std::uint64_t width, HeapColumns::One& into) {
  into.items = items;
  if (width == 1) copy_out(from, items, into.u1);
  if (width == 4) copy_out(from, items, into.u4);
  if (width == 8) copy_out(from, items, into.u8);
}

// The directory, copied once and checked against the area and the memory it has.
bool read_directory(const HeapArea& area, std::uint64_t area_bytes, const Memory& memory,
                    std::array<HeapColumn, heap_columns.size()>& found) {
  if (__atomic_load_n(&area.column_count, __ATOMIC_RELAXED) != heap_columns.size()) return false;
  std::array<bool, heap_columns.size()> seen{};
  std::uint64_t total = 0;
  for (std::size_t row = 0; row < heap_columns.size(); ++row) {
    HeapColumn entry;
    std::memcpy(&entry, &area.columns[row], sizeof entry);
    const std::size_t at = index_of(entry);
    if (at == heap_columns.size() || seen[at]) return false;
    seen[at] = true;
    const std::uint64_t width = dtype_bytes(heap_columns[at].dtype);
    if (entry.offset < sizeof(HeapArea) || entry.offset > area_bytes ||
        entry.items > (area_bytes - entry.offset) / width)
      return false;
    if (entry.items != 0 && !memory.inside({entry.offset, entry.items * width})) return false;
    total += entry.items * width;
    if (total > memory.total()) return false;  // columns that overlap
    found[at] = entry;
  }
  return true;
}

}  // namespace

HeapFacts HeapReader::facts() const {
  const Header& header = ledger_.header();
  const HeapArea& area = ledger_.heap();
  HeapFacts out{};
  out.wish = header.heap_wish.load();
  out.owner = header.heap_owner.load();
  out.request = header.request_heap.load() != 0;
  out.copy = header.heap_copy.load();
  out.wake_signal = header.wake_signal.load();
  out.state = area.state.load(std::memory_order_acquire);
  const std::uint64_t taken = __atomic_load_n(&area.taken_ns, __ATOMIC_ACQUIRE);
  out.frozen = taken != 0;
  out.taken_s = seconds(taken);
  out.pause_s = seconds(area.pause_ns);
  out.walk_s = seconds(area.walk_ns);
  out.cpu_s = seconds(area.cpu_ns);
  out.objects = area.objects;
  out.edges = area.edges;
  out.bodies = area.bodies;
  out.in_child = area.in_child != 0;
  out.values = area.values != 0;
  out.collector_enabled = area.collector_enabled != 0;
  out.garbage = area.garbage;
  std::memcpy(out.thresholds, area.thresholds, sizeof out.thresholds);
  std::memcpy(out.counts, area.counts, sizeof out.counts);
  out.problem = text_in(area.problem);
  out.request_problem = text_in(header.heap_problem);
  return out;
}

void HeapReader::wish() noexcept {
  HeapWish none = HeapWish::none;
  ledger_.header().heap_wish.compare_exchange_strong(none, HeapWish::wanted);
}

bool HeapReader::withdraw() noexcept {
  std::atomic<HeapWish>& wish = ledger_.header().heap_wish;
  HeapWish was = HeapWish::wanted;
  if (wish.compare_exchange_strong(was, HeapWish::none)) return true;
  was = HeapWish::claimed;
  wish.compare_exchange_strong(was, HeapWish::withdrawn);
  return false;
}

std::string HeapReader::add_columns(const HeapCounts& counts, DumpColumns& out) const {
  const Section& section = sections_.heap;
  const Memory memory(fd_, section);
  const HeapArea& area = ledger_.heap();
  const auto* base = reinterpret_cast<const std::byte*>(&area);
  std::array<HeapColumn, heap_columns.size()> found;
  if (!read_directory(area, section.bytes, memory, found)) return scribbled;
  HeapColumns columns;
  columns.counts = counts;
  columns.columns[0].items = found[0].items;
  for (std::size_t at = 1; at < found.size(); ++at)
    copy_column(base + found[at].offset, found[at].items, dtype_bytes(heap_columns[at].dtype),
                columns.columns[at]);
  const std::string contradiction = contradiction_in(columns);
  if (!contradiction.empty()) return std::string(scribbled) + ": " + contradiction;
  out.columns.push_back(
      {heap_columns[0].name, heap_columns[0].dtype, base + found[0].offset, found[0].items});
  for (std::size_t at = 1; at < found.size(); ++at) {
    const KnownHeapColumn& known = heap_columns[at];
    HeapColumns::One& one = columns.columns[at];
    switch (dtype_bytes(known.dtype)) {
      case 1:
        out.add(known.name, known.dtype, std::move(one.u1));
        break;
      case 4:
        out.add(known.name, known.dtype, std::move(one.u4));
        break;
      default:
        out.add(known.name, known.dtype, std::move(one.u8));
    }
  }
  return {};
}

void HeapReader::empty() noexcept {
  Header& header = ledger_.header();
  header.heap_owner.store(HeapOwner::nobody);
  header.heap_wish.store(HeapWish::none);
  HeapArea& area = ledger_.heap();
  // All of it becomes zero, the state as well: whoever looks next finds it empty.
  if (!prim::give_back(fd_, sections_.heap.offset, sections_.heap.bytes)) {
    std::memset(reinterpret_cast<char*>(&area) + sizeof area.state, 0, sizeof area - sizeof area.state);
    area.state.store(heap_empty, std::memory_order_release);
  }
  prim::wake_all(reinterpret_cast<const std::uint32_t*>(&area.state));
}

}  // namespace leakscope
