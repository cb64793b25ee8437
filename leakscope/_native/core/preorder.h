// Depth-first search from a set of roots: the numbering that dominators are computed in. A reference to a root is not
// followed: who else refers to a root changes nothing about who holds what, and in Python that spares the references to
// modules and types. It knows nothing of dominators.
#pragma once

#include <cstdint>
#include <span>

#include "graph.h"

namespace leakscope {

// Set in the number of a root.
constexpr std::uint32_t root_bit = 0x80000000;

// Numbers what is reachable 1, 2, ... in the order of first visits.
//   number  per object: its number, 0 if unreachable
//   order   per number - 1: the object
//   parent  per number: the number it was visited from, 0 for roots
// `order` has room for all objects, `parent` for one more. `reached` is how many there are.
[[nodiscard]] ReadError depth_first(const Graph& graph, std::span<const std::uint32_t> roots,
                                    std::span<std::uint32_t> number, std::uint32_t* order,
                                    std::uint32_t* parent, std::uint32_t& reached) noexcept;

}  // namespace leakscope
