// What CPython's cycle collector would find if it collected the oldest generation of a heap now: its own algorithm
// (Python/gc.c, deduce_unreachable) over columns. It frees nothing and refuses to know finalizers and weak references:
// those decide what happens to what is found, not what is found.
#pragma once

#include <cstdint>
#include <span>

#include "graph.h"

namespace leakscope {

constexpr std::uint8_t flag_tracked = 1;  // by the collector
constexpr std::uint8_t flag_frozen = 2;   // in the permanent generation

// Sets `mask` to 1 for the tracked objects that nothing outside them refers to, else to 0. `refcount` is 0 for
// immortal objects.
[[nodiscard]] ReadError collectable(const Graph& graph, std::span<const std::uint32_t> refcount,
                                    std::span<const std::uint8_t> flags,
                                    std::span<std::uint8_t> mask) noexcept;

}  // namespace leakscope
