// The part of the ledger through which the object graph comes out of the program: finished columns, laid down by the
// walker in the program or in its clone, and a directory that says where they lie. Plain data, no pointers. The reader
// trusts none of it; see heap_reader.h.
#pragma once

#include <atomic>
#include <cstdint>

namespace leakscope {

// Offsets count from the beginning of the area.
struct HeapColumn {
  char name[40];
  char dtype[4];  // "u1" "u4" "i4" "u8" "i8" "f4" "f8", zero padded
  std::uint32_t reserved;
  std::uint64_t offset;
  std::uint64_t items;
};

// States of an area.
inline constexpr std::uint32_t heap_empty = 0;
inline constexpr std::uint32_t heap_walking = 1;   // frozen at `taken_ns`; the columns are being written
inline constexpr std::uint32_t heap_complete = 2;  //
inline constexpr std::uint32_t heap_failed = 3;    // `problem` says why

inline constexpr std::uint32_t heap_columns_most = 64;

struct HeapArea {
  std::atomic<std::uint32_t> state;
  std::uint32_t column_count;
  HeapColumn columns[heap_columns_most];
  char problem[200];
  std::uint64_t objects, edges, bodies;
  std::uint64_t taken_ns;  // since recording began, when the heap was frozen
  std::uint64_t pause_ns;  // the program stood still for the sake of the walk
  std::uint64_t walk_ns;   // the walk itself
  std::uint32_t in_child, values, collector_enabled, garbage;
  std::int32_t thresholds[3], counts[3];
  std::uint64_t cpu_ns;  // processor time of the walk
};

}  // namespace leakscope
