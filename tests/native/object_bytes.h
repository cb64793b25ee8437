// For tests of the object stream: its blocks, written record by record, and room for what they decode to. All memory is
// of its exact size, so that a sanitizer sees a step outside.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "object_stream.h"
#include "varint.h"

namespace leakscope::test {

using Bytes = std::vector<std::uint8_t>;

// Where things are decoded to.
struct Room {
  std::vector<std::uint64_t> address, size, offsets, body_address, body_size;
  std::vector<std::uint32_t> shape, refcount, digest, targets, body_owner;
  Bytes flags;

  Room(std::size_t objects, std::size_t edges, std::size_t bodies)
      : address(objects),
        size(objects),
        offsets(objects + 1),
        body_address(bodies),
        body_size(bodies),
        shape(objects),
        refcount(objects),
        digest(objects),
        targets(edges),
        body_owner(bodies),
        flags(objects) {}
  [[nodiscard]] ObjectColumns columns() {
    return {address, shape,   flags,      refcount,     size,     digest,
            offsets, targets, body_owner, body_address, body_size};
  }
};

// What a stream is made of: numbers, and now and then four bytes.
class StreamWriter {
 public:
  void begin_block(std::uint64_t address) {
    block_offset.push_back(stream.size());
    block_address.push_back(address);
    block_edges.push_back(edges);
    block_bodies.push_back(bodies);
  }
  StreamWriter& number(std::uint64_t value) {
    std::uint8_t room[max_varint_bytes];
    std::uint8_t* at = room;
    put_varint(at, value);
    stream.insert(stream.end(), room, at);
    return *this;
  }
  StreamWriter& word(std::uint32_t value) {
    std::uint8_t room[sizeof value];
    std::memcpy(room, &value, sizeof value);
    stream.insert(stream.end(), room, room + sizeof value);
    return *this;
  }
  [[nodiscard]] EncodedObjects encoded() const {
    return {stream, block_offset, block_address, block_edges, block_bodies};
  }

  Bytes stream;
  std::vector<std::uint64_t> block_offset, block_address, block_edges, block_bodies;
  std::uint64_t objects = 0, edges = 0, bodies = 0;  // the caller counts
};

}  // namespace leakscope::test
