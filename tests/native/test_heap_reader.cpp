// The object graph taken out of an area: as it was drawn, or not at all, whoever has scribbled over it.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include "drawn_heap.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

struct Fixture {
  ScratchLedger scratch{sampled, Room::small};
  HeapArea& area = scratch.ledger().heap();
  HeapReader reader{scratch.ledger(), scratch.fd()};

  explicit Fixture(std::uint32_t objects = 10'000) { draw_heap(area, objects); }

  HeapColumn& entry(std::string_view name) const {
    for (HeapColumn& one : area.columns)
      if (name == one.name) return one;
    FAIL("no such column");
    return area.columns[0];
  }
  template <class T>
  T* data(std::string_view name) const {
    return reinterpret_cast<T*>(reinterpret_cast<char*>(&area) + entry(name).offset);
  }
  // What is wrong with it; columns come out only if nothing is.
  std::string problem() const {
    DumpColumns out;
    const HeapFacts facts = reader.facts();
    std::string problem = reader.add_columns(facts, out);
    if (problem.empty()) {
      REQUIRE(broken_graph(out, facts) == "");
    } else {
      REQUIRE(out.columns.empty());
    }
    return problem;
  }
};

// The bytes that say something: the area's head, and the columns behind it.
std::uint64_t used(const Fixture& f) {
  std::uint64_t end = sizeof(HeapArea);
  for (std::uint32_t at = 0; at < f.area.column_count; ++at)
    end = std::max(end, f.area.columns[at].offset + f.area.columns[at].items);
  return end;
}

}  // namespace

