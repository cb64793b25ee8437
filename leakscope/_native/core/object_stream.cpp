#include "object_stream.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <system_error>
#include <thread>
#include <utility>

#include "object_reader.h"
#include "varint.h"

namespace leakscope {
namespace {

class Decoder {
 public:
  Decoder(const EncodedObjects& encoded, const Shapes& shapes, const ObjectColumns& columns) noexcept
      : encoded_(encoded), shapes_(shapes), columns_(columns), objects_(columns.shape.size()) {}

  ReadError block(std::size_t number) const noexcept {
    const Range bytes = range_of(encoded_.block_offset, number, encoded_.stream.size());
    ObjectReader reader(encoded_.stream, bytes.at, bytes.end);
    return decode(reader, number) ? ReadError{} : reader.error();
  }

 private:
  struct Place {
    std::uint64_t object, address;
    Range edges, bodies;
  };

  bool decode(ObjectReader& reader, std::size_t number) const noexcept {
    const std::uint64_t first = number * objects_per_block;
    const std::uint64_t last = std::min<std::uint64_t>(first + objects_per_block, objects_);
    Place place{first, encoded_.block_address[number],
                range_of(encoded_.block_edges, number, columns_.targets.size()),
                range_of(encoded_.block_bodies, number, columns_.body_owner.size())};
    for (; place.object < last; ++place.object) {
      if (!address(reader, place, place.object == first) || !head(reader, place) || !edges(reader, place) ||
          !tail(reader, place))
        return false;
    }
    if (reader.left() != 0) return reader.fail("a block of objects ends before its bytes do");
    if (place.edges.at != place.edges.end) return reader.fail("a block has fewer edges than it should");
    if (place.bodies.at != place.bodies.end) return reader.fail("a block has fewer bodies than it should");
    const bool last_block = number + 1 == encoded_.block_address.size();
    return last_block || place.address < encoded_.block_address[number + 1] ||
           reader.fail("addresses do not ascend from this block to the next");
  }

  bool address(ObjectReader& reader, Place& place, bool first) const noexcept {
    std::uint64_t step = 0;
    if (!reader.number(step)) return false;
    if ((step == 0) != first) return reader.fail("addresses do not ascend");
    if (step > (~std::uint64_t{0} - place.address) / 8) return reader.fail("an address is beyond 64 bits");
    place.address += step * 8;
    columns_.address[place.object] = place.address;
    return true;
  }

  bool head(ObjectReader& reader, Place& place) const noexcept {
    std::uint64_t kind = 0, count = 0, size = 0;
    if (!reader.number(kind) || !reader.number(count)) return false;
    const std::uint64_t shape = kind >> flag_bits;
    if (shape >= shapes_.size.size()) return reader.fail("an object has a shape that there is not");
    if ((kind & flag_own_size) == 0) {
      size = shapes_.size[shape];
    } else if (!reader.number(size)) {
      return false;
    }
    columns_.shape[place.object] = static_cast<std::uint32_t>(shape);
    columns_.flags[place.object] = static_cast<std::uint8_t>(kind & ((1U << flag_bits) - 1));
    columns_.refcount[place.object] = static_cast<std::uint32_t>(std::min<std::uint64_t>(count, 0xFFFFFFFF));
    columns_.size[place.object] = size;
    columns_.offsets[place.object] = place.edges.at;
    if (shapes_.owns_type[shape] == 0 || shapes_.type_object[shape] == no_object) return true;
    return add_edge(reader, place, shapes_.type_object[shape]);
  }

  bool add_edge(ObjectReader& reader, Place& place, std::uint64_t target) const noexcept {
    if (place.edges.at == place.edges.end) return reader.fail("a block has more edges than it should");
    columns_.targets[place.edges.at++] = static_cast<std::uint32_t>(target);
    return true;
  }

