// Who alone keeps an object alive, and how much each object keeps alive: immediate dominators by Semi-NCA, with
// skew-binary jump pointers for the walk that is quadratic without them on deep heaps. O(m log n) on any graph,
// no recursion. Peak memory besides the columns: 24 bytes an object, or 12 and 4 for each reference that leads back or
// across, if that is more.
#pragma once

#include <cstdint>
#include <span>

#include "graph.h"

namespace leakscope {

// The objects on all ways from the roots, taken together as one, to an object; the nearest of them.
//   idom   per object: that object; the number of objects if there is none but the roots together; no_object
//          if the object is unreachable
//   order  the reachable objects, each behind its dominator; as long as objects, `reached` of it filled
[[nodiscard]] ReadError dominators(const Graph& graph, std::span<const std::uint32_t> roots,
                                   std::span<std::uint32_t> idom, std::span<std::uint32_t> order,
                                   std::uint32_t& reached) noexcept;

// Sums of `size` over everything an object dominates, itself included; 0 for unreachable objects, which hold nothing
// that is reachable. Sums are modulo 2^64.
[[nodiscard]] ReadError retained(std::span<const std::uint32_t> idom, std::span<const std::uint32_t> order,
                                 std::span<const std::uint64_t> size,
                                 std::span<std::uint64_t> retained) noexcept;

}  // namespace leakscope
