// Places of edges: those of the stream, whichever objects are asked for, and nothing from outside of it.
#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <vector>

#include "edge_places.h"
#include "object_bytes.h"

namespace {

using namespace leakscope;        // NOLINT: the subject
using namespace leakscope::test;  // NOLINT

// Object `own` has places 0 to own % 5, of which every third is empty.
StreamWriter row_of(std::uint64_t count) {
  StreamWriter to;
  for (std::uint64_t own = 0; own < count; ++own) {
    const bool first = own % objects_per_block == 0;
    if (first) to.begin_block(4096 + own * 16);
    const bool extra = own % 4 == 0;
    to.number(first ? 0 : 2).number(extra ? flag_bodies | flag_digest | flag_own_size : 0).number(1);
    if (extra) to.number(99);
    to.number(own % 5 + 1);
    for (std::uint64_t place = 0; place <= own % 5; ++place) to.number((own + place) % 3 == 0 ? 0 : 1);
    if (extra) to.number(1).number(0).number(64).word(7);
    ++to.objects;
  }
  return to;
}

std::vector<std::uint32_t> expected(const std::vector<std::uint32_t>& objects) {
  std::vector<std::uint32_t> places;
  for (const std::uint32_t own : objects) {
    for (std::uint32_t place = 0; place <= own % 5; ++place) {
      if ((own + place) % 3 != 0) places.push_back(place);
    }
  }
  return places;
}

}  // namespace

TEST_CASE("the places of edges are those of the stream, whichever objects are asked for") {
  const StreamWriter stream = row_of(10'000);
  std::mt19937 random(1);
  for (const unsigned one_in : {1U, 2U, 50U, 3000U}) {
    std::vector<std::uint32_t> objects;
    for (std::uint32_t own = 0; own < 10'000; ++own) {
      if (random() % one_in == 0) objects.push_back(own);
    }
    const std::vector<std::uint32_t> wanted = expected(objects);
    std::vector<std::uint32_t> places(wanted.size());
    REQUIRE(edge_places(stream.stream, stream.block_offset, objects, places).status == ReadStatus::ok);
    CHECK(places == wanted);
  }
}

TEST_CASE("too much or too little room, objects out of order or beyond the end are told") {
  const StreamWriter stream = row_of(100);
  const auto text = [&](std::vector<std::uint32_t> objects, std::size_t room) {
    std::vector<std::uint32_t> places(room);
    return edge_places(stream.stream, stream.block_offset, objects, places).text;
  };
  CHECK(text({}, 0) == "");
  CHECK(text({1, 2}, 1) == "objects have more edges than they should");
  CHECK(text({1, 2}, 9) == "objects have fewer edges than they should");
  CHECK(text({2, 1}, 9) == "the objects asked for do not ascend");
  CHECK(text({2, 2}, 9) == "the objects asked for do not ascend");
  CHECK(text({5000}, 9) == "there is no object 5000");
  CHECK(text({100}, 9) == "a number does not end where it should");
}

TEST_CASE("any byte may be any other, and never a step outside") {
  const StreamWriter whole = row_of(40);
  std::vector<std::uint32_t> objects;
  for (std::uint32_t own = 0; own < 40; ++own) objects.push_back(own);
  std::vector<std::uint32_t> places(expected(objects).size());
  std::mt19937_64 random(1);
  for (int round = 0; round < 20'000; ++round) {
    StreamWriter stream = whole;
    for (int change = 0; change < 3; ++change)
      stream.stream[random() % stream.stream.size()] = random() % 256;
    if (round % 4 == 0) stream.block_offset[0] = random();
    const ReadError error = edge_places(stream.stream, stream.block_offset, objects, places);
    REQUIRE((error.status == ReadStatus::ok || error.status == ReadStatus::damaged));
  }
}
