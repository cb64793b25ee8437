// Rows that the parent reads while the program writes them: their sequence is odd while they are in pieces.
#pragma once

#include <cstdint>

namespace leakscope {

// Nothing of a row is written before it is open, not even its key: the parent would take the rest for the key's.
template <class Row>
void open_row(Row& row) noexcept {
  __atomic_store_n(&row.sequence, row.sequence | 1u, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_RELEASE);
}

// Fills an open row with all but the sequence of `filled`.
template <class Row>
void close_row(Row& row, Row filled) noexcept {
  const std::uint32_t sequence = row.sequence;
  filled.sequence = sequence;
  row = filled;
  __atomic_store_n(&row.sequence, sequence + 1, __ATOMIC_RELEASE);
}

}  // namespace leakscope
