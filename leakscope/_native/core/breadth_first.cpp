#include "breadth_first.h"

#include <string>

#include "scratch.h"

namespace leakscope {
namespace {

ReadError check_stages(std::span<const std::uint32_t> roots, std::span<const std::uint64_t> stages) noexcept {
  if (stages.empty() || stages.size() - 1 > no_stage) return damaged("there must be 0 to 255 stages");
  if (stages.front() != 0 || !std::is_sorted(stages.begin(), stages.end()) || stages.back() != roots.size())
    return damaged("the stages do not divide the roots");
  return {};
}

ReadError check_ways(const Graph& graph, std::span<const std::uint32_t> roots, const Ways& ways) noexcept {
  ReadError error = check_graph(graph);
  if (error.status == ReadStatus::ok) error = check_ids(roots, graph.count(), "roots");
  if (error.status == ReadStatus::ok) error = check_length(ways.parent.size(), graph.count(), "parent");
  if (error.status == ReadStatus::ok) error = check_length(ways.distance.size(), graph.count(), "distance");
  if (error.status == ReadStatus::ok) error = check_length(ways.stage.size(), graph.count(), "stage");
  return error;
}

}  // namespace

ReadError distances(const Graph& graph, std::span<const std::uint32_t> roots,
                    std::span<const std::uint64_t> stages, const Ways& ways) noexcept {
  if (ReadError error = check_ways(graph, roots, ways); error.status != ReadStatus::ok) return error;
  if (ReadError error = check_stages(roots, stages); error.status != ReadStatus::ok) return error;
  const Scratch<std::uint32_t> queue(graph.count());
  if (!queue) return no_memory();
  std::fill(ways.parent.begin(), ways.parent.end(), no_object);
  std::fill(ways.distance.begin(), ways.distance.end(), no_object);
  std::fill(ways.stage.begin(), ways.stage.end(), no_stage);
  std::uint32_t done = 0;
  for (std::size_t stage = 0; stage + 1 < stages.size(); ++stage) {
    const std::uint32_t first = done;
    for (const std::uint32_t root : roots.subspan(stages[stage], stages[stage + 1] - stages[stage])) {
      if (ways.parent[root] != no_object) continue;
      ways.parent[root] = graph.count();
      queue[done++] = root;
    }
    done = spread(
        graph, queue.get(), first, done, ways.parent.data(), sizeof(std::uint32_t),
        [&](std::uint32_t target) { return ways.parent[target] == no_object; },
        [&](std::uint32_t target, std::uint32_t source) { ways.parent[target] = source; });
    // Behind its parent in the queue, so the parent's distance is known.
    for (std::uint32_t at = first; at < done; ++at) {
      const std::uint32_t object = queue[at], parent = ways.parent[object];
      ways.distance[object] = parent == graph.count() ? 0 : ways.distance[parent] + 1;
      ways.stage[object] = static_cast<std::uint8_t>(stage);
    }
  }
  return {};
}

ReadError reachable(const Graph& graph, std::span<const std::uint32_t> roots,
                    std::span<const std::uint8_t> avoid, std::span<std::uint8_t> mask) noexcept {
  if (ReadError error = check_graph(graph); error.status != ReadStatus::ok) return error;
  if (ReadError error = check_ids(roots, graph.count(), "roots"); error.status != ReadStatus::ok)
    return error;
  if (ReadError error = check_length(avoid.size(), graph.count(), "avoid"); error.status != ReadStatus::ok)
    return error;
  if (ReadError error = check_length(mask.size(), graph.count(), "mask"); error.status != ReadStatus::ok)
    return error;
  const Scratch<std::uint32_t> queue(graph.count());
  if (!queue) return no_memory();
  // What must be avoided counts as reached while the search lasts: one question instead of two.
  for (std::size_t at = 0; at < mask.size(); ++at) mask[at] = avoid[at] != 0 ? 2 : 0;
  std::uint32_t last = 0;
  for (const std::uint32_t root : roots) {
    if (mask[root] != 0) continue;
    mask[root] = 1;
    queue[last++] = root;
  }
  spread(
      graph, queue.get(), 0, last, mask.data(), 1, [&](std::uint32_t target) { return mask[target] == 0; },
      [&](std::uint32_t target, std::uint32_t) { mask[target] = 1; });
  for (std::uint8_t& item : mask) item &= 1;
  return {};
}

}  // namespace leakscope
