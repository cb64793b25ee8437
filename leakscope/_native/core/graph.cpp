#include "graph.h"

#include <algorithm>
#include <utility>

namespace leakscope {

ReadError damaged(std::string text, std::int64_t offset) noexcept {
  return {ReadStatus::damaged, offset, std::move(text)};
}

ReadError no_memory() noexcept {
  return {ReadStatus::no_memory, -1, "there is not enough memory for the object graph"};
}

ReadError check_length(std::size_t items, std::size_t expected, const char* what) noexcept {
  if (items == expected) return {};
  return damaged(std::string(what) + " has " + std::to_string(items) + " items instead of " +
                 std::to_string(expected));
}

ReadError check_ids(std::span<const std::uint32_t> ids, std::uint64_t count, const char* what) noexcept {
  // The largest first: that loop is eight ids a step, and nobody needs the place of an error that is not there.
  std::uint32_t largest = 0;
  for (const std::uint32_t id : ids) largest = std::max(largest, id);
  if (ids.empty() || largest < count) return {};
  const auto found = std::find_if(ids.begin(), ids.end(), [count](std::uint32_t id) { return id >= count; });
  return damaged(
      std::string(what) + " names object " + std::to_string(*found) + " of " + std::to_string(count),
      (found - ids.begin()) * std::int64_t{sizeof(std::uint32_t)});
}

ReadError check_graph(const Graph& graph) noexcept {
  if (graph.offsets.empty()) return damaged("offsets is empty");
  if (graph.offsets.size() - 1 > max_objects)
    return damaged("there are more than " + std::to_string(max_objects) + " objects");
  if (graph.targets.size() > max_references)
    return damaged("there are more than " + std::to_string(max_references) + " references");
  if (graph.offsets.front() != 0) return damaged("offsets does not begin with 0", 0);
  const auto descent =
      std::is_sorted_until(graph.offsets.begin(), graph.offsets.end()) - graph.offsets.begin();
  if (static_cast<std::size_t>(descent) != graph.offsets.size())
    return damaged("offsets descends", descent * std::int64_t{sizeof(std::uint64_t)});
  if (graph.offsets.back() != graph.targets.size())
    return damaged("offsets ends with " + std::to_string(graph.offsets.back()) + " and there are " +
                       std::to_string(graph.targets.size()) + " references",
                   static_cast<std::int64_t>(graph.offsets.size_bytes() - sizeof(std::uint64_t)));
  return check_ids(graph.targets, graph.count(), "targets");
}

ReadError in_counts(std::span<const std::uint32_t> targets, std::span<std::uint32_t> counts) noexcept {
  if (targets.size() > max_references) return damaged("there are too many references");
  if (ReadError error = check_ids(targets, counts.size(), "targets"); error.status != ReadStatus::ok)
    return error;
  std::fill(counts.begin(), counts.end(), 0);
  for (std::size_t at = 0; at < targets.size(); ++at) {
    if (at + ahead < targets.size()) __builtin_prefetch(&counts[targets[at + ahead]], 1);
    ++counts[targets[at]];
  }
  return {};
}

ReadError reverse(const Graph& graph, std::span<std::uint64_t> in_offsets,
                  std::span<std::uint32_t> in_targets) noexcept {
  if (ReadError error = check_graph(graph); error.status != ReadStatus::ok) return error;
  if (ReadError error = check_length(in_offsets.size(), graph.offsets.size(), "in_offsets");
      error.status != ReadStatus::ok)
    return error;
  if (ReadError error = check_length(in_targets.size(), graph.targets.size(), "in_targets");
      error.status != ReadStatus::ok)
    return error;
  // A counting sort that needs no memory: item v + 1 counts what leads to v, becomes where those begin, and while
  // they are filled in moves to where they end, which is where those of v + 1 begin.
  std::fill(in_offsets.begin(), in_offsets.end(), 0);
  const std::span<const std::uint32_t> targets = graph.targets;
  std::uint64_t* const cursors = in_offsets.data() + 1;
  for (std::size_t at = 0; at < targets.size(); ++at) {
    if (at + ahead < targets.size()) __builtin_prefetch(&cursors[targets[at + ahead]], 1);
    ++cursors[targets[at]];
  }
  std::uint64_t before = 0;
  for (std::uint32_t object = 0; object < graph.count(); ++object)
    before += std::exchange(cursors[object], before);
  for (std::uint32_t source = 0; source < graph.count(); ++source) {
    for (std::uint32_t at = graph.begin(source); at < graph.end(source); ++at) {
      if (at + ahead < targets.size()) __builtin_prefetch(&cursors[targets[at + ahead]], 1);
      in_targets[cursors[targets[at]]++] = source;
    }
  }
  return {};
}

}  // namespace leakscope
