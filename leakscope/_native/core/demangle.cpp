#include "demangle.h"

#include <cxxabi.h>

#include <bit>
#include <cstddef>
#include <cstdlib>
#include <memory>

namespace leakscope {
namespace {

constexpr std::size_t kNameMost = 4096;

// The demangler's stack grows with the name: 64 bytes and more for each character. GNU's own limit is the same.
constexpr std::size_t kMangledMost = 1024;

// Binary logarithm of the longest text we let a name expand to.
constexpr std::size_t kExpansionMost = 26;

bool is_digit(char c) noexcept {
  return c >= '0' && c <= '9';
}
bool is_upper(char c) noexcept {
  return c >= 'A' && c <= 'Z';
}

// Does a back reference ("S_", "S3_", "T_", "T1A_") end with the underscore at `at`? May also say yes inside an
// identifier: telling these apart would mean to trust the lengths a hostile name gives.
bool ends_reference(std::string_view mangled, std::size_t at) noexcept {
  while (at > 0 && (is_digit(mangled[at - 1]) || is_upper(mangled[at - 1]))) {
    --at;
    if (mangled[at] == 'S' || mangled[at] == 'T') return true;
  }
  return false;
}

// A back reference repeats what came before it, so each can double the text: 60 of them in 200 characters fill any
// memory. An expansion ("Dp" of types, "sp" of values) repeats its pattern for each member of a pack, and packs can
// be nested. So the text has at most length * 2**references * length**expansions characters.
bool is_safe_to_expand(std::string_view mangled) noexcept {
  if (mangled.size() > kMangledMost) return false;
  const auto length = static_cast<std::size_t>(std::bit_width(mangled.size()));
  std::size_t expansion = length;
  for (std::size_t i = 1; i < mangled.size() && expansion <= kExpansionMost; ++i) {
    const char before = mangled[i - 1];
    const char c = mangled[i];
    if (c == 'p' && (before == 'D' || before == 's')) expansion += length;
    if (c == '_' && ends_reference(mangled, i)) ++expansion;
  }
  return expansion <= kExpansionMost;
}

// Takes a length and that many characters from the front of `mangled`; empty if they are not there.
std::string_view take_identifier(std::string_view& mangled) noexcept {
  std::size_t length = 0;
  std::size_t digits = 0;
  while (digits < mangled.size() && digits < 4 && is_digit(mangled[digits])) {
    length = length * 10 + static_cast<std::size_t>(mangled[digits++] - '0');
  }
  if (length == 0 || length > mangled.size() - digits) return {};
  const std::string_view identifier = mangled.substr(digits, length);
  mangled.remove_prefix(digits + length);
  return identifier;
}

// "_ZNK3foo3barIiE3bazEv" becomes "foo::bar<...>"; empty if the name does not begin with plain identifiers.
std::string shortened(std::string_view mangled) {
  mangled.remove_prefix(2);
  const bool nested = mangled.starts_with('N');
  if (nested) {
    mangled.remove_prefix(1);
    while (!mangled.empty() && std::string_view("rVKRO").find(mangled.front()) != std::string_view::npos) {
      mangled.remove_prefix(1);
    }
  }
  std::string name;
  if (mangled.starts_with("St")) {
    name = "std";
    mangled.remove_prefix(2);
  }
  do {
    if (mangled.starts_with('L')) mangled.remove_prefix(1);  // internal linkage
    const std::string_view identifier = take_identifier(mangled);
    if (identifier.empty()) break;
    if (!name.empty()) name += "::";
    name += identifier;
  } while (nested);
  if (!name.empty()) name += mangled.starts_with('I') ? "<...>" : "...";
  return name;
}

std::string printable(std::string_view text) {
  std::string name(text.substr(0, kNameMost));
  for (char& c : name) {
    if (c < 0x20 || c > 0x7E) c = '?';
  }
  if (text.size() > kNameMost) name.replace(kNameMost - 3, 3, "...");
  return name;
}

}  // namespace

std::string demangled(std::string_view symbol) {
  symbol = symbol.substr(0, symbol.find('@'));  // "memcpy@@GLIBC_2.14"
  if (!symbol.starts_with("_Z")) return printable(symbol);
  if (!is_safe_to_expand(symbol)) {
    const std::string name = shortened(symbol);
    return printable(name.empty() ? symbol : name);
  }
  const std::string terminated(symbol);
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> text(
      abi::__cxa_demangle(terminated.c_str(), nullptr, nullptr, &status), &std::free);
  return printable(status == 0 && text != nullptr ? text.get() : symbol);
}

}  // namespace leakscope
