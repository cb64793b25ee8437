// The object stream: what was written comes back, from one thread or two, and damage is told with its byte.
#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "object_bytes.h"

namespace {

using namespace leakscope;        // NOLINT: the subject
using namespace leakscope::test;  // NOLINT

const std::vector<std::uint32_t> sizes{48, 56};
const Bytes owns_type{0, 1};
const std::vector<std::uint32_t> type_object{no_object, 0};
const Shapes shapes{sizes, owns_type, type_object};

// Objects 16 bytes apart; each refers to its neighbours, every second owns its type, every third has a body and a
// digest. What comes back can be said from the number alone.
StreamWriter row_of(std::uint64_t count) {
  StreamWriter to;
  for (std::uint64_t own = 0; own < count; ++own) {
    const bool first = own % objects_per_block == 0;
    if (first) to.begin_block(4096 + own * 16);
    const bool extra = own % 3 == 0;
    to.number(first ? 0 : 2).number((own % 2) << flag_bits | (extra ? flag_bodies | flag_digest : 0) | 1);
    to.number(own + 1).number(3);
    to.number(own > 0 ? zigzag(-1) + 1 : 0).number(0).number(own + 1 < count ? zigzag(1) + 1 : 0);
    if (extra) to.number(1).number(zigzag(-4)).number(own).word(static_cast<std::uint32_t>(own * 7));
    to.edges += own % 2 + (own > 0 ? 1 : 0) + (own + 1 < count ? 1 : 0);
    to.bodies += extra ? 1 : 0;
    ++to.objects;
  }
  return to;
}

void check_row(const Room& room, std::uint64_t count) {
  std::uint64_t edge = 0, body = 0;
  for (std::uint64_t own = 0; own < count; ++own) {
    REQUIRE(room.address[own] == 4096 + own * 16);
    REQUIRE(room.shape[own] == own % 2);
    REQUIRE(room.size[own] == (own % 2 == 0 ? 48 : 56));
    REQUIRE(room.refcount[own] == own + 1);
    REQUIRE(room.digest[own] == (own % 3 == 0 ? own * 7 : 0));
    REQUIRE(room.offsets[own] == edge);
    if (own % 2 == 1) REQUIRE(room.targets[edge++] == 0);
    if (own > 0) REQUIRE(room.targets[edge++] == own - 1);
    if (own + 1 < count) REQUIRE(room.targets[edge++] == own + 1);
    if (own % 3 != 0) continue;
    REQUIRE(room.body_owner[body] == own);
    REQUIRE(room.body_address[body] == room.address[own] - 32);
    REQUIRE(room.body_size[body++] == own);
  }
  REQUIRE(room.offsets[count] == edge);
}

ReadError decode(const StreamWriter& from, Room& room, unsigned threads = 1) {
  return decode_objects(from.encoded(), shapes, room.columns(), threads);
}

Room room_for(const StreamWriter& from) {
  return {from.objects, from.edges, from.bodies};
}

}  // namespace

TEST_CASE("what was written comes back, from one thread or two") {
  for (const std::uint64_t count : {1, 2, 4095, 4096, 4097, 50'000}) {
    const StreamWriter stream = row_of(count);
    for (const unsigned threads : {1U, 2U}) {
      CAPTURE(count);
      CAPTURE(threads);
      Room room = room_for(stream);
      REQUIRE(decode(stream, room, threads).text == "");
      check_row(room, count);
    }
  }
}

TEST_CASE("a heap without objects is one") {
  Room room(0, 0, 0);
  CHECK(decode_objects({}, {}, room.columns(), 2).status == ReadStatus::ok);
  CHECK(room.offsets == std::vector<std::uint64_t>{0});
}

TEST_CASE("stored edges keep their places and do not name the type") {
  const StreamWriter stream = row_of(5'000);
  std::vector<std::uint32_t> edges;
  for (const std::uint32_t own : {1U, 4'095U, 4'096U, 4'998U}) {
    REQUIRE(stored_edges(stream.stream, stream.block_offset, own, edges).status == ReadStatus::ok);
    CHECK(edges == std::vector<std::uint32_t>{own - 1, no_object, own + 1});
  }
  REQUIRE(stored_edges(stream.stream, stream.block_offset, 0, edges).status == ReadStatus::ok);
  CHECK(edges == std::vector<std::uint32_t>{no_object, no_object, 1});
  CHECK(stored_edges(stream.stream, stream.block_offset, 5'000, edges).status == ReadStatus::damaged);
  CHECK(stored_edges(stream.stream, stream.block_offset, 8'192, edges).text == "there is no object 8192");
}

TEST_CASE("of several errors it is the first in the stream") {
  StreamWriter stream = row_of(40'000);
  for (const std::size_t block : {9U, 4U, 6U}) stream.stream[stream.block_offset[block]] = 1;
  for (int round = 0; round < 50; ++round) {
    Room room = room_for(stream);
    const ReadError error = decode(stream, room, 2);
    REQUIRE(error.text == "addresses do not ascend");
    REQUIRE(error.offset == static_cast<std::int64_t>(stream.block_offset[4]) + 1);
  }
}

TEST_CASE("a stream that ends anywhere is damaged there") {
  const StreamWriter whole = row_of(12);
  for (std::size_t length = 0; length < whole.stream.size(); ++length) {
    StreamWriter stream = whole;
    stream.stream = Bytes(whole.stream.data(), whole.stream.data() + length);
    Room room = room_for(stream);
    const ReadError error = decode(stream, room);
    REQUIRE(error.status == ReadStatus::damaged);
    REQUIRE(error.offset <= static_cast<std::int64_t>(length));
  }
}

TEST_CASE("any byte may be any other: an error or a sound graph, and never a step outside") {
  const StreamWriter whole = row_of(40);
  std::mt19937_64 random(1);
  std::size_t sound = 0;
  for (int round = 0; round < 20'000; ++round) {
    StreamWriter stream = whole;
    for (std::uint64_t left = random() % 3; left < 3; ++left)
      stream.stream[random() % stream.stream.size()] = static_cast<std::uint8_t>(random());
    Room room = room_for(stream);
    if (decode(stream, room).status != ReadStatus::ok) continue;
    ++sound;
    REQUIRE(check_graph({room.offsets, room.targets}).status == ReadStatus::ok);
  }
  CHECK(sound > 100);
}

TEST_CASE("columns of other lengths, blocks elsewhere and types that are no objects are refused") {
  const StreamWriter stream = row_of(10);
  Room room = room_for(stream);
  ObjectColumns columns = room.columns();
  columns.flags = columns.flags.first(9);
  CHECK(decode_objects(stream.encoded(), shapes, columns, 1).status == ReadStatus::damaged);
  const std::vector<std::uint32_t> stranger{no_object, 10};
  CHECK(decode_objects(stream.encoded(), {sizes, owns_type, stranger}, room.columns(), 1).text ==
        "a type is object 10 of 10");
  CHECK(decode_objects(stream.encoded(), {sizes, owns_type, {}}, room.columns(), 1).status ==
        ReadStatus::damaged);
  CHECK(decode_objects(stream.encoded(), {{}, {}, {}}, room.columns(), 1).text ==
        "an object has a shape that there is not");
  for (auto column : {&StreamWriter::block_offset, &StreamWriter::block_edges, &StreamWriter::block_bodies}) {
    StreamWriter wrong = stream;
    (wrong.*column)[0] = 1;
    CHECK(decode(wrong, room).status == ReadStatus::damaged);
    (wrong.*column).clear();
    CHECK(decode(wrong, room).status == ReadStatus::damaged);
  }
}
