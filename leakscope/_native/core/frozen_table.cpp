#include "frozen_table.h"

#include <span>

namespace leakscope {
namespace {

template <class T>
std::span<const T> items(const DumpColumns& columns, std::string_view name) noexcept {
  const Column* column = find_column(columns, name);
  return column == nullptr ? std::span<const T>()
                           : std::span(static_cast<const T*>(column->data), column->count);
}

// Puts longer values in the place of those that a column has.
template <class T>
void replace(DumpColumns& columns, std::string_view name, std::vector<T>&& values) {
  for (Column& column : columns.columns) {
    if (column.name != name) continue;
    auto kept = std::make_shared<std::vector<T>>(std::move(values));
    column.data = kept->data();
    column.count = kept->size();
    columns.memory.push_back(std::move(kept));
    return;
  }
}

}  // namespace

const Column* find_column(const DumpColumns& columns, std::string_view name) noexcept {
  for (const Column& column : columns.columns)
    if (column.name == name) return &column;
  return nullptr;
}

std::vector<std::uint64_t> large_blocks(const DumpColumns& columns, std::uint64_t at_least) {
  const auto address = items<std::uint64_t>(columns, "live.address"),
             size = items<std::uint64_t>(columns, "live.size");
  const auto domain = items<std::uint8_t>(columns, "live.domain");
  std::vector<std::uint64_t> found;
  for (std::size_t at = 0; at < address.size(); ++at) {
    if (size[at] < at_least || domain[at] == static_cast<std::uint8_t>(Domain::mapping)) continue;
    found.push_back(address[at]);
    found.push_back(size[at]);
  }
  return found;
}

std::uint32_t add_strings(DumpColumns& columns, const std::vector<std::string>& texts) {
  const auto old_offset = items<std::uint64_t>(columns, "string.offset");
  const auto old_bytes = items<char>(columns, "string.bytes");
  std::vector<std::uint64_t> offset(old_offset.begin(), old_offset.end());
  std::vector<char> bytes(old_bytes.begin(), old_bytes.end());
  const auto first = static_cast<std::uint32_t>(offset.size() - 1);
  for (const std::string& text : texts) {
    bytes.insert(bytes.end(), text.begin(), text.end());
    offset.push_back(bytes.size());
  }
  replace(columns, "string.offset", std::move(offset));
  replace(columns, "string.bytes", std::move(bytes));
  return first;
}

}  // namespace leakscope
