#include "preorder.h"

#include <algorithm>

#include "scratch.h"

namespace leakscope {
namespace {

// What the search asks of an object, side by side: on a scattered heap each is a trip to memory.
struct Place {
  std::uint32_t number;
  std::uint32_t begin;  // of its references; they end where the next one's begin
};

// An object whose references are not all looked at yet. Those that descend by their last one leave none behind, so
// the stack of a singly linked list is empty, whatever its length.
struct Unfinished {
  std::uint32_t number, at, end;
};

class Search {
 public:
  Search(const Graph& graph, Place* places, Unfinished* stack, std::uint32_t* order, std::uint32_t* parent)
      : targets_(graph.targets.data()), places_(places), stack_(stack), order_(order), parent_(parent) {}

  void from_root(std::uint32_t root) noexcept {
    Unfinished here = enter(root, 0);
    places_[root].number |= root_bit;
    const Unfinished* const bottom = stack_;
    while (true) {
      if (here.at == here.end) {
        if (stack_ == bottom) return;
        here = *--stack_;
      }
      const std::uint32_t target = targets_[here.at++];
      if (places_[target].number != 0) continue;
      if (here.at != here.end) *stack_++ = here;
      here = enter(target, here.number);
    }
  }
  [[nodiscard]] std::uint32_t reached() const noexcept { return reached_; }

 private:
  Unfinished enter(std::uint32_t object, std::uint32_t from) noexcept {
    order_[reached_++] = object;
    parent_[reached_] = from;
    places_[object].number = reached_;
    const Unfinished here{reached_, places_[object].begin, places_[object + 1].begin};
    // The first reference is looked at now anyway; the others are on their way while its subtree is searched.
    const std::uint32_t last = std::min(here.end, here.at + 8);
    for (std::uint32_t at = here.at; at < last; ++at) __builtin_prefetch(&places_[targets_[at]], 1);
    return here;
  }

  const std::uint32_t* targets_;
  Place* places_;
  Unfinished* stack_;
  std::uint32_t* order_;
  std::uint32_t* parent_;
  std::uint32_t reached_ = 0;
};

}  // namespace

ReadError depth_first(const Graph& graph, std::span<const std::uint32_t> roots,
                      std::span<std::uint32_t> number, std::uint32_t* order, std::uint32_t* parent,
                      std::uint32_t& reached) noexcept {
  const std::uint32_t count = graph.count();
  const Scratch<Place> places(std::size_t{count} + 1);
  const Scratch<Unfinished> stack(count);
  if (!places || !stack) return no_memory();
  for (std::uint32_t object = 0; object < count; ++object) places[object] = {0, graph.begin(object)};
  places[count] = {0, static_cast<std::uint32_t>(graph.targets.size())};
  for (const std::uint32_t root : roots) places[root].number = root_bit;
  Search search(graph, places.get(), stack.get(), order, parent);
  for (const std::uint32_t root : roots) {
    if (places[root].number == root_bit) search.from_root(root);  // else it was named twice
  }
  for (std::uint32_t object = 0; object < count; ++object) number[object] = places[object].number;
  reached = search.reached();
  return {};
}

}  // namespace leakscope
