#include "malloc_books.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <optional>

#include "malloc_pieces.h"

namespace leakscope {
namespace {

constexpr std::uint64_t heap_most = 64u << 20;  // a further heap begins at a multiple of it
constexpr std::uint64_t page = 4096, most_heap = std::uint64_t{1} << 44;
constexpr int tries = 3;
constexpr int most_fast_pieces = 50'000;
constexpr int fast_bins = 10;

// At the beginning of each further heap.
struct HeapHead {
  std::uint64_t arena, previous, bytes, writable;
};

// struct malloc_state.
struct ArenaHead {
  std::uint32_t mutex, flags, has_fast, padding;
  std::uint64_t fast[fast_bins], top, last_remainder, bins[254];
  std::uint32_t bin_map[4];
  std::uint64_t next, next_free, attached, bytes, most_bytes;
};
static_assert(sizeof(ArenaHead) == 0x898 && offsetof(ArenaHead, top) == 0x60 &&
              offsetof(ArenaHead, next) == 0x870);

bool is_address(std::uint64_t word) noexcept {
  return word != 0 && word % 8 == 0 && word >> 47 == 0;
}

std::optional<ArenaHead> read_arena(const MemoryDoor& door, std::uint64_t address) {
  ArenaHead arena;
  if (!door.read(door.context, address, &arena, sizeof arena)) return {};
  const bool sound = is_address(arena.top) && arena.top % 16 == 0 && is_address(arena.next) &&
                     is_address(arena.bins[0]) && is_address(arena.bins[1]) && arena.attached < 1u << 22 &&
                     arena.bytes >= page && arena.bytes % page == 0 && arena.bytes >> 47 == 0;
  return sound ? std::optional(arena) : std::nullopt;
}

std::optional<HeapHead> read_heap(const MemoryDoor& door, std::uint64_t address) {
  HeapHead heap;
  if (!door.read(door.context, address, &heap, sizeof heap)) return {};
  const std::uint64_t inside = heap.arena % heap_most;
  const bool first = heap.arena - inside == address;
  const bool sound = is_address(heap.arena) && (inside == 32 || inside == 48) &&
                     heap.previous % heap_most == 0 && first == (heap.previous == 0) && heap.bytes > 0 &&
                     heap.bytes % page == 0 && heap.bytes <= heap.writable && heap.writable <= heap_most;
  return sound ? std::optional(heap) : std::nullopt;
}

class Measuring {
 public:
  Measuring(const MemoryDoor& door, std::span<MallocHeap> heaps, std::span<const Span> library)
      : door_(door), heaps_(heaps), library_(library) {}

  void measure() {
    for (MallocHeap& heap : heaps_) {
      for (int at = 0; at < tries && !heap.books.sound; ++at) heap.main ? try_main(heap) : try_further(heap);
      by_begin_[heap.span.begin] = &heap;
    }
    add_fast_pieces();
    number_arenas();
  }

 private:
  void try_main(MallocHeap& heap) {
    heap.is_heap = true;
    if (main_ == 0) main_ = find_main_arena(heap.span);
    const auto arena = main_ != 0 ? read_arena(door_, main_) : std::nullopt;
    if (!arena) {
      settle(heap, walk_pieces(door_, {heap.span.begin, heap.span.end, true, heap.keep}));
      return;
    }
    heap.span.end = heap.span.begin + arena->bytes;
    arena_of_[&heap] = main_;
    arenas_[main_] = *arena;
    settle(heap, walk_pieces(door_, {heap.span.begin, heap.span.end, true, heap.keep}));
  }

  void try_further(MallocHeap& heap) {
    const auto head = read_heap(door_, heap.span.begin);
    const auto arena = head ? read_arena(door_, head->arena) : std::nullopt;
    if (!arena) return;
    heap.is_heap = true;
    heap.span.end = heap.span.begin + head->bytes;
    arena_of_[&heap] = head->arena;
    previous_[heap.span.begin] = head->previous;
    arenas_[head->arena] = *arena;
    const std::uint64_t inside = head->arena % heap_most;
    const std::uint64_t first =
        head->previous == 0 ? (head->arena + sizeof(ArenaHead) + 15) / 16 * 16 : heap.span.begin + inside;
    settle(heap, walk_pieces(door_, {first, heap.span.end, false, heap.keep}));
  }

  void settle(MallocHeap& heap, PieceBooks books) {
    heap.books = books;
    heap.used_pieces = std::move(books.used_pieces);
    heap.free_pieces = std::move(books.free_pieces);
    heap.trimmable = 0;
    if (!books.sound) return;
    for (const Span& pages : books.free_pages)
      heap.trimmable += door_.resident(door_.context, pages.begin, pages.end);
  }

