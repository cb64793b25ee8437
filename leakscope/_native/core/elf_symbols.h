// Names for addresses of native code, out of the symbol tables of an ELF file. It knows 64-bit little-endian
// executables and shared objects; it refuses to follow links to separate debug files, and any other kind of file
// simply has no names. The file may be anyone's: every length is proven before it is used.
//
// What an offset is here: the address minus the address where the file's first segment was mapped, which is what
// dladdr() calls dli_fbase. For libraries and position-independent executables that equals the symbol's value in
// the file (their first segment has address 0); for executables of fixed address the segment's address is added.
// It is NOT an offset into the file's bytes. Of a return address, ask for the byte before it: a call may be the last
// instruction of its function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace leakscope {

// For each offset the demangled name of the function that contains it; "" where there is none, and everywhere if
// the file cannot be read. Names are printable ASCII. Prefers .symtab to .dynsym; a symbol without a size reaches
// to the next one or to the end of its section. Cost: one sort of the file's functions, then a search each.
// An empty result means that memory ran out.
[[nodiscard]] std::vector<std::string> symbols(const char* path,
                                               std::span<const std::uint64_t> offsets) noexcept;

// The GNU build id in hexadecimal, as file(1) and debuginfod name it; "" if the file has none.
[[nodiscard]] std::string build_id(const char* path) noexcept;

// The same for files already in memory.
[[nodiscard]] std::vector<std::string> symbols(std::span<const std::byte> file,
                                               std::span<const std::uint64_t> offsets) noexcept;
[[nodiscard]] std::string build_id(std::span<const std::byte> file) noexcept;

}  // namespace leakscope
