// Dominators and retained sizes against leaving one object out at a time, and on the heaps that plain methods die on.
#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

#include "dominators.h"
#include "graph_twins.h"

namespace {

using namespace leakscope;        // NOLINT: the subject
using namespace leakscope::test;  // NOLINT

struct Tree {
  ReadError error;
  Ids idom, order;
};

Tree tree_of(const Columns& columns, const Ids& roots) {
  const std::uint32_t count = columns.graph().count();
  Tree tree{{}, Ids(count), Ids(count)};
  std::uint32_t reached = 0;
  tree.error = dominators(columns.graph(), roots, tree.idom, tree.order, reached);
  tree.order.resize(reached);
  return tree;
}

}  // namespace

TEST_CASE("immediate dominators are those of leaving one object out") {
  for (std::uint64_t seed = 0; seed < 4'000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Adjacency references = random_graph(random);
    const Ids roots = random_roots(random, references);
    const Tree tree = tree_of(Columns(references), roots);
    REQUIRE(tree.error.status == ReadStatus::ok);
    REQUIRE(tree.idom == immediate_dominators(references, roots));
    REQUIRE(std::set(tree.order.begin(), tree.order.end()) == reach(references, roots));
  }
}

TEST_CASE("an object retains what cannot be reached without it") {
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Adjacency references = random_graph(random);
    const Ids roots = random_roots(random, references);
    const Tree tree = tree_of(Columns(references), roots);
    std::vector<std::uint64_t> size(references.size()), sums(references.size()), twin(references.size());
    for (std::uint64_t& of_one : size) of_one = random() >> 8;
    const std::set<std::uint32_t> reached = reach(references, roots);
    for (const std::uint32_t out : reached) {
      const std::set<std::uint32_t> left = reach(references, roots, {out});
      for (const std::uint32_t object : reached) twin[out] += left.contains(object) ? 0 : size[object];
    }
    REQUIRE(retained(tree.idom, tree.order, size, sums).status == ReadStatus::ok);
    REQUIRE(sums == twin);
  }
}

TEST_CASE("a doubly linked list of 200,000, and a ring beside it, are a matter of course") {
  constexpr std::uint32_t count = 200'000;
  Adjacency references = linked_list(count);
  references[0].push_back(count - 1);
  const Tree ring = tree_of(Columns(references), {0});
  CHECK(ring.idom[1] == 0);
  CHECK(ring.idom[count / 2] == 0);
  CHECK(ring.idom[count - 1] == 0);
  const Tree list = tree_of(Columns(linked_list(count)), {0, 0});
  CHECK(list.idom[0] == count);
  CHECK(list.idom[count - 1] == count - 2);
}

// The depth-first search takes the whole chain first; then each object of the comb is referred to from outside of it as
// well, by something that hangs on the chain's beginning, so each looks for a dominator at the far end.
TEST_CASE("a comb on a long chain does not make every object walk the chain") {
  constexpr std::uint32_t half = 200'000;
  Adjacency references(2 * half + 1);
  for (std::uint32_t at = 0; at < half; ++at) {
    references[at].push_back(at + 1);  // the chain; its last is the comb's back
    references[half].push_back(half + 1 + at % half);
    references[1].push_back(half + 1 + at);  // what makes object 1 the dominator of every tooth
  }
  const Tree tree = tree_of(Columns(references), {0});
  REQUIRE(tree.error.status == ReadStatus::ok);
  for (std::uint32_t tooth = half + 1; tooth < 2 * half + 1; tooth += 1'001) REQUIRE(tree.idom[tooth] == 1);
  CHECK(tree.idom[half] == half - 1);
}

TEST_CASE("columns that are no graph are refused with the byte") {
  const std::vector<std::uint64_t> offsets{0, 1, 2};
  const Ids targets{1, 2};
  Ids idom(2), order(2);
  std::uint32_t reached = 7;
  const ReadError error = dominators({offsets, targets}, Ids{0}, idom, order, reached);
  CHECK(error.status == ReadStatus::damaged);
  CHECK(error.offset == 4);
  CHECK(error.text == "targets names object 2 of 2");
  CHECK(reached == 0);
  CHECK(dominators({{}, {}}, {}, {}, {}, reached).status == ReadStatus::damaged);
  CHECK(dominators({std::vector<std::uint64_t>{0}, {}}, {}, {}, {}, reached).status == ReadStatus::ok);
}
