#include "malloc_pieces.h"

#include <algorithm>
#include <cstring>

namespace leakscope {
namespace {

constexpr std::uint64_t page = 4096, least_piece = 32, header = 16;
constexpr std::uint64_t in_use_before = 1, mapped = 2, further_arena = 4, flags = 7;
constexpr std::uint64_t free_head =
    48;  // malloc_trim leaves the list pointers of a free piece where they are

struct Head {
  std::uint64_t previous_size = 0, word = 0;
  [[nodiscard]] std::uint64_t size() const noexcept { return word & ~flags; }
};

// Reads ahead: the further, the longer pieces follow closely on each other; after a long piece but one page.
class Window {
 public:
  Window(const MemoryDoor& door, std::uint64_t limit) : door_(door), limit_(limit) {}

  bool head(std::uint64_t address, Head& into) {
    if (address < begin_ || address + header > begin_ + buffer_.size()) {
      if (!move_to(address)) return false;
    }
    std::memcpy(&into, buffer_.data() + (address - begin_), header);
    return true;
  }

 private:
  bool move_to(std::uint64_t address) {
    if (address + header > limit_ || !door_.goes_on(door_.context)) return false;
    const std::uint64_t end = begin_ + buffer_.size();
    const bool close = address >= begin_ && address < end + page;
    ahead_ = close ? std::min<std::uint64_t>(ahead_ * 2, std::uint64_t{1} << 20) : page;
    // The rest of the page, which a header may have to be read with, and what is ahead.
    const std::uint64_t stop = std::min(limit_, (address + header + ahead_) / page * page + page);
    buffer_.resize(stop - address);
    begin_ = address;
    return door_.read(door_.context, address, buffer_.data(), buffer_.size());
  }

  const MemoryDoor& door_;
  std::uint64_t limit_, begin_ = 0, ahead_ = page / 2;
  std::vector<std::byte> buffer_;
};

void add_free(PieceBooks& books, std::uint64_t piece, std::uint64_t size, bool trimmed) {
  books.free += size;
  books.largest_free = std::max(books.largest_free, size);
  const Span pages{(piece + free_head + page - 1) / page * page, (piece + size) / page * page};
  if (trimmed && pages.begin < pages.end) books.free_pages.push_back(pages);
}

// Behind the last piece of a heap that its arena has outgrown.
bool is_end_mark(const Head& head, std::uint64_t piece, const PieceWalk& walk) noexcept {
  return !walk.main && piece + header == walk.end && head.size() == 0;
}

bool can_be(const Head& head, std::uint64_t piece, const PieceWalk& walk) noexcept {
  const std::uint64_t size = head.size(), room = walk.end - piece;
  if (size % 16 != 0 || size > room || (head.word & mapped) != 0) return false;
  if (walk.main && (head.word & further_arena) != 0) return false;
  return size >= least_piece || (!walk.main && size == header && room == 2 * header);
}

}  // namespace

PieceBooks walk_pieces(const MemoryDoor& door, const PieceWalk& walk) {
  PieceBooks books;
  Window window(door, walk.end);
  std::uint64_t piece = walk.first;
  Head head;
  if (walk.first + header > walk.end || !window.head(piece, head)) return {};
  while (!is_end_mark(head, piece, walk)) {
    if (!can_be(head, piece, walk)) return {};
    const std::uint64_t size = head.size(), next = piece + size;
    if (next == walk.end) {
      // Only the top reaches the end, and nothing else may be it.
      if (walk.top != 0 && walk.top != piece) return {};
      add_free(books, piece, size, walk.main);
      books.sound = true;
      return books;
    }
    if (piece == walk.top || !window.head(next, head)) return {};
    if ((head.word & in_use_before) == 0) {
      if (head.previous_size != size) return {};
      add_free(books, piece, size, true);
    } else if (size >= least_piece) {
      books.used += size;
    }
    piece = next;
  }
  books.sound = walk.top == 0;
  return books;
}

}  // namespace leakscope
