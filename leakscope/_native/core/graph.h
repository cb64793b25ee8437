// References between numbered objects, as two columns: object v refers to targets[offsets[v]] up to
// targets[offsets[v + 1]], as often as it does. The columns come from a file that anyone may have made, so every
// kernel proves them first (a pass that costs a few per cent). It refuses to know what an object is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "dump_reader.h"

namespace leakscope {

// No object.
constexpr std::uint32_t no_object = 0xFFFFFFFF;

// So many objects at most: the top bit of a number is the kernels' own.
constexpr std::uint64_t max_objects = 0x7FFFFFFE;
// So many references at most: positions of references are kept in 32 bits while a kernel works.
constexpr std::uint64_t max_references = 0xFFFFFFFE;

struct Graph {
  std::span<const std::uint64_t> offsets;  // one more than objects
  std::span<const std::uint32_t> targets;

  [[nodiscard]] std::uint32_t count() const noexcept {
    return static_cast<std::uint32_t>(offsets.size() - 1);
  }
  [[nodiscard]] std::uint32_t begin(std::uint32_t object) const noexcept {
    return static_cast<std::uint32_t>(offsets[object]);
  }
  [[nodiscard]] std::uint32_t end(std::uint32_t object) const noexcept {
    return static_cast<std::uint32_t>(offsets[object + 1]);
  }
};

[[nodiscard]] ReadError damaged(std::string text, std::int64_t offset = -1) noexcept;
[[nodiscard]] ReadError no_memory() noexcept;

// Whether the columns are a graph; the offset of an error is the byte in the column it names.
[[nodiscard]] ReadError check_graph(const Graph& graph) noexcept;
// Whether each of `ids` is below `count`; `what` names the column.
[[nodiscard]] ReadError check_ids(std::span<const std::uint32_t> ids, std::uint64_t count,
                                  const char* what) noexcept;
// Whether a column has as many items as it must.
[[nodiscard]] ReadError check_length(std::size_t items, std::size_t expected, const char* what) noexcept;

// Who refers to an object, in ascending order, multiplicity kept. The outputs are as long as the inputs.
[[nodiscard]] ReadError reverse(const Graph& graph, std::span<std::uint64_t> in_offsets,
                                std::span<std::uint32_t> in_targets) noexcept;
// How many references lead to each object.
[[nodiscard]] ReadError in_counts(std::span<const std::uint32_t> targets,
                                  std::span<std::uint32_t> counts) noexcept;

// How far ahead loops over scattered memory ask for it: about the latency of memory over the time of one turn.
constexpr std::size_t ahead = 24;

}  // namespace leakscope