  bool edges(ObjectReader& reader, Place& place) const noexcept {
    std::uint64_t items = 0, code = 0;
    if (!reader.how_many(items, 1)) return false;
    while (items-- > 0) {
      if (!reader.number(code)) return false;
      if (code == 0) continue;
      // Sums wrap around: whatever is no object of this heap is too large afterwards.
      const std::uint64_t target = place.object + static_cast<std::uint64_t>(unzigzag(code - 1));
      if (target >= objects_) return reader.fail("an edge leads to no object");
      if (!add_edge(reader, place, target)) return false;
    }
    return true;
  }

  bool tail(ObjectReader& reader, Place& place) const noexcept {
    const std::uint8_t flags = columns_.flags[place.object];
    if ((flags & flag_bodies) != 0 && !bodies(reader, place)) return false;
    columns_.digest[place.object] = 0;
    return (flags & flag_digest) == 0 || reader.digest(columns_.digest[place.object]);
  }

  bool bodies(ObjectReader& reader, Place& place) const noexcept {
    std::uint64_t items = 0, away = 0, size = 0;
    if (!reader.how_many(items, 2)) return false;
    while (items-- > 0) {
      if (!reader.number(away) || !reader.number(size)) return false;
      if (place.bodies.at == place.bodies.end) return reader.fail("a block has more bodies than it should");
      columns_.body_owner[place.bodies.at] = static_cast<std::uint32_t>(place.object);
      columns_.body_address[place.bodies.at] = place.address + static_cast<std::uint64_t>(unzigzag(away)) * 8;
      columns_.body_size[place.bodies.at++] = size;
    }
    return true;
  }

  const EncodedObjects& encoded_;
  const Shapes& shapes_;
  const ObjectColumns& columns_;
  std::uint64_t objects_;
};

// Blocks in order, to whoever asks. After an error, those before it are still decoded and those behind it are not, so
// that the error is the same whatever the threads do.
class Work {
 public:
  Work(const Decoder& decoder, std::size_t blocks) noexcept : decoder_(decoder), failed_(blocks) {}

  void run() noexcept {
    for (std::size_t block = next_++; block < failed_; block = next_++) {
      ReadError found = decoder_.block(block);
      if (found.status == ReadStatus::ok) continue;
      const std::lock_guard guard(lock_);
      if (block < failed_) {
        failed_ = block;
        error_ = std::move(found);
      }
    }
  }
  // After all runs have ended.
  [[nodiscard]] const ReadError& error() const noexcept { return error_; }

