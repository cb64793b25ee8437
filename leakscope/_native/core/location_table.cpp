#include "location_table.h"

namespace leakscope {
namespace {

// What the first byte of an entry says: 1, four bits of kind, three bits of length.
constexpr unsigned first_of_one_line = 10, without_column = 13, whole = 14, without_line = 15;

class Entry {
 public:
  Entry(const std::uint8_t* table, std::size_t bytes, std::uint32_t at) noexcept
      : table_(table), bytes_(bytes), at_(at) {}

  void read(LineCursor& cursor) noexcept {
    const unsigned head = byte();
    const unsigned kind = (head >> 3) & 15;
    cursor.begin = cursor.end;
    cursor.end += static_cast<std::int32_t>((head & 7) + 1) * 2;
    std::int32_t delta = 0;
    if (kind >= first_of_one_line && kind < without_column)
      delta = static_cast<std::int32_t>(kind - first_of_one_line);
    if (kind == without_column || kind == whole) delta = signed_number();
    if (__builtin_add_overflow(cursor.counted, delta, &cursor.counted)) cursor.counted = -1;
    cursor.line = kind == without_line ? -1 : cursor.counted;
    // What else the entry holds, columns, has no byte with the highest bit set; the next entry begins with one.
    while (at_ < bytes_ && (table_[at_] & 0x80) == 0) ++at_;
    cursor.at = at_;
  }

 private:
  unsigned byte() noexcept { return at_ < bytes_ ? table_[at_++] : 0; }

  std::int32_t signed_number() noexcept {
    unsigned part = byte(), number = part & 63;
    for (unsigned shift = 6; (part & 64) != 0 && shift < 32; shift += 6) {
      part = byte();
      number |= (part & 63) << shift;
    }
    const auto size = static_cast<std::int32_t>(number >> 1);
    return (number & 1) != 0 ? -size : size;
  }

  const std::uint8_t* table_;
  std::size_t bytes_;
  std::uint32_t at_;
};

}  // namespace

int line_at(LineCursor& cursor, const std::uint8_t* table, std::size_t bytes, int first_line,
            int offset) noexcept {
  if (offset < cursor.begin) cursor = before_first(first_line);
  while (offset >= cursor.end) {
    if (cursor.at >= bytes) return -1;
    Entry(table, bytes, cursor.at).read(cursor);
  }
  return cursor.line;
}

}  // namespace leakscope
