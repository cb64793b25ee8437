#include "heap_shapes.h"

#include <cstdio>

#include "weak.h"

namespace leakscope::python {
namespace {

constexpr std::size_t longest_text = 4096;

std::uint64_t mixed(const char* text, std::size_t bytes) noexcept {
  std::uint64_t hash = 0x9E3779B97F4A7C15ULL ^ bytes;
  for (std::size_t at = 0; at < bytes; ++at)
    hash = (hash ^ static_cast<unsigned char>(text[at])) * 0x100000001B3ULL;
  return hash ^ hash >> 29;
}

std::size_t put_utf8(char* at, Py_UCS4 letter) noexcept {
  if (letter < 0x80) {
    at[0] = static_cast<char>(letter);
    return 1;
  }
  if (letter < 0x800) {
    at[0] = static_cast<char>(0xC0 | letter >> 6);
    at[1] = static_cast<char>(0x80 | (letter & 0x3F));
    return 2;
  }
  if (letter >= 0xD800 && letter < 0xE000) letter = 0xFFFD;  // half of a pair is no letter
  if (letter < 0x10000) {
    at[0] = static_cast<char>(0xE0 | letter >> 12);
    at[1] = static_cast<char>(0x80 | (letter >> 6 & 0x3F));
    at[2] = static_cast<char>(0x80 | (letter & 0x3F));
    return 3;
  }
  at[0] = static_cast<char>(0xF0 | letter >> 18);
  at[1] = static_cast<char>(0x80 | (letter >> 12 & 0x3F));
  at[2] = static_cast<char>(0x80 | (letter >> 6 & 0x3F));
  at[3] = static_cast<char>(0x80 | (letter & 0x3F));
  return 4;
}

}  // namespace

bool encode(PyObject* text, Mapped<char>& into, std::size_t most_bytes) noexcept {
  into.resize(0);
  if (text == nullptr || !PyUnicode_Check(text) || !into.reserve(most_bytes + 4)) return false;
  if (PyUnicode_IS_READY(text) == 0) return false;
  const auto kind = PyUnicode_KIND(text);
  const void* data = PyUnicode_DATA(text);
  std::size_t used = 0;
  for (Py_ssize_t at = 0; at < PyUnicode_GET_LENGTH(text) && used < most_bytes; ++at)
    used += put_utf8(into.data() + used, PyUnicode_READ(kind, data, at));
  into.resize(used);
  return true;
}

bool encode_value(PyObject* object, Mapped<char>& into, std::size_t most_bytes) noexcept {
  char number[32];
  long long value = 0;
  if (PyUnicode_CheckExact(object)) {
    if (!encode(object, into, most_bytes) || !into.reserve(into.size() + 6)) return false;
    const bool is_cut = into.size() >= most_bytes;
    std::memmove(into.data() + 1, into.data(), into.size());
    into[0] = '\'';
    into.resize(into.size() + 1);
    if (is_cut) {
      std::memcpy(into.data() + into.size(), "...", 3);
      into.resize(into.size() + 3);
    }
    return into.push('\'');
  }
  int length = 0;
  if (leakscope_small_int(object, &value) != 0)
    length = std::snprintf(number, sizeof number, "%lld", value);
  else if (PyFloat_CheckExact(object))
    length = std::snprintf(number, sizeof number, "%.17g", PyFloat_AS_DOUBLE(object));
  if (length <= 0 || !into.reserve(sizeof number)) return false;
  std::memcpy(into.data(), number, static_cast<std::size_t>(length));
  into.resize(static_cast<std::size_t>(length));
  return true;
}

std::uint32_t Strings::of(const char* text, std::size_t bytes) noexcept {
  if (bytes == 0) return 0;
  if (bytes > longest_text) bytes = longest_text;
  // Two texts with one 64-bit hash are told apart by trying the next word.
  for (std::uint64_t word = mixed(text, bytes) | 1;; word += 2) {
    std::uint32_t* number = index_.place(word);
    if (number == nullptr) {
      failed_ = true;
      return 0;
    }
    if (*number == WordIndex::absent) {
      const std::size_t begin = bytes_.size();
      if (!bytes_.reserve(begin + bytes)) return 0;
      std::memcpy(bytes_.data() + begin, text, bytes);
      bytes_.resize(begin + bytes);
      *number = static_cast<std::uint32_t>(offsets_.size() - 1);
      offsets_.push(begin + bytes);
      return *number;
    }
    const std::uint64_t begin = offsets_[*number], end = offsets_[*number + 1];
    if (end - begin == bytes && std::memcmp(bytes_.data() + begin, text, bytes) == 0) return *number;
  }
}

std::uint32_t Strings::of(PyObject* text) noexcept {
  return encode(text, scratch_, longest_text) ? of(scratch_.data(), scratch_.size()) : 0;
}

namespace {

constexpr std::uint32_t flag_heap_type = 1, flag_finalizer = 2, flag_legacy_finalizer = 4, flag_collected = 8,
                        flag_weakly = 16, flag_class = 32;

std::uint32_t flags_of(const leakscope_layout& layout) noexcept {
  PyTypeObject* type = layout.type;
  std::uint32_t flags = 0;
  if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) flags |= flag_heap_type;
  if (leakscope_has_finalizer(type) != 0) flags |= flag_finalizer;
  if (type->tp_del != nullptr) flags |= flag_legacy_finalizer;
  if ((type->tp_flags & Py_TPFLAGS_HAVE_GC) != 0) flags |= flag_collected;
  if (type->tp_weaklistoffset != 0) flags |= flag_weakly;
  if (layout.base != type) flags |= flag_class;
  return flags;
}

// The str behind `name` in a dict of names, without asking the dict.
PyObject* look_up(PyObject* dict, const char* name) noexcept {
  if (dict == nullptr || !PyDict_Check(dict)) return nullptr;
  const std::size_t length = std::strlen(name);
  for (Py_ssize_t at = 0; at < leakscope_entry_count(dict); ++at) {
    PyObject* key = leakscope_entry_key(dict, at);
    if (key == nullptr || !PyUnicode_CheckExact(key) || !PyUnicode_IS_COMPACT_ASCII(key)) continue;
    if (PyUnicode_GET_LENGTH(key) != static_cast<Py_ssize_t>(length)) continue;
    if (std::memcmp(PyUnicode_DATA(key), name, length) == 0) return leakscope_entry_value(dict, at);
  }
  return nullptr;
}

}  // namespace

