// Components, ways, reach, counts and what a collection would find, each against its stupid twin.
#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <vector>

#include "breadth_first.h"
#include "collection.h"
#include "components.h"
#include "graph_twins.h"

namespace {

using namespace leakscope;        // NOLINT: the subject
using namespace leakscope::test;  // NOLINT

using Bytes = std::vector<std::uint8_t>;

std::set<std::uint32_t> ones(const Bytes& mask) {
  std::set<std::uint32_t> set;
  for (std::uint32_t object = 0; object < mask.size(); ++object) {
    if (mask[object] != 0) set.insert(object);
  }
  return set;
}

// One level after the other.
std::map<std::uint32_t, std::uint32_t> levels(const Adjacency& references, const Ids& roots) {
  std::map<std::uint32_t, std::uint32_t> distance;
  Ids level = roots;
  for (std::uint32_t at = 0; !level.empty(); ++at) {
    Ids next;
    for (const std::uint32_t object : level) {
      if (distance.emplace(object, at).second)
        next.insert(next.end(), references[object].begin(), references[object].end());
    }
    level = next;
  }
  return distance;
}

}  // namespace

TEST_CASE("objects are in one component if they reach each other, and references lead to lower ones") {
  for (std::uint64_t seed = 0; seed < 3'000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Adjacency references = random_graph(random);
    const std::size_t count = references.size();
    Ids component(count);
    std::uint32_t found = 0;
    REQUIRE(components(Columns(references).graph(), component, found).status == ReadStatus::ok);
    for (std::uint32_t one = 0; one < count; ++one) {
      REQUIRE(component[one] < found);
      const std::set<std::uint32_t> there = reach(references, {one});
      for (std::uint32_t other = 0; other < count; ++other) {
        const bool both = there.contains(other) && reach(references, {other}).contains(one);
        REQUIRE((component[one] == component[other]) == both);
        if (there.contains(other)) REQUIRE(component[other] <= component[one]);
      }
    }
    REQUIRE(std::set(component.begin(), component.end()).size() == found);
  }
}

TEST_CASE("ways are shortest, and the first stage that reaches an object keeps it") {
  for (std::uint64_t seed = 0; seed < 3'000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Adjacency references = random_graph(random);
    const std::uint32_t count = static_cast<std::uint32_t>(references.size());
    const Ids first = random_roots(random, references), second = random_roots(random, references);
    Ids roots = first;
    roots.insert(roots.end(), second.begin(), second.end());
    Ids parent(count), distance(count);
    Bytes stage(count);
    const std::vector<std::uint64_t> stages{0, first.size(), roots.size()};
    REQUIRE(distances(Columns(references).graph(), roots, stages, {parent, distance, stage}).status ==
            ReadStatus::ok);
    const auto near = levels(references, first);
    const std::set<std::uint32_t> all = reach(references, roots);
    for (std::uint32_t object = 0; object < count; ++object) {
      const std::uint8_t expected = near.contains(object) ? 0 : all.contains(object) ? 1 : no_stage;
      REQUIRE(stage[object] == expected);
      if (expected == 0) REQUIRE(distance[object] == near.at(object));
      if (expected == no_stage) {
        REQUIRE(parent[object] == no_object);
        REQUIRE(distance[object] == no_object);
      } else if (parent[object] != count) {
        const Ids& others = references[parent[object]];
        REQUIRE(std::find(others.begin(), others.end(), object) != others.end());
        REQUIRE(distance[object] == distance[parent[object]] + 1);
        REQUIRE(stage[object] == stage[parent[object]]);
      }
    }
  }
}

TEST_CASE("what is avoided is not entered") {
  for (std::uint64_t seed = 0; seed < 2'000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Adjacency references = random_graph(random);
    const Ids roots = random_roots(random, references);
    Bytes avoid(references.size()), mask(references.size());
    for (std::uint8_t& item : avoid) item = below(random, 4) == 0 ? 9 : 0;
    REQUIRE(reachable(Columns(references).graph(), roots, avoid, mask).status == ReadStatus::ok);
    REQUIRE(ones(mask) == reach(references, roots, ones(avoid)));
  }
}

