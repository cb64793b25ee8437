// For tests of the ledger's reader: columns by name, and what a dump promises whatever the ledger holds.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "ledger_reader.h"

namespace leakscope::test {

inline constexpr std::size_t sections_bytes = sizeof(Sections);

template <class T>
std::vector<T> column(const DumpColumns& dump, std::string_view name) {
  for (const Column& one : dump.columns) {
    if (one.name != name) continue;
    std::vector<T> values(one.count);
    if (one.count != 0) std::memcpy(values.data(), one.data, one.count * sizeof(T));
    return values;
  }
  return {};
}

inline std::string text(const DumpColumns& dump, std::uint32_t id) {
  const auto offset = column<std::uint64_t>(dump, "string.offset");
  const auto bytes = column<char>(dump, "string.bytes");
  return id + std::size_t{1} < offset.size()
             ? std::string(bytes.begin() + static_cast<std::ptrdiff_t>(offset[id]),
                           bytes.begin() + static_cast<std::ptrdiff_t>(offset[id + 1]))
             : "no string";
}

// The name of a column whose ids lead nowhere, or "". Columns of one table are of one length.
inline std::string broken_promise(const DumpColumns& dump) {
  const auto count = [&](std::string_view name) -> std::uint64_t {
    for (const Column& one : dump.columns)
      if (one.name == name) return one.count;
    return ~std::uint64_t{0};
  };
  const auto offset = column<std::uint64_t>(dump, "string.offset");
  if (offset.empty() || offset.front() != 0 || offset.back() != count("string.bytes")) return "string.offset";
  for (std::size_t at = 1; at < offset.size(); ++at)
    if (offset[at] < offset[at - 1]) return "string.offset";
  const struct {
    const char* name;
    std::uint64_t rows;
    const char* table;
  } ids[] = {{"frame.function", offset.size() - 1, "frame.kind"},
             {"frame.file", offset.size() - 1, "frame.kind"},
             {"stack.frame", count("frame.kind"), "stack.parent"},
             {"stack.parent", count("stack.frame"), "stack.frame"},
             {"thread.name", offset.size() - 1, "thread.ended_s"},
             {"live.stack", count("stack.frame"), "live.address"},
             {"live.thread", count("thread.name"), "live.size"},
             {"chunk.stack", count("stack.frame"), "chunk.address"},
             {"chunk.thread", count("thread.name"), "chunk.size"},
             {"pool.name", offset.size() - 1, "pool.used_bytes"},
             {"pool.source", offset.size() - 1, "pool.released"},
             {"handle.pool", count("pool.name"), "handle.address"},
             {"handle.stack", count("stack.frame"), "handle.last_s"},
             {"handle.thread", count("thread.name"), "handle.handles"},
             {"touch.handle", count("handle.state"), "touch.kind"},
             {"touch.stack", count("stack.frame"), "touch.time_s"},
             {"touch.thread", count("thread.name"), "touch.kind"},
             {"cross.pool", count("pool.name"), "cross.bytes"},
             {"cross.stack", count("stack.frame"), "cross.handles"},
             {"cross.acquired_by", count("thread.name"), "cross.handles"},
             {"view.stack", count("stack.frame"), "view.address"},
             {"view.thread", count("thread.name"), "view.bytes"},
             {"view.type", offset.size() - 1, "view.exporter"},
             {"buffer.stack", count("stack.frame"), "buffer.acquired"}};
  for (const auto& [name, rows, table] : ids) {
    if (count(name) != count(table)) return name;
    for (const std::uint32_t id : column<std::uint32_t>(dump, name))
      if (id >= rows) return name;
  }
  for (const std::uint32_t by : column<std::uint32_t>(dump, "cross.released_by"))
    if (by != ~std::uint32_t{0} && by >= count("thread.name")) return "cross.released_by";
  const auto parent = column<std::uint32_t>(dump, "stack.parent");
  for (std::size_t id = 1; id < parent.size(); ++id)
    if (parent[id] >= id) return "stack.parent";
  for (const std::uint8_t domain : column<std::uint8_t>(dump, "live.domain"))
    if (domain >= domain_count) return "live.domain";
  for (const char* name : chunk_measures)
    if (count((std::string("chunk.") + name).c_str()) != count("chunk.address")) return name;
  if (count("chunk.label") != count("chunk.address")) return "chunk.label";
  for (const std::uint8_t kind : column<std::uint8_t>(dump, "chunk.kind"))
    if (kind >= chunk_kind_count) return "chunk.kind";
  return "";
}

// All that the parent ever asks; the broken promise, or "".
inline std::string read_everything(LedgerReader reader) {
  if (reader.totals().size() != 2 * domain_count + 15) return "totals";
  if (reader.stacks(0, 10, true).size() > 10) return "stacks";
  for (const StackRow& row : reader.stacks(1, 1'000'000, false))
    if (row.live_bytes < 1) return "stacks";
  return broken_promise(reader.dump());
}

}  // namespace leakscope::test
