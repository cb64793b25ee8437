// An object graph drawn into a ledger's area as a walker would leave it, and what a dump promises of one.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "heap_reader.h"
#include "reader_promises.h"
#include "scratch_ledger.h"

namespace leakscope::test {

// Writes columns one after the other into an area.
class AreaPen {
 public:
  explicit AreaPen(HeapArea& area) : area_(area), next_(sizeof(HeapArea)) {}

  template <class T>
  void column(const char* name, const char* dtype, const std::vector<T>& values) {
    HeapColumn& entry = area_.columns[area_.column_count++];
    entry = {};
    std::strncpy(entry.name, name, sizeof entry.name - 1);
    std::memcpy(entry.dtype, dtype, 2);
    next_ = (next_ + 63) / 64 * 64;
    entry.offset = next_;
    entry.items = values.size();
    if (!values.empty())
      std::memcpy(reinterpret_cast<char*>(&area_) + next_, values.data(), values.size() * sizeof(T));
    next_ += values.size() * sizeof(T);
  }

 private:
  HeapArea& area_;
  std::uint64_t next_;
};

// `objects` of three shapes: what the columns say is made up, that they fit together is not.
inline void draw_heap(HeapArea& area, std::uint32_t objects) {
  using U1 = std::vector<std::uint8_t>;
  using U4 = std::vector<std::uint32_t>;
  using U8 = std::vector<std::uint64_t>;
  constexpr std::uint32_t none = 0xFFFFFFFF;
  AreaPen pen(area);
  const std::uint32_t blocks = (objects + 4095) / 4096;
  U8 offset, address;
  for (std::uint32_t block = 0; block < blocks; ++block) {
    offset.push_back(std::uint64_t{block} * 4096 * 4);
    address.push_back(0x7F0000000000 + block * 65536);
  }
  pen.column("object.stream", "u1", U1(objects * std::size_t{4}, 0));
  pen.column("object.block_offset", "u8", offset);
  pen.column("object.block_address", "u8", address);
  pen.column("object.block_edges", "u8", U8(blocks, 0));
  pen.column("object.block_bodies", "u8", U8(blocks, 0));
  pen.column("shape.type", "u4", U4{0, 1, 1});
  pen.column("shape.kind", "u1", U1{0, 1, 4});
  pen.column("shape.size", "u4", U4{16, 56, 64});
  pen.column("shape.lead", "u4", U4{0, 16, 16});
  pen.column("shape.owns_type", "u1", U1{0, 1, 0});
  pen.column("shape.name_offset", "u4", U4{0, 0, 1, 2});
  pen.column("shape.name", "u4", U4{1, 2});
  pen.column("type.name", "u4", U4{1, 2});
  pen.column("type.module", "u4", U4{0, 3});
  pen.column("type.object", "u4", U4{none, objects - 1});
  pen.column("type.flags", "u4", U4{0, 1});
  pen.column("root.object", "u4", U4{0, objects - 1});
  pen.column("root.kind", "u1", U1{0, 1});
  pen.column("root.name", "u4", U4{3, 1});
  pen.column("root.frame", "u4", U4{none, 0});
  pen.column("root.counted", "u1", U1{0, 1});
  pen.column("root_frame.native_id", "u8", U8{4711});
  pen.column("root_frame.thread_name", "u4", U4{0});
  pen.column("root_frame.function", "u4", U4{1});
  pen.column("root_frame.file", "u4", U4{2});
  pen.column("root_frame.line", "i4", U4{12});
  pen.column("root_frame.depth", "u4", U4{0});
  pen.column("name.object", "u4", U4{0, 1});
  pen.column("name.text", "u4", U4{1, 2});
  pen.column("text.object", "u4", U4{});
  pen.column("text.text", "u4", U4{});
  pen.column("export.object", "u4", U4{1});
  pen.column("export.count", "u4", U4{2});
  pen.column("bound.object", "u4", U4{0});
  pen.column("bound.items", "u8", U8{128});
  pen.column("window.object", "u4", U4{1});
  pen.column("window.bytes", "u8", U8{16});
  pen.column("heap_string.offset", "u8", U8{0, 0, 3, 7, 8});
  pen.column("heap_string.bytes", "u1", U1{'o', 'n', 'e', 'a', 'b', 'c', 'd', '!'});
  area.objects = objects;
  area.edges = 1;
  area.state = heap_complete;
}

// The name of a column that leads nowhere, or "". Written without a look at the check it is to confirm.
inline std::string broken_graph(const DumpColumns& dump, const HeapCounts& counts) {
  const auto u4 = [&](const char* name) { return column<std::uint32_t>(dump, name); };
  const auto u8 = [&](const char* name) { return column<std::uint64_t>(dump, name); };
  if (dump.columns.size() != 39) return "columns";
  const std::uint64_t strings = u8("heap_string.offset").size() - 1;
  const struct {
    const char* name;
    std::uint64_t limit;
    bool or_none;
  } ids[] = {{"shape.type", u4("type.name").size(), false},
             {"shape.name", strings, false},
             {"type.name", strings, false},
             {"type.module", strings, false},
             {"type.object", counts.objects, true},
             {"root.object", counts.objects, false},
             {"root.name", strings, false},
             {"root.frame", u4("root_frame.depth").size(), true},
             {"root_frame.file", strings, false},
             {"root_frame.function", strings, false},
             {"root_frame.thread_name", strings, false},
             {"name.object", counts.objects, false},
             {"name.text", strings, false},
             {"text.object", counts.objects, false},
             {"text.text", strings, false},
             {"export.object", counts.objects, false},
             {"bound.object", counts.objects, false},
             {"window.object", counts.objects, false}};
  for (const auto& [name, limit, or_none] : ids)
    for (const std::uint32_t id : u4(name))
      if (id >= limit && !(or_none && id == 0xFFFFFFFF)) return name;
  const auto names = u4("shape.name_offset");
  for (std::size_t shape = 0; shape + 1 < names.size(); ++shape)
    if (names[shape] > names[shape + 1] || names[shape + 1] > u4("shape.name").size())
      return "shape.name_offset";
  const auto bytes = column<std::uint8_t>(dump, "heap_string.bytes");
  const auto ends = u8("heap_string.offset");
  for (std::size_t string = 0; string + 1 < ends.size(); ++string)
    if (ends[string] > ends[string + 1] || ends[string + 1] > bytes.size()) return "heap_string.offset";
  for (const std::uint64_t at : u8("object.block_offset"))
    if (at >= column<std::uint8_t>(dump, "object.stream").size()) return "object.block_offset";
  if (u8("object.block_offset").size() * 4096 < counts.objects) return "object.block_offset";
  return "";
}

}  // namespace leakscope::test