TEST_CASE("a graph that is reversed twice is sorted by targets, and lengths are the counts") {
  for (std::uint64_t seed = 0; seed < 1'000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Adjacency references = random_graph(random);
    const Columns columns(references);
    std::vector<std::uint64_t> in_offsets(columns.offsets.size()), offsets(columns.offsets.size());
    Ids in_targets(columns.targets.size()), targets(columns.targets.size()), counts(references.size());
    REQUIRE(reverse(columns.graph(), in_offsets, in_targets).status == ReadStatus::ok);
    REQUIRE(reverse({in_offsets, in_targets}, offsets, targets).status == ReadStatus::ok);
    for (Ids& of_one : references) std::sort(of_one.begin(), of_one.end());
    const Columns sorted(references);
    REQUIRE(offsets == sorted.offsets);
    REQUIRE(targets == sorted.targets);
    REQUIRE(in_counts(columns.targets, counts).status == ReadStatus::ok);
    for (std::uint32_t object = 0; object < references.size(); ++object)
      REQUIRE(counts[object] == in_offsets[object + 1] - in_offsets[object]);
  }
}

TEST_CASE("a collection finds the largest part that only refers to itself") {
  for (std::uint64_t seed = 0; seed < 3'000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Adjacency references = random_graph(random);
    const Columns columns(references);
    Ids refcount(references.size());
    REQUIRE(in_counts(columns.targets, refcount).status == ReadStatus::ok);
    Bytes flags(references.size()), mask(references.size());
    std::set<std::uint32_t> part;
    for (std::uint32_t object = 0; object < references.size(); ++object) {
      refcount[object] += below(random, 8) == 0 ? 1 : 0;
      flags[object] = static_cast<std::uint8_t>(below(random, 6) == 0 ? below(random, 4) : 1);
      if (flags[object] == flag_tracked && refcount[object] > 0) part.insert(object);
    }
    for (bool changed = true; changed;) {
      Ids inside(references.size());
      for (const std::uint32_t object : part) {
        for (const std::uint32_t target : references[object]) ++inside[target];
      }
      changed =
          std::erase_if(part, [&](std::uint32_t object) { return inside[object] < refcount[object]; }) > 0;
    }
    REQUIRE(collectable(columns.graph(), refcount, flags, mask).status == ReadStatus::ok);
    REQUIRE(ones(mask) == part);
  }
}

TEST_CASE("a list of 300,000 that refers both ways is one component and one piece of garbage") {
  constexpr std::uint32_t count = 300'000;
  const Columns columns(linked_list(count));
  Ids component(count), refcount(count);
  std::uint32_t found = 0;
  CHECK(components(columns.graph(), component, found).status == ReadStatus::ok);
  CHECK(found == 1);
  Bytes mask(count);
  CHECK(in_counts(columns.targets, refcount).status == ReadStatus::ok);
  CHECK(collectable(columns.graph(), refcount, Bytes(count, flag_tracked), mask).status == ReadStatus::ok);
  CHECK(ones(mask).size() == count);
  ++refcount[count / 2];
  CHECK(collectable(columns.graph(), refcount, Bytes(count, flag_tracked), mask).status == ReadStatus::ok);
  CHECK(ones(mask).empty());
}

TEST_CASE("stages that do not divide the roots are refused") {
  const Columns columns({{1}, {}});
  Ids parent(2), distance(2);
  Bytes stage(2);
  const auto status = [&](const std::vector<std::uint64_t>& stages) {
    return distances(columns.graph(), Ids{0, 1}, stages, {parent, distance, stage}).status;
  };
  CHECK(status({0, 2}) == ReadStatus::ok);
  CHECK(status({}) == ReadStatus::damaged);
  CHECK(status({0}) == ReadStatus::damaged);
  CHECK(status({1, 2}) == ReadStatus::damaged);
  CHECK(status({0, 3}) == ReadStatus::damaged);
  CHECK(status({0, 2, 1, 2}) == ReadStatus::damaged);
  CHECK(status(std::vector<std::uint64_t>(257, 0)) == ReadStatus::damaged);
}
