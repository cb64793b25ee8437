// The object stream of a dump, decoded into columns: one record of a few varints per object, in blocks of 4,096 that
// stand alone, so that two threads share the work. The bytes may come from anyone: nothing is used before it is
// checked, and an error says at which byte. It refuses to know what shapes and objects mean.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "graph.h"

namespace leakscope {

constexpr std::uint32_t objects_per_block = 4096;

// Bits of an object's flags, beside those of collection.h.
constexpr std::uint8_t flag_bodies = 4;
constexpr std::uint8_t flag_own_size = 8;
constexpr std::uint8_t flag_digest = 16;
constexpr int flag_bits = 5;

struct EncodedObjects {
  std::span<const std::uint8_t> stream;
  std::span<const std::uint64_t> block_offset, block_address, block_edges, block_bodies;
};

struct Shapes {
  std::span<const std::uint32_t> size;
  std::span<const std::uint8_t>
      owns_type;  // not 0: each object has a reference to its type, not in the stream
  std::span<const std::uint32_t> type_object;  // who that is; no_object adds no reference
};

// Outputs, each as long as there are objects (offsets: one more), edges or bodies.
struct ObjectColumns {
  std::span<std::uint64_t> address;
  std::span<std::uint32_t> shape;
  std::span<std::uint8_t> flags;
  std::span<std::uint32_t> refcount;  // a count too large for 32 bits is the largest
  std::span<std::uint64_t> size;
  std::span<std::uint32_t> digest;
  std::span<std::uint64_t> offsets;
  std::span<std::uint32_t> targets;
  std::span<std::uint32_t> body_owner;
  std::span<std::uint64_t> body_address, body_size;
};

// Fills `columns`, with up to `threads` threads. Of several errors it is the first in the stream.
[[nodiscard]] ReadError decode_objects(const EncodedObjects& encoded, const Shapes& shapes,
                                       const ObjectColumns& columns, unsigned threads) noexcept;

// The edges of one object as they are in the stream, empty ones as no_object. Reads its block up to there.
[[nodiscard]] ReadError stored_edges(std::span<const std::uint8_t> stream,
                                     std::span<const std::uint64_t> block_offset, std::uint32_t object,
                                     std::vector<std::uint32_t>& edges) noexcept;

}  // namespace leakscope
