#include "heap_writer.h"

#include "../core/varint.h"
#include "weak.h"

namespace leakscope::python {
namespace {

constexpr std::uint64_t block_objects = 4096;
constexpr std::uint32_t none = 0xFFFFFFFF;
constexpr std::uint8_t flag_tracked = 1, flag_frozen = 2, flag_bodies = 4, flag_size = 8, flag_digest = 16;
constexpr Py_ssize_t shortest_digest = 8, longest_digest = 512;
constexpr std::size_t longest_value = 80;

bool has_digest(PyObject* object) noexcept {
  if (PyUnicode_CheckExact(object))
    return PyUnicode_IS_READY(object) != 0 && PyUnicode_GET_LENGTH(object) >= shortest_digest &&
           PyUnicode_GET_LENGTH(object) <= longest_digest;
  return PyBytes_CheckExact(object) && Py_SIZE(object) >= shortest_digest &&
         Py_SIZE(object) <= longest_digest;
}

}  // namespace

int EdgeRoom::make_room(leakscope_edges* plain) noexcept {
  auto& room = *static_cast<EdgeRoom*>(plain);
  room.referent_room_.resize(room.count);
  room.body_room_.resize(room.body_count);
  if (!room.referent_room_.reserve(room.count + 1) || !room.body_room_.reserve(room.body_count + 1)) return 0;
  room.referents = room.referent_room_.data();
  room.room = room.referent_room_.room();
  room.bodies = room.body_room_.data();
  room.body_room = room.body_room_.room();
  return 1;
}

std::uint8_t HeapWriter::flags_of(const leakscope_layout& layout, PyObject* object) const noexcept {
  std::uint8_t flags = 0;
  if (leakscope_is_tracked(&layout, object) != 0) flags |= flag_tracked;
  if (bits_.has(AddressBits::frozen, object)) flags |= flag_frozen;
  if (edges_.body_count != 0) flags |= flag_bodies;
  if (has_digest(object)) flags |= flag_digest;
  return flags;
}

// Equal contents, equal digests; the key is the walk's own, so that a file does not tell what a text was.
void HeapWriter::write_digest(PyObject* object) noexcept {
  const bool is_text = PyUnicode_CheckExact(object);
  const char* data = is_text ? static_cast<const char*>(PyUnicode_DATA(object)) : PyBytes_AS_STRING(object);
  const std::size_t bytes =
      is_text ? static_cast<std::size_t>(PyUnicode_GET_LENGTH(object)) * PyUnicode_KIND(object)
              : static_cast<std::size_t>(Py_SIZE(object));
  std::uint64_t hash = key_ ^ bytes;
  for (std::size_t at = 0; at < bytes; at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, data + at, bytes - at < 8 ? bytes - at : 8);
    hash = (hash ^ word) * 0x9E3779B97F4A7C15ULL;
    hash ^= hash >> 32;
  }
  const auto folded = static_cast<std::uint32_t>(hash ^ hash >> 32);
  std::memcpy(columns_.at(), &folded, sizeof folded);
  columns_.at() += sizeof folded;
}

void HeapWriter::write_edges(std::uint32_t number) noexcept {
  std::uint8_t*& at = columns_.at();
  put_varint(at, edges_.count);
  for (std::size_t edge = 0; edge < edges_.count && edge < 64; ++edge)
    if (AddressBits::is_possible(edges_.referents[edge])) bits_.prefetch_rank(edges_.referents[edge]);
  for (std::size_t edge = 0; edge < edges_.count; ++edge) {
    PyObject* referent = edges_.referents[edge];
    if (referent == nullptr || !AddressBits::is_possible(referent)) {
      *at++ = 0;
      continue;
    }
    put_varint(
        at, zigzag(static_cast<std::int64_t>(bits_.rank(referent)) - static_cast<std::int64_t>(number)) + 1);
    ++edge_count_;
  }
}

void HeapWriter::write_bodies(const PyObject* object) noexcept {
  std::uint8_t*& at = columns_.at();
  put_varint(at, edges_.body_count);
  for (std::size_t body = 0; body < edges_.body_count; ++body) {
    const auto address =
        static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(edges_.bodies[body].address));
    const auto own = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(object));
    put_varint(at, zigzag((address - own) / 8));
    put_varint(at, edges_.bodies[body].bytes);
  }
  body_count_ += edges_.body_count;
}

// Names always, small values only if they were asked for.
void HeapWriter::note_texts(PyObject* object, std::uint32_t number) noexcept {
  if (bits_.has(AddressBits::marked, object) && PyUnicode_CheckExact(object)) {
    name_object_.push(number);
    name_text_.push(strings_.of(object));
  }
  if (options_.values && encode_value(object, scratch_, longest_value)) {
    text_object_.push(number);
    text_text_.push(strings_.of(scratch_.data(), scratch_.size()));
  }
}

void HeapWriter::begin_block(std::uintptr_t address) noexcept {
  block_offset_.push(columns_.stream_bytes());
  block_address_.push(address);
  block_edges_.push(edge_count_);
  block_bodies_.push(body_count_);
  last_ = address;
}