TEST_CASE("a graph comes out as it was drawn") {
  const Fixture f;
  DumpColumns out;
  CHECK(f.reader.add_columns(f.reader.facts(), out) == "");
  CHECK(out.columns.size() == 39);
  CHECK(column<std::uint8_t>(out, "object.stream").size() == 40'000);
  CHECK(column<std::uint32_t>(out, "root.object") == std::vector<std::uint32_t>{0, 9'999});
  CHECK(column<std::uint32_t>(out, "root_frame.line") == std::vector<std::uint32_t>{12});
  CHECK(column<std::uint64_t>(out, "heap_string.offset") == std::vector<std::uint64_t>{0, 0, 3, 7, 8});
}

TEST_CASE("an area that nobody has filled, or not to its end, is refused") {
  const ScratchLedger scratch(exact, Room::small);
  const HeapReader reader(scratch.ledger(), scratch.fd());
  DumpColumns out;
  CHECK(reader.add_columns({0, 0, 0}, out) != "");
  const Fixture f;
  f.area.column_count -= 1;
  CHECK(f.problem() != "");
}

TEST_CASE("columns that lie outside the area, in a hole or over each other are refused") {
  const Fixture f;
  HeapColumn& entry = f.entry("object.stream");
  const HeapColumn good = entry;
  for (const std::uint64_t offset :
       {std::uint64_t{0}, f.scratch.header().heap.bytes - 1, ~std::uint64_t{0} - 63}) {
    entry.offset = offset;
    CHECK(f.problem() != "");
  }
  entry = good;
  entry.offset = f.scratch.header().heap.bytes / 2;
  CHECK(f.problem() != "");
  entry = good;
  for (const std::uint64_t items :
       {~std::uint64_t{0}, ~std::uint64_t{0} / 2, f.scratch.header().heap.bytes}) {
    entry.items = items;
    CHECK(f.problem() != "");
  }
  entry = good;
  CHECK(f.problem() == "");
  for (const char* name : {"name.object", "name.text", "export.object", "export.count"}) {
    f.entry(name).offset = good.offset;
    f.entry(name).items = good.items / 4;
  }
  CHECK(f.problem() != "");
}

TEST_CASE("a hole is not given memory by looking for it") {
  const Fixture f;
  f.entry("object.stream").offset = f.scratch.header().heap.bytes / 4;
  const std::uint64_t before = prim::resident_bytes(f.scratch.fd());
  CHECK(f.problem() != "");
  CHECK(prim::resident_bytes(f.scratch.fd()) == before);
}

TEST_CASE("a column that is there twice, unknown or of another type is refused") {
  const Fixture f;
  HeapColumn& entry = f.entry("root.kind");
  const HeapColumn good = entry;
  std::strcpy(entry.name, "root.counted");
  CHECK(f.problem() != "");
  std::strcpy(entry.name, "root.kin");
  CHECK(f.problem() != "");
  entry = good;
  std::memset(entry.name, 'x', sizeof entry.name);
  CHECK(f.problem() != "");
  entry = good;
  std::memcpy(entry.dtype, "u4", 2);
  CHECK(f.problem() != "");
}

TEST_CASE("the first contradiction is told") {
  const Fixture f;
  f.data<std::uint32_t>("root.object")[1] = 10'000;
  CHECK(f.problem().ends_with("column 'root.object' points outside its table"));
  f.data<std::uint32_t>("root.object")[1] = 9'999;
  f.data<std::uint32_t>("name.object")[1] = 0;
  CHECK(f.problem().ends_with("column 'name.object' does not ascend"));
  f.data<std::uint32_t>("name.object")[1] = 1;
  f.data<std::uint8_t>("shape.owns_type")[0] = 1;
  CHECK(f.problem().ends_with("column 'shape.owns_type' owns a type that was not walked"));
}

TEST_CASE("counts that the stream cannot hold are refused") {
  const Fixture f;
  for (std::uint64_t* count : {&f.area.objects, &f.area.edges, &f.area.bodies}) {
    const std::uint64_t good = *count;
    *count = 10'000'000'000;
    CHECK(f.problem() != "");
    *count = good;
  }
  CHECK(f.problem() == "");
}

TEST_CASE("whatever is scribbled over an area, what comes out of it leads somewhere") {
  int survived = 0;
  for (std::uint64_t seed = 1; seed <= 3'000; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    const Fixture f(static_cast<std::uint32_t>(between(random, 1, 6'000)));
    const std::uint64_t end = used(f);
    auto* bytes = reinterpret_cast<char*>(&f.area);
    for (std::uint64_t time = between(random, 1, 6); time > 0; --time) {
      const bool in_head = between(random, 0, 1) == 0;
      const std::uint64_t at =
          in_head ? between(random, 4, sizeof(HeapArea) - 9) : between(random, sizeof(HeapArea), end - 9);
      const std::uint64_t edges[] = {0,        1,     0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, ~std::uint64_t{0},
                                     random(), 3'000, 64};
      std::memcpy(bytes + at, &edges[between(random, 0, 7)], between(random, 1, 8));
    }
    survived += f.problem().empty() ? 1 : 0;
  }
  CHECK(survived > 100);
}

TEST_CASE("an emptied area is empty, has no memory, and is nobody's") {
  Fixture f;
  f.scratch.header().heap_owner = HeapOwner::wish;
  f.scratch.header().heap_wish = HeapWish::claimed;
  const std::uint64_t before = prim::resident_bytes(f.scratch.fd());
  f.reader.empty();
  CHECK(prim::resident_bytes(f.scratch.fd()) < before);
  const HeapFacts facts = f.reader.facts();
  CHECK(facts.state == heap_empty);
  CHECK(facts.owner == HeapOwner::nobody);
  CHECK(facts.wish == HeapWish::none);
  CHECK(facts.objects == 0);
}

TEST_CASE("a wish that the program has heard cannot be taken back, only withdrawn") {
  Fixture f;
  std::atomic<HeapWish>& wish = f.scratch.header().heap_wish;
  f.reader.wish();
  CHECK(wish == HeapWish::wanted);
  CHECK(f.reader.withdraw());
  CHECK(wish == HeapWish::none);
  wish = HeapWish::claimed;
  f.reader.wish();
  CHECK(wish == HeapWish::claimed);
  CHECK_FALSE(f.reader.withdraw());
  CHECK(wish == HeapWish::withdrawn);
}
