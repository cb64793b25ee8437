#include "dominators.h"

#include <algorithm>
#include <utility>

#include "preorder.h"
#include "scratch.h"

// Georgiadis, Tarjan and Werneck, "Finding dominators in practice" (2006), for Semi-NCA; Myers, "An applicative
// random-access stack" (1983), for the jumps. All numbers are those of the depth-first search, 0 is the roots together.

namespace leakscope {
namespace {

// Two numbers per object whose meaning changes with the progress, so that one piece of memory serves three passes.
union Link {
  struct {
    std::uint32_t end;  // of its part of the sources; it begins where that of the number below ends
    std::uint32_t low;  // lowest number that refers to it
  } waiting;
  struct {
    std::uint32_t ancestor;  // in the forest of what is done, paths compressed
    std::uint32_t low;       // lowest semidominator from here to below the ancestor
  } done;
  struct {
    std::uint32_t target;  // some dominator further up
    std::uint32_t depth;   // in the dominator tree
  } jump;
};

constexpr std::uint32_t plain(std::uint32_t number) noexcept {
  return number & ~root_bit;
}

// Calls `use(source, link of the target, target)` for the references that matter, all but those to roots. Walks the
// columns as they lie, not in search order: then only what is written is scattered, and can be asked for ahead.
template <class Use>
void each_reference(const Graph& graph, const std::uint32_t* number, Link* links, Use use) noexcept {
  const std::size_t last = graph.targets.size();
  for (std::uint32_t object = 0; object < graph.count(); ++object) {
    const std::uint32_t source = plain(number[object]);
    if (source == 0) continue;
    for (std::size_t at = graph.begin(object); at < graph.end(object); ++at) {
      if (at + 2 * ahead < last) __builtin_prefetch(&number[graph.targets[at + 2 * ahead]]);
      if (at + ahead < last) __builtin_prefetch(&links[plain(number[graph.targets[at + ahead]])], 1);
      const std::uint32_t target = number[graph.targets[at]];
      if ((target & root_bit) == 0) use(source, links[target], target);
    }
  }
}

// Of references from lower numbers only the lowest counts, and need not be kept. Those from higher ones, back and
// across, are counted; returns how many there are, with each target's part laid out.
std::uint32_t lay_out(const Graph& graph, const std::uint32_t* number, Link* links,
                      std::uint32_t reached) noexcept {
  each_reference(graph, number, links, [](std::uint32_t source, Link& link, std::uint32_t target) {
    if (source > target) {
      ++link.waiting.end;
    } else {
      link.waiting.low = std::min(link.waiting.low, source);
    }
  });
  std::uint32_t used = 0;
  for (std::uint32_t node = 0; node <= reached; ++node)
    used += std::exchange(links[node].waiting.end, used);  // filling moves it on to the end
  return used;
}

void fill(const Graph& graph, const std::uint32_t* number, Link* links, std::uint32_t* sources) noexcept {
  each_reference(graph, number, links, [sources](std::uint32_t source, Link& link, std::uint32_t target) {
    if (source > target) sources[link.waiting.end++] = source;
  });
}

// The lowest semidominator from `node` up to the highest ancestor that is done, i.e. above `now`. Compresses the path
// it went, by turning the pointers around on the way up and setting them on the way down: no stack, whatever the depth.
std::uint32_t lowest(Link* links, std::uint32_t node, std::uint32_t now) noexcept {
  std::uint32_t up = links[node].done.ancestor;
  if (up <= now) return links[node].done.low;
  std::uint32_t below = 0;
  while (up > now) {
    links[node].done.ancestor = below;
    below = node;
    node = up;
    up = links[node].done.ancestor;
  }
  std::uint32_t low = links[node].done.low;
  while (below != 0) {
    Link& link = links[below];
    below = link.done.ancestor;
    low = std::min(low, link.done.low);
    link.done = {up, low};
  }
  return low;
}

// `semi` is per number - 1.
void semidominators(const std::uint32_t* parent, std::uint32_t reached, const std::uint32_t* sources,
                    Link* links, std::uint32_t* semi) noexcept {
  std::uint32_t at = links[reached].waiting.end;
  for (std::uint32_t now = reached; now > 0; --now) {
    std::uint32_t low = links[now].waiting.low;
    for (const std::uint32_t begin = links[now - 1].waiting.end; at > begin; --at) {
      if (at > ahead) __builtin_prefetch(&links[sources[at - 1 - ahead]], 1);
      low = std::min(low, lowest(links, sources[at - 1], now));
    }
    semi[now - 1] = low;
    links[now].done = {parent[now], low};
  }
}

// Turns parents into immediate dominators: the first on the parent's chain of dominators that is not above the
// semidominator.
void nearest_common(std::uint32_t* chain, std::uint32_t reached, const std::uint32_t* semi,
                    Link* links) noexcept {
  links[0].jump = {0, 0};
  for (std::uint32_t node = 1; node <= reached; ++node) {
    const std::uint32_t bound = semi[node - 1];
    std::uint32_t above = chain[node];
    while (above > bound) {
      const std::uint32_t far = links[above].jump.target;
      above = far >= bound ? far : chain[above];
    }
    chain[node] = above;
    // Two jumps of equal length in a row make one; lengths are then as the digits of a skew-binary number, and a walk
    // to any ancestor takes O(log depth) steps.
    const auto near = links[above].jump;
    const auto far = links[near.target].jump;
    const bool doubled = near.depth - far.depth == far.depth - links[far.target].jump.depth;
    links[node].jump = {doubled ? far.target : above, near.depth + 1};
  }
}

ReadError immediate(const Graph& graph, std::span<const std::uint32_t> roots, std::span<std::uint32_t> idom,
                    std::uint32_t* order, std::uint32_t& reached) noexcept {
  const std::size_t count = graph.count();
  const Scratch<std::uint32_t> chain(count + 1);
  if (!chain) return no_memory();
  chain[0] = 0;
  // The output is also where the numbers are while they are needed, then the semidominators.
  if (ReadError error = depth_first(graph, roots, idom, order, chain.get(), reached);
      error.status != ReadStatus::ok)
    return error;
  const Scratch<Link> links(std::size_t{reached} + 1);
  if (!links) return no_memory();
  for (std::uint32_t node = 0; node <= reached; ++node) links[node].waiting = {0, chain[node]};
  {
    const std::uint32_t used = lay_out(graph, idom.data(), links.get(), reached);
    const Scratch<std::uint32_t> sources(used);
    if (!sources) return no_memory();
    fill(graph, idom.data(), links.get(), sources.get());
    semidominators(chain.get(), reached, sources.get(), links.get(), idom.data());
  }
  const std::uint32_t* const semi = idom.data();
  nearest_common(chain.get(), reached, semi, links.get());
  std::fill(idom.begin(), idom.end(), no_object);
  for (std::uint32_t node = 1; node <= reached; ++node)
    idom[order[node - 1]] = chain[node] == 0 ? graph.count() : order[chain[node] - 1];
  return {};
}

}  // namespace

ReadError dominators(const Graph& graph, std::span<const std::uint32_t> roots, std::span<std::uint32_t> idom,
                     std::span<std::uint32_t> order, std::uint32_t& reached) noexcept {
  reached = 0;
  if (ReadError error = check_graph(graph); error.status != ReadStatus::ok) return error;
  if (ReadError error = check_ids(roots, graph.count(), "roots"); error.status != ReadStatus::ok)
    return error;
  if (ReadError error = check_length(idom.size(), graph.count(), "idom"); error.status != ReadStatus::ok)
    return error;
  if (ReadError error = check_length(order.size(), graph.count(), "order"); error.status != ReadStatus::ok)
    return error;
  return immediate(graph, roots, idom, order.data(), reached);
}

ReadError retained(std::span<const std::uint32_t> idom, std::span<const std::uint32_t> order,
                   std::span<const std::uint64_t> size, std::span<std::uint64_t> retained) noexcept {
  const std::size_t count = idom.size();
  if (count > max_objects) return damaged("there are too many objects");
  if (ReadError error = check_ids(order, count, "order"); error.status != ReadStatus::ok) return error;
  if (ReadError error = check_length(size.size(), count, "size"); error.status != ReadStatus::ok)
    return error;
  if (ReadError error = check_length(retained.size(), count, "retained"); error.status != ReadStatus::ok)
    return error;
  std::fill(retained.begin(), retained.end(), 0);
  for (std::size_t left = order.size(); left > 0; --left) {
    if (left > ahead) {
      __builtin_prefetch(&size[order[left - 1 - ahead]]);
      __builtin_prefetch(&retained[order[left - 1 - ahead]], 1);
      __builtin_prefetch(&idom[order[left - 1 - ahead]]);
    }
    const std::uint32_t object = order[left - 1];
    retained[object] += size[object];
    if (idom[object] < count) retained[idom[object]] += retained[object];
  }
  return {};
}

}  // namespace leakscope