 private:
  const Decoder& decoder_;
  std::atomic<std::size_t> next_{0};
  std::atomic<std::size_t> failed_;
  std::mutex lock_;
  ReadError error_;
};

ReadError check_positions(std::span<const std::uint64_t> positions, std::uint64_t total,
                          const char* what) noexcept {
  const auto descent = std::is_sorted_until(positions.begin(), positions.end()) - positions.begin();
  const bool sorted = static_cast<std::size_t>(descent) == positions.size();
  if (sorted && (positions.empty() ? total == 0 : positions.front() == 0 && positions.back() <= total))
    return {};
  return damaged(std::string(what) + " does not ascend from 0 to " + std::to_string(total));
}

ReadError check_blocks(const EncodedObjects& encoded, const ObjectColumns& columns) noexcept {
  const std::size_t objects = columns.shape.size();
  if (objects > max_objects)
    return damaged("there are more than " + std::to_string(max_objects) + " objects");
  const std::size_t blocks = (objects + objects_per_block - 1) / objects_per_block;
  ReadError error = check_length(encoded.block_offset.size(), blocks, "object.block_offset");
  const auto also = [&error](ReadError next) {
    if (error.status == ReadStatus::ok) error = std::move(next);
  };
  also(check_length(encoded.block_address.size(), blocks, "object.block_address"));
  also(check_length(encoded.block_edges.size(), blocks, "object.block_edges"));
  also(check_length(encoded.block_bodies.size(), blocks, "object.block_bodies"));
  also(check_positions(encoded.block_offset, encoded.stream.size(), "object.block_offset"));
  also(check_positions(encoded.block_edges, columns.targets.size(), "object.block_edges"));
  also(check_positions(encoded.block_bodies, columns.body_owner.size(), "object.block_bodies"));
  return error;
}

ReadError check_shapes(const Shapes& shapes, std::size_t objects) noexcept {
  ReadError error = check_length(shapes.owns_type.size(), shapes.size.size(), "shape.owns_type");
  if (error.status == ReadStatus::ok)
    error = check_length(shapes.type_object.size(), shapes.size.size(), "shape's type");
  if (error.status != ReadStatus::ok) return error;
  for (const std::uint32_t type : shapes.type_object) {
    if (type != no_object && type >= objects)
      return damaged("a type is object " + std::to_string(type) + " of " + std::to_string(objects));
  }
  return {};
}

ReadError check_outputs(const ObjectColumns& columns) noexcept {
  const std::size_t objects = columns.shape.size(), bodies = columns.body_owner.size();
  const bool fit = columns.address.size() == objects && columns.flags.size() == objects &&
                   columns.refcount.size() == objects && columns.size.size() == objects &&
                   columns.digest.size() == objects && columns.offsets.size() == objects + 1 &&
                   columns.body_address.size() == bodies && columns.body_size.size() == bodies;
  return fit ? ReadError{} : damaged("the columns for the objects differ in length");
}

}  // namespace

ReadError decode_objects(const EncodedObjects& encoded, const Shapes& shapes, const ObjectColumns& columns,
                         unsigned threads) noexcept {
  ReadError error = check_outputs(columns);
  if (error.status == ReadStatus::ok) error = check_blocks(encoded, columns);
  if (error.status == ReadStatus::ok) error = check_shapes(shapes, columns.shape.size());
  if (error.status != ReadStatus::ok) return error;
  const Decoder decoder(encoded, shapes, columns);
  Work work(decoder, encoded.block_offset.size());
  std::thread other;
  try {
    if (threads > 1 && encoded.block_offset.size() > 1) other = std::thread([&] { work.run(); });
  } catch (const std::system_error&) {
    // No thread to be had: this one does it all.
  }
  work.run();
  if (other.joinable()) other.join();
  columns.offsets.back() = columns.targets.size();
  return work.error();
}

ReadError stored_edges(std::span<const std::uint8_t> stream, std::span<const std::uint64_t> block_offset,
                       std::uint32_t object, std::vector<std::uint32_t>& edges) noexcept {
  const std::size_t block = object / objects_per_block;
  if (block >= block_offset.size()) return damaged("there is no object " + std::to_string(object));
  if (ReadError error = check_positions(block_offset, stream.size(), "object.block_offset");
      error.status != ReadStatus::ok)
    return error;
  const Range bytes = range_of(block_offset, block, stream.size());
  const std::uint64_t objects = std::uint64_t{block_offset.size()} * objects_per_block;
  ObjectReader reader(stream, bytes.at, bytes.end);
  std::uint64_t kind = 0, items = 0, code = 0;
  for (std::uint32_t left = object % objects_per_block;; --left) {
    if (!reader.skip(1) || !reader.number(kind) || !reader.skip((kind & flag_own_size) != 0 ? 2 : 1) ||
        !reader.how_many(items, 1))
      return reader.error();
    if (left == 0) break;
    std::uint32_t digest = 0;
    if (!reader.skip(items) ||
        ((kind & flag_bodies) != 0 && (!reader.how_many(items, 2) || !reader.skip(2 * items))) ||
        ((kind & flag_digest) != 0 && !reader.digest(digest)))
      return reader.error();
  }
  try {
    edges.assign(items, no_object);
  } catch (const std::bad_alloc&) {
    return no_memory();
  }
  for (std::uint32_t& edge : edges) {
    if (!reader.number(code)) return reader.error();
    if (code == 0) continue;
    const std::uint64_t target = object + static_cast<std::uint64_t>(unzigzag(code - 1));
    if (target >= objects) {
      reader.fail("an edge leads to no object");
      return reader.error();
    }
    edge = static_cast<std::uint32_t>(target);
  }
  return {};
}

}  // namespace leakscope
