// The columns of an object graph: their names and types, copies of them, and what must hold between them so that a dump
// with them can be read back (leakscope/formats/lks_heap.py refuses it otherwise).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "heap_area.h"

namespace leakscope {

struct HeapCounts {
  std::uint64_t objects, edges, bodies;
};

struct KnownHeapColumn {
  const char* name;
  const char* dtype;
};

inline constexpr std::array<KnownHeapColumn, 39> heap_columns = {{
    {"object.stream", "u1"},
    {"object.block_offset", "u8"},
    {"object.block_address", "u8"},
    {"object.block_edges", "u8"},
    {"object.block_bodies", "u8"},
    {"shape.type", "u4"},
    {"shape.kind", "u1"},
    {"shape.size", "u4"},
    {"shape.lead", "u4"},
    {"shape.owns_type", "u1"},
    {"shape.name_offset", "u4"},
    {"shape.name", "u4"},
    {"type.name", "u4"},
    {"type.module", "u4"},
    {"type.object", "u4"},
    {"type.flags", "u4"},
    {"root.object", "u4"},
    {"root.kind", "u1"},
    {"root.name", "u4"},
    {"root.frame", "u4"},
    {"root.counted", "u1"},
    {"root_frame.native_id", "u8"},
    {"root_frame.thread_name", "u4"},
    {"root_frame.function", "u4"},
    {"root_frame.file", "u4"},
    {"root_frame.line", "i4"},
    {"root_frame.depth", "u4"},
    {"name.object", "u4"},
    {"name.text", "u4"},
    {"text.object", "u4"},
    {"text.text", "u4"},
    {"export.object", "u4"},
    {"export.count", "u4"},
    {"bound.object", "u4"},
    {"bound.items", "u8"},
    {"window.object", "u4"},
    {"window.bytes", "u8"},
    {"heap_string.offset", "u8"},
    {"heap_string.bytes", "u1"},
}};

// Copies of all columns but the stream of objects, of which only the length matters here; one vector of each is in use.
struct HeapColumns {
  struct One {
    std::vector<std::uint8_t> u1;
    std::vector<std::uint32_t> u4;  // i4, too
    std::vector<std::uint64_t> u8;
    std::uint64_t items = 0;
  };
  std::array<One, heap_columns.size()> columns;
  HeapCounts counts{};

  const One& operator[](std::string_view name) const noexcept;
};

// Empty, or the first contradiction.
std::string contradiction_in(const HeapColumns& columns);

}  // namespace leakscope
