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

// Walks one heap; see the header.
class Walker {
 public:
  Walker(const MemoryDoor& door, const PieceWalk& walk) : window_(door, walk.end), walk_(walk) {}

  PieceBooks books() {
    std::uint64_t piece = walk_.first;
    Head head;
    if (walk_.first + header > walk_.end || !window_.head(piece, head)) return {};
    while (!is_end_mark(head, piece, walk_)) {
      Head next;
      const std::uint64_t size = head.size();
      if (piece + size == walk_.end && can_be(head, piece, walk_)) {
        add_free(books_, piece, size, walk_.main);  // the top
        keep(books_.free_pieces, piece, size - sizeof(std::uint64_t));
        break;
      }
      if (!follows(piece, head, next)) {
        piece = resume(piece, head);
        if (piece == 0) return {};
        continue;
      }
      if ((next.word & in_use_before) == 0) {
        add_free(books_, piece, size, true);
        keep(books_.free_pieces, piece, size);
      } else if (size >= least_piece) {
        books_.used += size;
        keep(books_.used_pieces, piece, size);
      }
      piece += size;
      head = next;
    }
    books_.sound = true;
    return std::move(books_);
  }

 private:
  // The program has the first word of the next piece as well.
  void keep(std::vector<Span>& pieces, std::uint64_t piece, std::uint64_t size) const {
    if (walk_.keep) pieces.push_back({piece + header, piece + size + sizeof(std::uint64_t)});
  }

  // Does another piece come behind this one, and do both say the same?
  bool follows(std::uint64_t piece, const Head& head, Head& next) {
    return can_be(head, piece, walk_) && window_.head(piece + head.size(), next) &&
           ((next.word & in_use_before) != 0 || next.previous_size == head.size()) &&
           (can_be(next, piece + head.size(), walk_) || is_end_mark(next, piece + head.size(), walk_));
  }

  // The next place from which several pieces follow each other; 0 if there is none, or too much was skipped.
  std::uint64_t resume(std::uint64_t from, Head& head) {
    const std::uint64_t most = std::max<std::uint64_t>((walk_.end - walk_.first) / 100, page);
    for (std::uint64_t piece = from + header; piece + header < walk_.end; piece += header) {
      if (books_.skipped + (piece - from) > most) return 0;
      if (!window_.head(piece, head)) return 0;
      if (!leads_on(piece, head)) continue;
      books_.skipped += piece - from;
      books_.used += piece - from;
      return window_.head(piece, head) ? piece : 0;
    }
    return 0;
  }

  bool leads_on(std::uint64_t piece, Head head) {
    for (int at = 0; at < enough_pieces; ++at) {
      Head next;
      if (!can_be(head, piece, walk_)) return false;
      if (piece + head.size() == walk_.end) return true;
      if (!follows(piece, head, next)) return false;
      piece += head.size();
      head = next;
      if (is_end_mark(head, piece, walk_)) return true;
    }
    return true;
  }

  static constexpr int enough_pieces = 8;
  Window window_;
  PieceWalk walk_;
  PieceBooks books_;
};

}  // namespace

PieceBooks walk_pieces(const MemoryDoor& door, const PieceWalk& walk) {
  return Walker(door, walk).books();
}

}  // namespace leakscope
