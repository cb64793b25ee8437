// What may still be asked of, and added to, the columns of a dump before they are written. Knows names of columns.
#pragma once

#include <string_view>
#include <vector>

#include "ledger_reader.h"

namespace leakscope {

// The column of that name; nullptr if there is none.
[[nodiscard]] const Column* find_column(const DumpColumns& columns, std::string_view name) noexcept;

// Live blocks of at least so many bytes as (address, size), mappings of the program not among them.
[[nodiscard]] std::vector<std::uint64_t> large_blocks(const DumpColumns& columns, std::uint64_t at_least);

// Adds strings to the string table; the number of the first.
std::uint32_t add_strings(DumpColumns& columns, const std::vector<std::string>& texts);

}  // namespace leakscope
