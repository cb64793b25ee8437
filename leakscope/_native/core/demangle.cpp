#include "demangle.h"

#include <cxxabi.h>

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace leakscope {
namespace {

constexpr std::size_t kNameMost = 4096;

// The demangler's stack grows with the name: 64 bytes and more for each character. GNU's own limit is the same.
constexpr std::size_t kMangledMost = 1024;

// A back reference ("S3_", "T0_") repeats what it refers to, so each can double the output: 60 of them in a name of
// 200 characters fill any memory. Twenty cannot; in LLVM, a heavy user of templates, one name in a thousand has more.
constexpr int kReferencesMost = 20;

// An expansion repeats its pattern for each type of a pack, and may sit inside another one.
constexpr int kExpansionsMost = 3;

bool is_safe_to_expand(std::string_view mangled) noexcept {
  if (mangled.size() > kMangledMost) return false;
  int references = 0;
  int expansions = 0;
  for (std::size_t i = 1; i < mangled.size(); ++i) {
    const char before = mangled[i - 1];
    const char c = mangled[i];
    // "S_", "S0_", "T_", ... and whatever else looks like them: each has its own underscore.
    references += c == '_' ? 1 : 0;
    expansions += (before == 'D' || before == 's') && c == 'p' ? 1 : 0;
  }
  return references <= kReferencesMost && expansions <= kExpansionsMost;
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
  if (symbol.starts_with("_Z") && is_safe_to_expand(symbol)) {
    const std::string terminated(symbol);
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(
        abi::__cxa_demangle(terminated.c_str(), nullptr, nullptr, &status), &std::free);
    if (status == 0 && text != nullptr) return printable(text.get());
  }
  return printable(symbol);
}

}  // namespace leakscope