void Shapes::describe(const leakscope_layout& layout) noexcept {
  PyTypeObject* described = layout.type;
  std::uint32_t module = 0, called = 0;
  if ((described->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) {
    module = strings_.of(look_up(described->tp_dict, "__module__"));
    called = strings_.of(reinterpret_cast<PyHeapTypeObject*>(described)->ht_qualname);
  }
  if (called == 0) {
    const char* full = described->tp_name;
    const char* dot = std::strrchr(full, '.');
    called = strings_.of(dot == nullptr ? full : dot + 1);
    if (module == 0)
      module =
          dot == nullptr ? strings_.of("builtins") : strings_.of(full, static_cast<std::size_t>(dot - full));
  }
  type_name.push(called);
  type_module.push(module);
  type_flags.push(flags_of(layout));
}

TypeEntry* Shapes::find_type(PyTypeObject* wanted) noexcept {
  std::uint32_t* number = types_.place(reinterpret_cast<std::uintptr_t>(wanted));
  if (number != nullptr && *number != WordIndex::absent) return entries[*number];
  auto* entry = static_cast<TypeEntry*>(number == nullptr ? nullptr : arena_.take(sizeof(TypeEntry)));
  leakscope_field room[LEAKSCOPE_MOST_FIELDS];
  leakscope_field* fields = nullptr;
  if (entry != nullptr) {
    leakscope_describe(&entry->layout, wanted, room);
    const std::size_t bytes = static_cast<std::size_t>(entry->layout.field_count) * sizeof(leakscope_field);
    fields = static_cast<leakscope_field*>(arena_.take(bytes + 16));
    if (fields != nullptr) std::memcpy(fields, room, bytes);
  }
  if (fields == nullptr || !entries.push(entry)) {
    failed_ = true;
    return nullptr;
  }
  entry->layout.fields = fields;
  entry->row = *number = static_cast<std::uint32_t>(entries.size() - 1);
  entry->shapes[0] = entry->shapes[1] = WordIndex::absent;
  describe(entry->layout);
  return entry;
}

std::uint32_t Shapes::add(TypeEntry& entry, PyObject* object, int edges, PyCodeObject* code,
                          void* keys) noexcept {
  const leakscope_layout& layout = entry.layout;
  if (name_offset.size() == 0) name_offset.push(0);
  type.push(entry.row);
  kind.push(static_cast<std::uint8_t>(edges));
  size.push(static_cast<std::uint32_t>(layout.fixed_size));
  lead.push(static_cast<std::uint32_t>(leakscope_lead(&layout, object)));
  owns_type.push(static_cast<std::uint8_t>(layout.owns_type));
  for (int at = 0; at < layout.field_count; ++at) name.push(strings_.of(layout.fields[at].name));
  if (layout.dict_position != LEAKSCOPE_NO_POSITION) name.push(strings_.of("__dict__"));
  for (int at = 0; at < leakscope_attribute_count(&layout); ++at)
    name.push(strings_.of(leakscope_attribute_name(&layout, at)));
  for (const char* const* more = leakscope_tail_names(layout.tail); *more != nullptr; ++more)
    name.push(strings_.of(*more));
  for (int at = 0; code != nullptr && at < leakscope_local_count(code); ++at)
    name.push(strings_.of(leakscope_local_name(code, at)));
  for (Py_ssize_t at = 0; keys != nullptr && at < leakscope_key_count(keys); ++at)
    name.push(strings_.of(leakscope_key(keys, at)));
  name_offset.push(static_cast<std::uint32_t>(name.size()));
  return static_cast<std::uint32_t>(type.size() - 1);
}

std::uint32_t Shapes::of(TypeEntry& entry, PyObject* object, bool is_namespace) noexcept {
  const leakscope_layout& layout = entry.layout;
  void* keys = layout.tail == TAIL_DICT ? leakscope_shared_keys(object) : nullptr;
  PyCodeObject* code = leakscope_code_of(&layout, object);
  const int edges = is_namespace && layout.edges == EDGES_PAIRS ? EDGES_NAMESPACE : layout.edges;
  if (keys != nullptr || code != nullptr) {
    // One for each code object and table of keys, and for each type that goes with it.
    const auto word =
        keys != nullptr ? reinterpret_cast<std::uintptr_t>(keys) : reinterpret_cast<std::uintptr_t>(code);
    std::uint32_t* shape = special_.place(word ^ std::uint64_t{entry.row + 1} << 48);
    if (shape == nullptr) {
      failed_ = true;
      return 0;
    }
    if (*shape == WordIndex::absent) *shape = add(entry, object, edges, code, keys);
    return *shape;
  }
  const bool other =
      edges != layout.edges || (layout.tail == TAIL_TYPE && leakscope_lead(&layout, object) != layout.lead);
  std::uint32_t& shape = entry.shapes[other ? 1 : 0];
  if (shape == WordIndex::absent) shape = add(entry, object, edges, nullptr, nullptr);
  return shape;
}

}  // namespace leakscope::python
