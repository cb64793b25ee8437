#include "edge_places.h"

#include <string>

#include "object_reader.h"
#include "object_stream.h"

namespace leakscope {
namespace {

// Walks over the records of a block, one after the other.
class Records {
 public:
  Records(std::span<const std::uint8_t> stream, Range bytes) noexcept
      : reader_(stream, bytes.at, bytes.end) {}

  bool skip() noexcept {
    std::uint64_t items = 0;
    return head(items) && reader_.skip(items) && tail();
  }

  bool places(std::span<std::uint32_t> places, std::size_t& filled) noexcept {
    std::uint64_t items = 0, code = 0;
    if (!head(items)) return false;
    for (std::uint64_t place = 0; place < items; ++place) {
      if (!reader_.number(code)) return false;
      if (code == 0) continue;
      if (filled == places.size()) return reader_.fail("objects have more edges than they should");
      places[filled++] = static_cast<std::uint32_t>(place);
    }
    return tail();
  }

  [[nodiscard]] ReadError error() const noexcept { return reader_.error(); }

 private:
  bool head(std::uint64_t& items) noexcept {
    return reader_.skip(1) && reader_.number(kind_) && reader_.skip((kind_ & flag_own_size) != 0 ? 2 : 1) &&
           reader_.how_many(items, 1);
  }
  bool tail() noexcept {
    std::uint64_t items = 0;
    std::uint32_t digest = 0;
    if ((kind_ & flag_bodies) != 0 && (!reader_.how_many(items, 2) || !reader_.skip(2 * items))) return false;
    return (kind_ & flag_digest) == 0 || reader_.digest(digest);
  }

  ObjectReader reader_;
  std::uint64_t kind_ = 0;
};

bool is_range(std::span<const std::uint64_t> block_offset, std::size_t block, std::size_t stream) noexcept {
  const Range bytes = range_of(block_offset, block, stream);
  return bytes.at <= bytes.end && bytes.end <= stream;
}

}  // namespace

ReadError edge_places(std::span<const std::uint8_t> stream, std::span<const std::uint64_t> block_offset,
                      std::span<const std::uint32_t> objects, std::span<std::uint32_t> places) noexcept {
  std::size_t filled = 0;
  for (std::size_t at = 0; at < objects.size();) {
    const std::size_t block = objects[at] / objects_per_block;
    if (block >= block_offset.size()) return damaged("there is no object " + std::to_string(objects[at]));
    if (!is_range(block_offset, block, stream.size())) return damaged("a block of objects is nowhere");
    Records records(stream, range_of(block_offset, block, stream.size()));
    std::uint64_t next = std::uint64_t{block} * objects_per_block;
    for (; at < objects.size() && objects[at] / objects_per_block == block; ++at, ++next) {
      if (objects[at] < next) return damaged("the objects asked for do not ascend");
      for (; next < objects[at]; ++next) {
        if (!records.skip()) return records.error();
      }
      if (!records.places(places, filled)) return records.error();
    }
  }
  return filled == places.size() ? ReadError{} : damaged("objects have fewer edges than they should");
}

}  // namespace leakscope
