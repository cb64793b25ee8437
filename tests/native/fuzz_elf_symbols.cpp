// Any bytes as an ELF file, and as a symbol's name: names are reached through a table of symbols as well, but a
// fuzzer would spend its life finding one.
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "demangle.h"
#include "elf_symbols.h"

namespace {

void check(const std::string& name) {
  if (name.size() > 4096) std::abort();
  for (const char c : name) {
    if (c < 0x20 || c > 0x7E) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size >= 2 && data[0] == '_' && data[1] == 'Z') {
    check(leakscope::demangled({reinterpret_cast<const char*>(data), size}));
    return 0;
  }
  const std::span<const std::byte> file = std::as_bytes(std::span(data, size));
  std::array<std::uint64_t, 4> offsets = {0, 0x1000, 0x2050, 0xFFFFFFFFFFFFFFF0};
  if (size >= sizeof offsets[0]) std::memcpy(&offsets[3], data + size - sizeof offsets[0], sizeof offsets[0]);
  const auto names = leakscope::symbols(file, offsets);
  if (names.size() != offsets.size()) std::abort();
  for (const std::string& name : names) check(name);
  if (leakscope::build_id(file).size() > 128) std::abort();
  return 0;
}
