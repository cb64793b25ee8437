// Which objects reach each other: strongly connected components, by Pearce's one-array form of Tarjan's algorithm.
// Linear, no recursion. Peak memory besides the columns: 20 bytes an object.
#pragma once

#include <cstdint>
#include <span>

#include "graph.h"

namespace leakscope {

// The component of each object. Components are numbered so that references lead to lower ones or stay inside.
[[nodiscard]] ReadError components(const Graph& graph, std::span<std::uint32_t> component,
                                   std::uint32_t& count) noexcept;

}  // namespace leakscope