  // The main arena is a variable of the library that no symbol tells of. It knows the piece that ends its heap, and how
  // many bytes that heap has.
  std::uint64_t find_main_arena(const Span& heap) {
    for (const Span& span : library_) {
      std::vector<std::uint64_t> words(span.bytes() / 8);
      if (!door_.read(door_.context, span.begin, words.data(), words.size() * 8)) continue;
      for (std::size_t at = offsetof(ArenaHead, top) / 8; at < words.size(); ++at) {
        if (words[at] % 16 != 0 || words[at] < heap.begin || words[at] - heap.begin > most_heap) continue;
        const std::uint64_t address = span.begin + at * 8 - offsetof(ArenaHead, top);
        const auto arena = read_arena(door_, address);
        std::uint64_t head[2];
        if (arena && door_.read(door_.context, arena->top, head, sizeof head) &&
            arena->top + (head[1] & ~std::uint64_t{7}) == heap.begin + arena->bytes)
          return address;
      }
    }
    return 0;
  }

  MallocHeap* heap_with(std::uint64_t piece, std::uint64_t arena) {
    auto after = by_begin_.upper_bound(piece);
    if (after == by_begin_.begin()) return nullptr;
    MallocHeap* heap = std::prev(after)->second;
    const bool ours = heap->books.sound && heap->span.contains(piece) && arena_of_[heap] == arena;
    return ours ? heap : nullptr;
  }

  void add_fast_pieces() {
    for (const auto& [address, arena] : arenas_)
      for (std::uint64_t bin = 0; bin < fast_bins; ++bin)
        add_fast_bin(address, arena.fast[bin], (bin + 2) * 16);
  }

  // Walks one list; what is odd about it ends it, since the program may be at work there.
  void add_fast_bin(std::uint64_t arena, std::uint64_t piece, std::uint64_t size) {
    std::uint64_t words[4];
    for (int at = 0; at < most_fast_pieces && piece != 0 && piece % 16 == 0; ++at) {
      MallocHeap* heap = heap_with(piece, arena);
      if (heap == nullptr || heap->books.used < size || !door_.goes_on(door_.context) ||
          !door_.read(door_.context, piece, words, sizeof words) || (words[1] & ~std::uint64_t{7}) != size)
        return;
      heap->books.used -= size;
      heap->books.free += size;
      // Since glibc 2.32 the pointer is mixed with its own address.
      const std::uint64_t mixed = words[2] ^ ((piece + 16) >> 12);
      piece = mixed == 0 || heap_with(mixed, arena) != nullptr ? mixed : words[2];
    }
  }

  // A new arena comes right behind the main one in the ring of all.
  void number_arenas() {
    std::vector<std::uint64_t> ring;
    if (main_ != 0) {
      std::uint64_t at = arenas_[main_].next;
      while (at != main_ && arenas_.contains(at) && ring.size() < arenas_.size() &&
             std::find(ring.begin(), ring.end(), at) == ring.end()) {
        ring.push_back(at);
        at = arenas_[at].next;
      }
      std::reverse(ring.begin(), ring.end());
    }
    for (const auto& [address, arena] : arenas_)
      if (address != main_ && std::find(ring.begin(), ring.end(), address) == ring.end())
        ring.push_back(address);
    for (auto& [heap, address] : arena_of_) {
      heap->attached = static_cast<std::int64_t>(arenas_[address].attached);
      if (heap->main) continue;
      const auto place = std::find(ring.begin(), ring.end(), address);
      heap->arena = static_cast<std::uint32_t>(place - ring.begin()) + 1;
      heap->number = depth(heap->span.begin);
    }
  }

  std::uint32_t depth(std::uint64_t heap) {
    std::uint32_t count = 0;
    for (auto at = previous_.find(heap); at != previous_.end() && at->second != 0 && count < previous_.size();
         at = previous_.find(at->second))
      ++count;
    return count;
  }

  const MemoryDoor& door_;
  std::span<MallocHeap> heaps_;
  std::span<const Span> library_;
  std::uint64_t main_ = 0;
  std::map<std::uint64_t, ArenaHead> arenas_;
  std::map<MallocHeap*, std::uint64_t> arena_of_;
  std::map<std::uint64_t, MallocHeap*> by_begin_;
  std::map<std::uint64_t, std::uint64_t> previous_;
};

}  // namespace

void measure_heaps(const MemoryDoor& door, std::span<MallocHeap> heaps, std::span<const Span> library) {
  Measuring(door, heaps, library).measure();
}

}  // namespace leakscope
