// Nearest things first: how far every object is from the roots and by which way, and what is reached at all. Linear;
// peak memory besides the columns: 4 bytes an object.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "graph.h"

namespace leakscope {

constexpr std::uint8_t no_stage = 255;

struct Ways {
  std::span<std::uint32_t> parent;    // who refers to it on a shortest way; the number of objects for roots
  std::span<std::uint32_t> distance;  // references from its root; no_object if unreached
  std::span<std::uint8_t> stage;      // whose roots reach it; no_stage if unreached
};

// Searches from the roots of one stage after the other; what an earlier one has reached is not entered again. Stage
// `s` has roots[stages[s]] up to roots[stages[s + 1]]. Of equally short ways it is the one found first.
[[nodiscard]] ReadError distances(const Graph& graph, std::span<const std::uint32_t> roots,
                                  std::span<const std::uint64_t> stages, const Ways& ways) noexcept;

// Sets `mask` to 1 for what can be reached from `roots` without entering an object whose `avoid` is not 0, else to 0.
[[nodiscard]] ReadError reachable(const Graph& graph, std::span<const std::uint32_t> roots,
                                  std::span<const std::uint8_t> avoid, std::span<std::uint8_t> mask) noexcept;

// Follows the references of queue[first] up to queue[last] and of whatever is appended meanwhile; returns where the
// queue then ends. `may_enter(target)` is asked where it is cheap to ask; `enter(target, source)` may rely on it.
template <class MayEnter, class Enter>
std::uint32_t spread(const Graph& graph, std::uint32_t* queue, std::uint32_t first, std::uint32_t last,
                     const void* asked, std::size_t asked_bytes, MayEnter may_enter, Enter enter) noexcept {
  const std::uint32_t* const targets = graph.targets.data();
  const auto* const base = static_cast<const char*>(asked);
  for (; first < last; ++first) {
    // The queue says what comes, so three trips to memory are under way at a time: offsets, references, state.
    if (first + ahead < last) __builtin_prefetch(&graph.offsets[queue[first + ahead]]);
    if (first + ahead / 2 < last) __builtin_prefetch(&targets[graph.begin(queue[first + ahead / 2])]);
    if (first + ahead / 4 < last) {
      const std::uint32_t begin = graph.begin(queue[first + ahead / 4]);
      const std::uint32_t end = std::min(graph.end(queue[first + ahead / 4]), begin + 8);
      for (std::uint32_t at = begin; at < end; ++at) __builtin_prefetch(base + targets[at] * asked_bytes, 1);
    }
    const std::uint32_t source = queue[first];
    for (std::uint32_t at = graph.begin(source); at < graph.end(source); ++at) {
      if (!may_enter(targets[at])) continue;
      enter(targets[at], source);
      queue[last++] = targets[at];
    }
  }
  return last;
}

}  // namespace leakscope
