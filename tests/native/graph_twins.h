// Small random graphs and the stupid twins of the graph kernels: what a kernel must answer, said in a few lines and at
// any cost. Columns are copied to memory of their exact size, so that a sanitizer sees a step outside.
#pragma once

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "graph.h"

namespace leakscope::test {

using Ids = std::vector<std::uint32_t>;
using Adjacency = std::vector<Ids>;
using Random = std::mt19937_64;

inline std::uint32_t below(Random& random, std::size_t limit) {
  return static_cast<std::uint32_t>(random() % limit);
}

// The columns of a graph, and the graph over them while they live.
struct Columns {
  std::vector<std::uint64_t> offsets{0};
  Ids targets;

  explicit Columns(const Adjacency& references) {
    for (const Ids& of_one : references) {
      targets.insert(targets.end(), of_one.begin(), of_one.end());
      offsets.push_back(targets.size());
    }
    targets.shrink_to_fit();
    offsets.shrink_to_fit();
  }
  [[nodiscard]] Graph graph() const { return {offsets, targets}; }
};

// 0 to 10 objects, sparse to dense, with self loops, repeated references and parts that nobody reaches.
inline Adjacency random_graph(Random& random) {
  Adjacency references(below(random, 11));
  if (references.empty()) return references;
  const std::size_t edges = below(random, 1 + references.size() * (1 + below(random, 4)));
  for (std::size_t edge = 0; edge < edges; ++edge)
    references[below(random, references.size())].push_back(below(random, references.size()));
  if (below(random, 3) == 0) {  // and something that goes deep
    for (std::uint32_t object = 0; object + 1 < references.size(); ++object)
      references[object].push_back(object + 1);
  }
  return references;
}

inline Ids random_roots(Random& random, const Adjacency& references) {
  Ids roots;
  for (std::uint32_t left = references.empty() ? 0 : below(random, 4); left > 0; --left)
    roots.push_back(below(random, references.size()));
  return roots;
}

inline std::set<std::uint32_t> reach(const Adjacency& references, Ids ahead,
                                     const std::set<std::uint32_t>& without = {}) {
  std::set<std::uint32_t> reached;
  while (!ahead.empty()) {
    const std::uint32_t object = ahead.back();
    ahead.pop_back();
    if (without.contains(object) || !reached.insert(object).second) continue;
    ahead.insert(ahead.end(), references[object].begin(), references[object].end());
  }
  return reached;
}

// By leaving one object out at a time; the last dominator of an object has the most above itself.
inline Ids immediate_dominators(const Adjacency& references, const Ids& roots) {
  const std::set<std::uint32_t> reached = reach(references, roots);
  std::vector<std::set<std::uint32_t>> above(references.size());
  for (const std::uint32_t out : reached) {
    const std::set<std::uint32_t> left = reach(references, roots, {out});
    for (const std::uint32_t object : reached) {
      if (object != out && !left.contains(object)) above[object].insert(out);
    }
  }
  Ids idom(references.size(), no_object);
  for (const std::uint32_t object : reached) {
    const auto last = std::max_element(
        above[object].begin(), above[object].end(),
        [&](std::uint32_t one, std::uint32_t other) { return above[one].size() < above[other].size(); });
    idom[object] = last == above[object].end() ? static_cast<std::uint32_t>(references.size()) : *last;
  }
  return idom;
}

// A doubly linked list of `count` objects.
inline Adjacency linked_list(std::uint32_t count) {
  Adjacency references(count);
  for (std::uint32_t object = 0; object < count; ++object) {
    if (object + 1 < count) references[object].push_back(object + 1);
    if (object > 0) references[object].push_back(object - 1);
  }
  return references;
}

}  // namespace leakscope::test
