// Reads a C++ symbol's name as the Itanium ABI writes them, in one pass and without ever going back. It knows where
// names, types and template arguments begin and end; it refuses expressions, and to expand anything.
#pragma once

#include <string>
#include <string_view>

namespace leakscope {

struct MangledName {
  bool whole = false;  // understood to the end: names, types and literals, no expressions
  int references = 0;  // "S_", "T0_", ...: each repeats something that came before
  int expansions = 0;  // "Dp": each repeats its pattern for every member of a pack
  std::string brief;   // "foo::Bar<...>::baz" as far as understood; "" if not at all
};

// `symbol` begins with "_Z". May throw bad_alloc.
[[nodiscard]] MangledName read_mangled_name(std::string_view symbol);

}  // namespace leakscope
