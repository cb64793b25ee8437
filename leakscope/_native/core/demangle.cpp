#include "demangle.h"

#include <cxxabi.h>

#include <bit>
#include <cstddef>
#include <cstdlib>
#include <memory>

#include "mangled_name.h"

namespace leakscope {
namespace {

constexpr std::size_t kNameMost = 4096;

// The demangler's stack grows with the name: 64 bytes and more for each character. GNU's own limit is the same.
constexpr std::size_t kMangledMost = 1024;

// Binary logarithm of the longest text we let a name expand to.
constexpr int kExpansionMost = 26;

// A back reference repeats what came before it, so each can double the text: 60 of them in 200 characters fill any
// memory. An expansion repeats its pattern for each member of a pack, and packs can be nested. So the text has at
// most length * 2**references * length**expansions characters.
bool is_safe_to_expand(const MangledName& name, std::size_t length) noexcept {
  const auto bits = static_cast<int>(std::bit_width(length));
  return length <= kMangledMost && name.whole &&
         name.references + name.expansions * bits + bits <= kExpansionMost;
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
  const MangledName name = read_mangled_name(symbol);
  if (is_safe_to_expand(name, symbol.size())) {
    const std::string terminated(symbol);
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(
        abi::__cxa_demangle(terminated.c_str(), nullptr, nullptr, &status), &std::free);
    if (status == 0 && text != nullptr) return printable(text.get());
  }
  return printable(name.brief.empty() ? symbol : name.brief);
}

}  // namespace leakscope
