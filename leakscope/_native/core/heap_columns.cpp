#include "heap_columns.h"

#include <algorithm>
#include <functional>

namespace leakscope {
namespace {

constexpr std::uint64_t objects_of_a_block = 4096;
constexpr std::uint64_t least_record = 4, least_body = 2;  // bytes in the stream
constexpr std::uint32_t nothing = 0xFFFFFFFF;
constexpr std::uint32_t edge_kinds = 6, root_kinds = 7;

class Check {
 public:
  explicit Check(const HeapColumns& columns) : columns_(columns) {}

  std::string run() {
    tables();
    cuts<std::uint64_t>("heap_string.offset", columns_["heap_string.offset"].u8, "heap_string.bytes");
    const auto& strings = columns_["heap_string.offset"].u8;
    if (strings.size() < 2 || strings[1] != 0)
      wrong("heap_string.offset", "does not begin with the empty one");
    strings_ = strings.empty() ? 0 : strings.size() - 1;
    types();
    roots();
    blocks();
    return problem_;
  }

 private:
  void wrong(std::string_view name, const char* what) {
    if (problem_.empty()) problem_ = "column '" + std::string(name) + "' " + what;
  }
  std::uint64_t rows(std::string_view name) const { return columns_[name].items; }

  // All columns of a table have as many rows as its first.
  void tables() {
    std::string_view table;
    std::uint64_t first = 0;
    for (std::size_t at = 1; at < heap_columns.size(); ++at) {
      const std::string_view name = heap_columns[at].name, head = name.substr(0, name.find('.'));
      if (head == "heap_string" || name == "shape.name" || name == "shape.name_offset") continue;
      if (head != table) first = columns_.columns[at].items;
      table = head;
      if (columns_.columns[at].items != first) wrong(name, "is not as long as the others of its table");
    }
    if (rows("shape.name_offset") != rows("shape.type") + 1)
      wrong("shape.name_offset", "has not one row more");
  }

  template <class T>
  void ascends(std::string_view name, const std::vector<T>& column, bool strictly) {
    const auto bad = strictly ? std::adjacent_find(column.begin(), column.end(), std::greater_equal<>())
                              : std::adjacent_find(column.begin(), column.end(), std::greater<>());
    if (bad != column.end()) wrong(name, "does not ascend");
  }

  template <class T>
  void cuts(std::string_view name, const std::vector<T>& column, std::string_view of) {
    if (column.empty() || column.front() != 0 || column.back() != rows(of))
      return wrong(name, "does not cut the other column into pieces");
    ascends(name, column, false);
  }

  template <class T>
  void below(std::string_view name, const std::vector<T>& column, std::uint64_t limit,
             bool or_nothing = false) {
    for (const T one : column)
      if (one >= limit && !(or_nothing && one == static_cast<T>(nothing)))
        return wrong(name, "points outside its table");
  }
  void ids(std::initializer_list<const char*> names, std::uint64_t limit, bool or_nothing = false) {
    for (const char* name : names) below(name, columns_[name].u4, limit, or_nothing);
  }
  void kinds(const char* name, std::uint64_t limit) { below(name, columns_[name].u1, limit); }

  void types() {
    cuts<std::uint32_t>("shape.name_offset", columns_["shape.name_offset"].u4, "shape.name");
    ids({"shape.type"}, rows("type.name"));
    ids({"type.object"}, columns_.counts.objects, true);
    ids({"shape.name", "type.name", "type.module"}, strings_);
    kinds("shape.kind", edge_kinds);
    kinds("shape.owns_type", 2);
    if (!problem_.empty()) return;
    const auto& owns = columns_["shape.owns_type"].u1;
    for (std::size_t shape = 0; shape < owns.size(); ++shape)
      if (owns[shape] != 0 && columns_["type.object"].u4[columns_["shape.type"].u4[shape]] == nothing)
        return wrong("shape.owns_type", "owns a type that was not walked");
  }

  void roots() {
    ids({"root.object", "name.object", "text.object", "export.object", "bound.object", "window.object"},
        columns_.counts.objects);
    ascends("name.object", columns_["name.object"].u4, true);
    ascends("text.object", columns_["text.object"].u4, true);
    ascends("window.object", columns_["window.object"].u4, true);
    ids({"root.name", "name.text", "text.text", "root_frame.thread_name", "root_frame.function",
         "root_frame.file"},
        strings_);
    ids({"root.frame"}, rows("root_frame.line"), true);
    kinds("root.kind", root_kinds);
    kinds("root.counted", 2);
    for (const std::uint32_t line : columns_["root_frame.line"].u4)
      if (line > 0x7FFFFFFF) return wrong("root_frame.line", "is not a line number");
  }

  void blocks() {
    const std::uint64_t stream = rows("object.stream");
    if (columns_.counts.objects > stream / least_record || columns_.counts.objects >= nothing ||
        columns_.counts.edges > stream + columns_.counts.objects ||
        columns_.counts.bodies > stream / least_body)
      return wrong("object.stream", "is too short for what it is said to hold");
    if (rows("object.block_offset") !=
        (columns_.counts.objects + objects_of_a_block - 1) / objects_of_a_block)
      return wrong("object.block_offset", "has not one row per block");
    const std::pair<const char*, std::uint64_t> limits[] = {
        {"object.block_offset", stream},
        {"object.block_edges", columns_.counts.edges + 1},
        {"object.block_bodies", columns_.counts.bodies + 1}};
    for (const auto& [name, limit] : limits) {
      const auto& column = columns_[name].u8;
      ascends(name, column, false);
      below(name, column, limit);
      if (!column.empty() && column.front() != 0) wrong(name, "does not begin at 0");
    }
  }

  const HeapColumns& columns_;
  std::uint64_t strings_ = 0;
  std::string problem_;
};

}  // namespace

const HeapColumns::One& HeapColumns::operator[](std::string_view name) const noexcept {
  std::size_t at = 0;
  while (at + 1 < heap_columns.size() && name != heap_columns[at].name) ++at;
  return columns[at];
}

std::string contradiction_in(const HeapColumns& columns) {
  return Check(columns).run();
}

}  // namespace leakscope
