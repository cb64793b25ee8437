// Any bytes as an object stream. Since a fuzzer does not guess how many edges and bodies there are, these are also put
// right by a count that trusts everything; what then decodes must be a sound graph, and goes through every kernel.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <vector>

#include "breadth_first.h"
#include "collection.h"
#include "components.h"
#include "dominators.h"
#include "object_bytes.h"

namespace {

using namespace leakscope;        // NOLINT: the subject
using namespace leakscope::test;  // NOLINT

constexpr std::uint32_t shape_count = 3;

void require(bool holds) {
  if (!holds) std::abort();
}

// Counts objects, edges and bodies up to the first thing that is not there; the stream is cut to whole objects.
void count(StreamWriter& to, const Shapes& shapes) {
  const std::uint8_t* at = to.stream.data();
  const std::uint8_t* const end = at + to.stream.size();
  std::uint64_t value = 0, kind = 0, items = 0;
  const std::uint8_t* whole = at;
  while (to.objects < 2 * objects_per_block) {
    std::uint64_t edges = 0, bodies = 0;
    bool there = get_varint(at, end, value) && get_varint(at, end, kind) && get_varint(at, end, value) &&
                 ((kind & flag_own_size) == 0 || get_varint(at, end, value)) && get_varint(at, end, items);
    for (; there && items > 0; --items) {
      there = get_varint(at, end, value);
      edges += value != 0 ? 1 : 0;
    }
    if (there && (kind & flag_bodies) != 0) {
      there = get_varint(at, end, bodies);
      for (items = bodies; there && items > 0; --items)
        there = get_varint(at, end, value) && get_varint(at, end, value);
    }
    if (there && (kind & flag_digest) != 0) {
      there = end - at >= 4;
      at += there ? 4 : 0;
    }
    if (!there) break;
    if (to.objects % objects_per_block == 0) {
      to.begin_block(4096 + (to.objects << 32));
      to.block_offset.back() = static_cast<std::uint64_t>(whole - to.stream.data());
    }
    const std::uint64_t shape = kind >> flag_bits;
    const bool owns =
        shape < shape_count && shapes.owns_type[shape] != 0 && shapes.type_object[shape] != no_object;
    to.edges += edges + (owns ? 1 : 0);
    to.bodies += bodies;
    ++to.objects;
    whole = at;
  }
  to.stream = Bytes(static_cast<const std::uint8_t*>(to.stream.data()), whole);
}

void run_kernels(const Room& room) {
  const Graph graph{room.offsets, room.targets};
  const std::uint32_t n = graph.count();
  std::vector<std::uint32_t> roots, one(n), two(n);
  for (std::uint32_t object = 0; object < n; object += 3) roots.push_back(object);
  Bytes mask(n), other(n);
  std::uint32_t found = 0;
  require(components(graph, one, found).status == ReadStatus::ok && found <= n);
  require(distances(graph, roots, std::vector<std::uint64_t>{0, roots.size()}, {one, two, mask}).status ==
          ReadStatus::ok);
  require(reachable(graph, roots, Bytes(n), other).status == ReadStatus::ok);
  for (std::uint32_t object = 0; object < n; ++object)
    require((mask[object] == no_stage) == (other[object] == 0) &&
            (one[object] == no_object) == (other[object] == 0));
  require(collectable(graph, room.refcount, room.flags, mask).status == ReadStatus::ok);
  require(dominators(graph, roots, one, two, found).status == ReadStatus::ok);
  for (std::uint32_t object = 0; object < n; ++object)
    require((one[object] == no_object) == (other[object] == 0));
  two.resize(found);
  std::vector<std::uint64_t> sums(n);
  require(retained(one, two, room.size, sums).status == ReadStatus::ok);
}

void decode(const StreamWriter& stream, const Shapes& shapes, unsigned threads) {
  Room room(stream.objects, stream.edges, stream.bodies);
  const ReadError error = decode_objects(stream.encoded(), shapes, room.columns(), threads);
  require((error.status == ReadStatus::ok) == error.text.empty());
  require(error.offset <= static_cast<std::int64_t>(stream.stream.size()));
  std::vector<std::uint32_t> edges;
  for (const std::uint32_t object : {0U, 1U, 5U, objects_per_block}) {
    const ReadError stored = stored_edges(stream.stream, stream.block_offset, object, edges);
    if (error.status != ReadStatus::ok || object >= stream.objects) continue;
    require(stored.status == ReadStatus::ok);
    const std::size_t empty = static_cast<std::size_t>(std::count(edges.begin(), edges.end(), no_object));
    require(edges.size() - empty <= room.offsets[object + 1] - room.offsets[object]);
  }
  if (error.status != ReadStatus::ok) return;
  require(check_graph({room.offsets, room.targets}).status == ReadStatus::ok);
  for (std::size_t object = 1; object < room.address.size(); ++object)
    require(room.address[object - 1] < room.address[object]);
  run_kernels(room);
}

}  // namespace

// Three bytes for what the stream does not say: types, and then how many objects, edges and bodies. Then the stream.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  StreamWriter stream;
  stream.stream = Bytes(data + 3, data + size);
  const std::vector<std::uint32_t> sizes{16, 48, 0xFFFFFFFF};
  const Bytes owns{0, 1, static_cast<std::uint8_t>(data[0] & 1)};
  std::vector<std::uint32_t> types{no_object, no_object, no_object};
  StreamWriter given = stream;
  given.objects = data[0];
  given.edges = data[1];
  given.bodies = data[2] % 16;
  if (given.objects > 0) given.begin_block(data[2]);
  if (given.objects > 0) given.block_edges[0] = given.block_bodies[0] = 0;
  decode(given, {sizes, owns, types}, 1);
  if ((data[0] & 2) != 0) types[1] = types[2] = data[1] % 4;
  count(stream, {sizes, owns, types});
  decode(stream, {sizes, owns, types}, 1 + (data[0] >> 7));
  return 0;
}
