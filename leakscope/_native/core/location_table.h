// Line numbers of code objects, read from their tables where they lie. The interpreter's own function starts at the
// table's beginning each time: for a module of thousands of instructions, each allocating once, most of the time of an
// import went there. So each code object keeps where the last answer was found, and goes on from there.
#pragma once

#include <cstddef>
#include <cstdint>

namespace leakscope {

// One entry of a location table of CPython 3.11 and later: the instructions [begin, end), in bytes, and their line.
struct LineCursor {
  std::uint32_t at;    // where in the table the next entry begins
  std::int32_t begin;  // of the entry read last; 0 and 0: none was read yet
  std::int32_t end;
  std::int32_t counted;  // the line that deltas are added to
  std::int32_t line;     // the entry's line; -1: it has none
};

// A cursor before the first entry of a code object whose first line is `first_line`.
inline LineCursor before_first(int first_line) noexcept {
  return {0, 0, 0, first_line, -1};
}

// The line of the instruction at `offset` (bytes, not negative); -1 if there is none. Never reads beyond the table.
int line_at(LineCursor& cursor, const std::uint8_t* table, std::size_t bytes, int first_line,
            int offset) noexcept;

}  // namespace leakscope
