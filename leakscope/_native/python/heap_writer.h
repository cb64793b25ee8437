// The second pass of the walk: every object once, in the order of addresses, as a record of the stream; then all tables.
#pragma once

#include "../core/address_bits.h"
#include "heap_columns.h"
#include "heap_objects.h"
#include "heap_shapes.h"
#include "heap_walk.h"

namespace leakscope::python {

// Room for the edges of one object after the other.
class EdgeRoom : public leakscope_edges {
 public:
  EdgeRoom() noexcept : leakscope_edges{} {
    grow = make_room;
    make_room(this);
  }

 private:
  static int make_room(leakscope_edges* plain) noexcept;
  Mapped<PyObject*> referent_room_;
  Mapped<leakscope_body> body_room_;
};

// Where references begin, as columns; objects are still addresses.
struct HeapRoots {
  Mapped<PyObject*> object;
  Mapped<std::uint32_t> name, frame;
  Mapped<std::uint8_t> kind, counted;
  Mapped<std::uint64_t> native_id;
  Mapped<std::uint32_t> thread_name, function, file, depth;
  Mapped<std::int32_t> line;
};

// Writes what the bits say was seen; they are counted by then.
class HeapWriter {
 public:
  HeapWriter(HeapArea& area, std::uint64_t area_bytes, const WalkOptions& options, AddressBits& bits,
             Shapes& shapes, Strings& strings, EdgeRoom& edges) noexcept
      : options_(options),
        bits_(bits),
        shapes_(shapes),
        strings_(strings),
        edges_(edges),
        columns_(area, area_bytes),
        key_(prim::random_seed()) {}

  // False if the area is full, or memory.
  bool write(PyObject* object) noexcept;
  // The tables, after the last object.
  bool finish(HeapRoots& roots) noexcept;
  std::uint64_t objects() const noexcept { return objects_; }
  std::uint64_t edges() const noexcept { return edge_count_; }
  std::uint64_t bodies() const noexcept { return body_count_; }

 private:
  void begin_block(std::uintptr_t address) noexcept;
  void write_edges(std::uint32_t number) noexcept;
  void write_bodies(const PyObject* object) noexcept;
  void write_digest(PyObject* object) noexcept;
  void note_texts(PyObject* object, std::uint32_t number) noexcept;
  std::uint8_t flags_of(const leakscope_layout& layout, PyObject* object) const noexcept;
  void finish_types() noexcept;
  void finish_roots(HeapRoots& roots) noexcept;

  WalkOptions options_;
  AddressBits& bits_;
  Shapes& shapes_;
  Strings& strings_;
  EdgeRoom& edges_;
  HeapColumns columns_;
  Mapped<std::uint64_t> block_offset_, block_address_, block_edges_, block_bodies_;
  Mapped<std::uint32_t> name_object_, name_text_, text_object_, text_text_, export_object_, export_count_,
      bound_object_, window_object_;
  Mapped<std::uint64_t> bound_items_, window_bytes_;
  Mapped<char> scratch_;
  std::uint64_t objects_ = 0, edge_count_ = 0, body_count_ = 0;
  std::uintptr_t last_ = 0;
  std::uint64_t key_;
};

}  // namespace leakscope::python
