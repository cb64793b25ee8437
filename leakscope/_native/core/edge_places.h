// Where in their records the edges of some objects are: a decoded graph leaves empty places out, and places have names.
#pragma once

#include <cstdint>
#include <span>

#include "graph.h"

namespace leakscope {

// One place for each edge of each of `objects` (ascending), in the stream's order; empty places and the reference to
// the type are left out. `places` must be as long as there are such edges. Reads each block up to the last object.
[[nodiscard]] ReadError edge_places(std::span<const std::uint8_t> stream,
                                    std::span<const std::uint64_t> block_offset,
                                    std::span<const std::uint32_t> objects,
                                    std::span<std::uint32_t> places) noexcept;

}  // namespace leakscope