bool HeapWriter::write(PyObject* object) noexcept {
  TypeEntry* entry = shapes_.type_of(object);
  if (entry == nullptr) return false;
  const leakscope_layout& layout = entry->layout;
  leakscope_enumerate(&layout, object, &edges_);
  // Whatever this record needs at most.
  const std::size_t most = (edges_.count + 2 * edges_.body_count + 8) * max_varint_bytes;
  if (edges_.failed != 0 || !columns_.reserve(most)) return false;
  const auto address = reinterpret_cast<std::uintptr_t>(object);
  const auto number = static_cast<std::uint32_t>(objects_);
  if (objects_ % block_objects == 0) begin_block(address);
  const std::uint32_t shape = shapes_.of(*entry, object, bits_.has(AddressBits::marked, object));
  const std::size_t size = leakscope_block_size(&layout, object);
  std::uint8_t flags = flags_of(layout, object);
  if (size != shapes_.fixed_size(shape)) flags |= flag_size;

  std::uint8_t*& at = columns_.at();
  put_varint(at, (address - last_) / 8);
  put_varint(at, std::uint64_t{shape} << 5 | flags);
  put_varint(at, leakscope_is_immortal(object) != 0 ? 0 : static_cast<std::uint64_t>(Py_REFCNT(object)));
  if ((flags & flag_size) != 0) put_varint(at, size);
  edge_count_ += layout.owns_type != 0 ? 1u : 0u;
  write_edges(number);
  if ((flags & flag_bodies) != 0) write_bodies(object);
  if ((flags & flag_digest) != 0) write_digest(object);
  note_texts(object, number);
  if (const Py_ssize_t exports = leakscope_exports(&layout, object); exports > 0) {
    export_object_.push(number);
    export_count_.push(static_cast<std::uint32_t>(exports));
  }
  if (const Py_ssize_t bound = leakscope_bound(&layout, object); bound >= 0) {
    bound_object_.push(number);
    bound_items_.push(static_cast<std::uint64_t>(bound));
  }
  if (const Py_ssize_t seen = leakscope_window(&layout, object); seen >= 0) {
    window_object_.push(number);
    window_bytes_.push(static_cast<std::uint64_t>(seen));
  }
  last_ = address;
  ++objects_;
  return true;
}

void HeapWriter::finish_roots(HeapRoots& roots) noexcept {
  Mapped<std::uint32_t> object;
  for (std::size_t at = 0; at < roots.object.size(); ++at) object.push(bits_.rank(roots.object[at]));
  for (std::size_t at = 0; at < shapes_.entries.size(); ++at) {
    PyTypeObject* type = shapes_.entries[at]->layout.type;
    if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) continue;
    object.push(bits_.rank(type));
    roots.name.push(shapes_.type_name[at]);
    roots.frame.push(none);
    roots.kind.push(ROOT_STATIC_TYPE);
    roots.counted.push(0);
  }
  columns_.add("root.object", "u4", object);
  columns_.add("root.kind", "u1", roots.kind);
  columns_.add("root.name", "u4", roots.name);
  columns_.add("root.frame", "u4", roots.frame);
  columns_.add("root.counted", "u1", roots.counted);
  columns_.add("root_frame.native_id", "u8", roots.native_id);
  columns_.add("root_frame.thread_name", "u4", roots.thread_name);
  columns_.add("root_frame.function", "u4", roots.function);
  columns_.add("root_frame.file", "u4", roots.file);
  columns_.add("root_frame.line", "i4", roots.line);
  columns_.add("root_frame.depth", "u4", roots.depth);
}

void HeapWriter::finish_types() noexcept {
  if (shapes_.name_offset.size() == 0) shapes_.name_offset.push(0);
  Mapped<std::uint32_t> type_object;
  for (std::size_t at = 0; at < shapes_.entries.size(); ++at)
    type_object.push(bits_.rank(shapes_.entries[at]->layout.type));
  columns_.add("shape.type", "u4", shapes_.type);
  columns_.add("shape.kind", "u1", shapes_.kind);
  columns_.add("shape.size", "u4", shapes_.size);
  columns_.add("shape.lead", "u4", shapes_.lead);
  columns_.add("shape.owns_type", "u1", shapes_.owns_type);
  columns_.add("shape.name_offset", "u4", shapes_.name_offset);
  columns_.add("shape.name", "u4", shapes_.name);
  columns_.add("type.name", "u4", shapes_.type_name);
  columns_.add("type.module", "u4", shapes_.type_module);
  columns_.add("type.object", "u4", type_object);
  columns_.add("type.flags", "u4", shapes_.type_flags);
}

bool HeapWriter::finish(HeapRoots& roots) noexcept {
  columns_.end_stream("object.stream");
  columns_.add("object.block_offset", "u8", block_offset_);
  columns_.add("object.block_address", "u8", block_address_);
  columns_.add("object.block_edges", "u8", block_edges_);
  columns_.add("object.block_bodies", "u8", block_bodies_);
  finish_types();
  finish_roots(roots);
  columns_.add("name.object", "u4", name_object_);
  columns_.add("name.text", "u4", name_text_);
  columns_.add("text.object", "u4", text_object_);
  columns_.add("text.text", "u4", text_text_);
  columns_.add("export.object", "u4", export_object_);
  columns_.add("export.count", "u4", export_count_);
  columns_.add("bound.object", "u4", bound_object_);
  columns_.add("bound.items", "u8", bound_items_);
  columns_.add("window.object", "u4", window_object_);
  columns_.add("window.bytes", "u8", window_bytes_);
  columns_.add("heap_string.offset", "u8", strings_.offsets());
  columns_.add("heap_string.bytes", "u1", strings_.bytes());
  return !columns_.failed() && !strings_.failed() && !shapes_.failed();
}

}  // namespace leakscope::python
