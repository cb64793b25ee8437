#include "components.h"

#include <algorithm>

#include "scratch.h"

// Pearce, "A space-efficient algorithm for finding strongly connected components" (2016).

namespace leakscope {
namespace {

// An object on the path of the search. `rank` is the lowest rank it is known to reach.
struct OnPath {
  std::uint32_t object, at, end, rank;
};

// Ranks grow from 1 in the order of visits and are given back when a component is complete; finished components
// count downwards from the top, so that a finished object never looks like a way back. They meet only if there are
// more objects than numbers.
class Search {
 public:
  Search(const Graph& graph, std::uint32_t* rank, OnPath* path, std::uint32_t* open)
      : graph_(graph),
        targets_(graph.targets.data()),
        rank_(rank),
        path_(path),
        open_(open),
        none_open_(open) {}

  void from(std::uint32_t object) noexcept {
    const OnPath* const bottom = path_;
    OnPath here = enter(object);
    while (true) {
      if (here.at < here.end) {
        const std::uint32_t target = targets_[here.at++];
        if (rank_[target] == 0) {
          *path_++ = here;
          here = enter(target);
        } else {
          here.rank = std::min(here.rank, rank_[target]);
        }
        continue;
      }
      const std::uint32_t known = leave(here);
      if (path_ == bottom) return;
      here = *--path_;
      here.rank = std::min(here.rank, known);
    }
  }
  [[nodiscard]] std::uint32_t found() const noexcept { return found_; }

 private:
  OnPath enter(std::uint32_t object) noexcept {
    rank_[object] = next_++;
    const std::uint32_t begin = graph_.begin(object), end = graph_.end(object);
    const std::uint32_t last = std::min(end, begin + 8);
    for (std::uint32_t at = begin; at < last; ++at) {
      __builtin_prefetch(&rank_[targets_[at]], 1);
      __builtin_prefetch(&graph_.offsets[targets_[at]]);
    }
    return {object, begin, end, rank_[object]};
  }

  // The rank that whoever referred here reaches through it.
  std::uint32_t leave(const OnPath& here) noexcept {
    const std::uint32_t own = rank_[here.object];
    if (here.rank != own) {
      rank_[here.object] = here.rank;
      *open_++ = here.object;
      return here.rank;
    }
    // Nothing above is reached: with what is open and was entered later, it is a component.
    const std::uint32_t finished = no_object - found_++;
    --next_;
    while (open_ != none_open_ && rank_[open_[-1]] >= own) {
      rank_[*--open_] = finished;
      --next_;
    }
    rank_[here.object] = finished;
    return finished;
  }

  Graph graph_;
  const std::uint32_t* targets_;
  std::uint32_t* rank_;
  OnPath* path_;
  std::uint32_t* open_;
  const std::uint32_t* none_open_;
  std::uint32_t next_ = 1;
  std::uint32_t found_ = 0;
};

}  // namespace

ReadError components(const Graph& graph, std::span<std::uint32_t> component, std::uint32_t& count) noexcept {
  count = 0;
  if (ReadError error = check_graph(graph); error.status != ReadStatus::ok) return error;
  if (ReadError error = check_length(component.size(), graph.count(), "component");
      error.status != ReadStatus::ok)
    return error;
  const Scratch<OnPath> path(graph.count());
  const Scratch<std::uint32_t> open(graph.count());
  if (!path || !open) return no_memory();
  std::fill(component.begin(), component.end(), 0);
  Search search(graph, component.data(), path.get(), open.get());
  for (std::uint32_t object = 0; object < graph.count(); ++object) {
    if (component[object] == 0) search.from(object);
  }
  count = search.found();
  for (std::uint32_t& item : component) item = no_object - item;
  return {};
}

}  // namespace leakscope
