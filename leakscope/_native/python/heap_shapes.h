// The small tables of an object graph, made once for each kind of object: texts, types, and shapes (how the edges of
// objects are to be read). Rows are numbered in the order in which they were first wanted.
#pragma once

#include "../core/mapped.h"
#include "heap_objects.h"

namespace leakscope::python {

// Texts, each once.
class Strings {
 public:
  // Rows; 0 is "". A text beyond a few thousand bytes is cut.
  std::uint32_t of(const char* text, std::size_t bytes) noexcept;
  std::uint32_t of(const char* text) noexcept { return text == nullptr ? 0 : of(text, std::strlen(text)); }
  // Of a str object; 0 for anything else.
  std::uint32_t of(PyObject* text) noexcept;

  Mapped<std::uint64_t>& offsets() noexcept { return offsets_; }
  Mapped<char>& bytes() noexcept { return bytes_; }
  bool begin() noexcept { return offsets_.push(0) && offsets_.push(0); }
  bool failed() const noexcept { return failed_ || offsets_.failed() || bytes_.failed(); }

 private:
  WordIndex index_;
  Mapped<std::uint64_t> offsets_;
  Mapped<char> bytes_;
  Mapped<char> scratch_;
  bool failed_ = false;
};

// The first bytes of a str as UTF-8; false if the object is none.
bool encode(PyObject* text, Mapped<char>& into, std::size_t most_bytes) noexcept;

// A text or a small number as it would be typed; false if the object is neither, or too long to be told in full.
bool encode_value(PyObject* object, Mapped<char>& into, std::size_t most_bytes) noexcept;

// A type that has instances.
struct TypeEntry {
  leakscope_layout layout;
  std::uint32_t row;
  std::uint32_t
      shapes[2];  // of its instances; and of those that are namespaces, or made by C code if they are types
};

class Shapes {
 public:
  explicit Shapes(Strings& strings) noexcept : strings_(strings) {}

  // Of an object's type; nullptr without memory.
  TypeEntry* type_of(PyObject* object) noexcept {
    PyTypeObject* wanted = Py_TYPE(object);
    Recent& recent = recent_[reinterpret_cast<std::uintptr_t>(wanted) >> 5 & (recent_count - 1)];
    if (recent.type != wanted) recent = {wanted, find_type(wanted)};
    return recent.entry;
  }
  // The shape of an object; a namespace is a dict whose keys are names.
  std::uint32_t of(TypeEntry& entry, PyObject* object, bool is_namespace) noexcept;
  // Bytes of the block of all objects of that shape, 0 if they differ.
  std::uint32_t fixed_size(std::uint32_t shape) noexcept { return size[shape]; }
  bool failed() const noexcept { return failed_ || type.failed() || name.failed() || entries.failed(); }

  // Columns; see LKS.md.
  Mapped<std::uint32_t> type, size, lead, name_offset, name;
  Mapped<std::uint8_t> kind, owns_type;
  Mapped<TypeEntry*> entries;
  Mapped<std::uint32_t> type_name, type_module, type_flags;

 private:
  static constexpr std::size_t recent_count = 1024;
  struct Recent {
    PyTypeObject* type;
    TypeEntry* entry;
  };
  TypeEntry* find_type(PyTypeObject* type) noexcept;
  void describe(const leakscope_layout& layout) noexcept;
  std::uint32_t add(TypeEntry& entry, PyObject* object, int edges, PyCodeObject* code, void* keys) noexcept;

  Strings& strings_;
  Arena arena_;
  WordIndex types_, special_;
  Recent recent_[recent_count] = {};
  bool failed_ = false;
};

}  // namespace leakscope::python
