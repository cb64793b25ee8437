// Names from ELF files: this test's own, the C library's, drawn ones, and drawn ones cut and bent.
#include <dlfcn.h>
#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "dump_bytes.h"
#include "elf_file.h"
#include "elf_symbols.h"

// Not in the anonymous namespace: they must have symbols that dladdr() and the symbol table know.
namespace leakscope::test {
__attribute__((noinline)) int lake(int a) {
  return a * 3 + 1;
}
}  // namespace leakscope::test

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT
using Bytes = std::vector<std::byte>;
using Names = std::vector<std::string>;

struct DrawnSymbol {
  std::string name;
  std::uint64_t value, bytes;
  unsigned char info = 0x12;  // a global function
  std::uint16_t section = 1;
};

// A shared object of three sections and one segment: .text at 0x1000, .fini at 0x5000, and a symbol table.
//   header | segments: load, note | sections: null, text, fini, symbols, strings | symbols | strings | note
class DrawnElf {
 public:
  explicit DrawnElf(const std::vector<DrawnSymbol>& symbols, std::uint32_t table = elf::kSectionSymbols) {
    std::string strings(1, '\0');
    std::vector<elf::Symbol> rows(1);
    for (const DrawnSymbol& symbol : symbols) {
      rows.push_back({static_cast<std::uint32_t>(strings.size()), symbol.info, 0, symbol.section,
                      symbol.value, symbol.bytes});
      strings += symbol.name + '\0';
    }
    const std::string note("\4\0\0\0\4\0\0\0\3\0\0\0GNU\0\xDE\xAD\xBE\xEF", 20);
    const std::uint64_t symbols_at = 64 + 2 * 56 + 5 * 64;
    const std::uint64_t strings_at = symbols_at + rows.size() * 24;
    const std::uint64_t note_at = strings_at + strings.size();
    segments = {{elf::kSegmentLoad, 5, 0, 0, 0, 0x6000, 0x6000, 4096},
                {elf::kSegmentNote, 4, note_at, 0, 0, 20, 20, 4}};
    sections = {{},
                {0, 1, 6, 0x1000, 0, 0x4000, 0, 0, 16, 0},
                {0, 1, 6, 0x5000, 0, 0x100, 0, 0, 16, 0},
                {0, table, 0, 0, symbols_at, rows.size() * 24, 4, 0, 8, 24},
                {0, elf::kSectionStrings, 0, 0, strings_at, strings.size(), 0, 0, 1, 0}};
    header = {{0x7F, 'E', 'L', 'F', 2, 1, 1}, 3, 62, 1, 0, 64, 64 + 2 * 56, 0, 64, 56, 2, 64, 5, 0};
    append(tail_, rows.data(), rows.size() * 24);
    append(tail_, strings.data(), strings.size());
    append(tail_, note.data(), note.size());
  }

  [[nodiscard]] Bytes bytes() const {
    Bytes file;
    append(file, &header, sizeof header);
    append(file, segments.data(), segments.size() * sizeof(elf::Segment));
    append(file, sections.data(), sections.size() * sizeof(elf::Section));
    file.insert(file.end(), tail_.begin(), tail_.end());
    return file;
  }

  elf::Header header{};
  std::vector<elf::Segment> segments;
  std::vector<elf::Section> sections;

 private:
  static void append(Bytes& to, const void* from, std::size_t count) {
    const auto* bytes = static_cast<const std::byte*>(from);
    to.insert(to.end(), bytes, bytes + count);
  }
  Bytes tail_;
};

Names names_at(const Bytes& file, const std::vector<std::uint64_t>& offsets) {
  return symbols(file, offsets);
}

std::string name_at(const std::vector<DrawnSymbol>& drawn, std::uint64_t offset) {
  return names_at(DrawnElf(drawn).bytes(), {offset}).at(0);
}

std::uint64_t offset_of(void* address, Dl_info& info) {
  if (::dladdr(address, &info) == 0) return 0;
  return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
}

const std::vector<DrawnSymbol> kTwo = {{"second", 0x2000, 0x100}, {"first", 0x1000, 0x80}};

}  // namespace

TEST_CASE("a function of a running program is found by its address less the base of its file") {
  Dl_info info{};
  const std::uint64_t offset = offset_of(reinterpret_cast<void*>(&lake), info);
  CHECK(lake(1) == 4);
  const std::vector<std::uint64_t> offsets = {offset, offset + 1, ~std::uint64_t{0}};
  const Names names = symbols("/proc/self/exe", offsets);
  REQUIRE(names.size() == 3);
  CHECK(names[0] == "leakscope::test::lake(int)");
  CHECK(names[1] == names[0]);
  CHECK(names[2].empty());
}

TEST_CASE("a function of the C library goes by the name that programs use") {
  void* function = ::dlsym(RTLD_DEFAULT, "strtoull");
  REQUIRE(function != nullptr);
  Dl_info info{};
  const std::vector<std::uint64_t> offsets = {offset_of(function, info)};
  const Names names = symbols(info.dli_fname, offsets);
  REQUIRE(names.size() == 1);
  CHECK_MESSAGE(names[0].find("strtou") != std::string::npos, names[0]);
}

TEST_CASE("an address belongs to the function whose bytes contain it") {
  CHECK(name_at(kTwo, 0x0FFF).empty());
  CHECK(name_at(kTwo, 0x1000) == "first");
  CHECK(name_at(kTwo, 0x107F) == "first");
  CHECK(name_at(kTwo, 0x1080).empty());
  CHECK(name_at(kTwo, 0x2000) == "second");
  CHECK(name_at(kTwo, 0x2100).empty());
  CHECK(name_at({}, 0x1000).empty());
}

TEST_CASE("a function without a size reaches to the next one but not beyond its section") {
  const std::vector<DrawnSymbol> drawn = {
      {"open", 0x1000, 0}, {"next", 0x2000, 16}, {"last", 0x3000, 0}, {"_fini", 0x5000, 0, 0x12, 2}};
  CHECK(name_at(drawn, 0x1FFF) == "open");
  CHECK(name_at(drawn, 0x2010).empty());
  CHECK(name_at(drawn, 0x4FFF) == "last");
  CHECK(name_at(drawn, 0x50FF) == "_fini");
  CHECK(name_at(drawn, 0x5100).empty());
  CHECK(name_at({{"nowhere", 0x1000, 0, 0x12, 0xFFF1}}, 0x1001).empty());
}

TEST_CASE("of functions inside each other the inner one is meant") {
  const std::vector<DrawnSymbol> drawn = {{"outer", 0x1000, 0x1000}, {"inner", 0x1400, 0x10}};
  CHECK(name_at(drawn, 0x13FF) == "outer");
  CHECK(name_at(drawn, 0x1400) == "inner");
  CHECK(name_at(drawn, 0x1410) == "outer");
}

TEST_CASE("of several names for one address the public one with the fewest underscores is shown") {
  constexpr unsigned char kLocal = 0x02, kWeak = 0x22;
  CHECK(name_at({{"__libc_malloc", 0x1000, 16}, {"malloc", 0x1000, 16}, {"_malloc", 0x1000, 16}}, 0x1000) ==
        "malloc");
  CHECK(name_at({{"int_malloc", 0x1000, 16, kLocal}, {"__malloc", 0x1000, 16}}, 0x1000) == "__malloc");
  CHECK(name_at({{"weak", 0x1000, 16, kWeak}, {"__strong", 0x1000, 16}}, 0x1000) == "__strong");
  CHECK(name_at({{"short", 0x1000, 8}, {"__long", 0x1000, 16}}, 0x1008) == "__long");
}

TEST_CASE("only functions that are defined here count") {
  constexpr unsigned char kObject = 0x11, kIndirect = 0x1A;
  CHECK(name_at({{"table", 0x1000, 16, kObject}}, 0x1000).empty());
  CHECK(name_at({{"elsewhere", 0x1000, 16, 0x12, 0}}, 0x1000).empty());
  CHECK(name_at({{"memcpy", 0x1000, 16, kIndirect}}, 0x1000) == "memcpy");
  CHECK(name_at({{"", 0x1000, 16}}, 0x1000).empty());
}

TEST_CASE("the dynamic symbols serve where the full table was stripped") {
  CHECK(names_at(DrawnElf(kTwo, elf::kSectionDynamicSymbols).bytes(), {0x1000}) == Names{"first"});
}

TEST_CASE("offsets into an executable of fixed address count from its first segment's page") {
  DrawnElf file({{"main", 0x401126, 16}});
  file.header.type = 2;
  file.segments[0].address = 0x400040;
  CHECK(names_at(file.bytes(), {0x1126}) == Names{"main"});
  CHECK(names_at(file.bytes(), {0x401126}) == Names{""});
}

TEST_CASE("names are demangled") {
  CHECK(name_at({{"_ZN3foo3barEi", 0x1000, 16}}, 0x1000) == "foo::bar(int)");
}

TEST_CASE("sizes that reach beyond the last address are taken as that") {
  const std::uint64_t most = ~std::uint64_t{0};
  CHECK(name_at({{"huge", 0x1000, most}}, most - 1) == "huge");
  CHECK(name_at({{"top", most - 8, most}}, most - 4) == "top");
}

TEST_CASE("the build id is found in segments and in sections") {
  DrawnElf file(kTwo);
  CHECK(build_id(file.bytes()) == "deadbeef");
  file.sections[1] = {0, elf::kSectionNote, 0, 0, file.segments[1].offset, 20, 0, 0, 4, 0};
  file.segments[1].type = 0;
  CHECK(build_id(file.bytes()) == "deadbeef");
  file.sections[1].bytes = 19;
  CHECK(build_id(file.bytes()).empty());
}

TEST_CASE("paths that are no files of this kind have no names and no build id") {
  const Scratch scratch;
  const std::vector<std::uint64_t> offsets = {0x1000, 0x2000};
  REQUIRE(::mkfifo(scratch.path("pipe").c_str(), 0600) == 0);
  std::ofstream(scratch.path("text")) << "#!/bin/sh\n";
  std::ofstream(scratch.path("empty")).close();
  for (const std::string& path :
       {scratch.path("absent"), scratch.path(""), scratch.path("pipe"), scratch.path("text"),
        scratch.path("empty"), std::string("/dev/zero"), std::string()}) {
    CAPTURE(path);
    CHECK(symbols(path.c_str(), offsets) == Names{"", ""});
    CHECK(build_id(path.c_str()).empty());
  }
}

TEST_CASE("other kinds of ELF files have no names") {
  const std::vector<std::pair<std::size_t, unsigned>> changes = {{0, 'e'}, {4, 1},   {5, 2},
                                                                 {16, 1},  {54, 55}, {58, 63}};
  for (const auto& change : changes) {  // clang 14 captures no structured bindings
    const std::size_t at = change.first;
    const unsigned value = change.second;
    CAPTURE(at);
    Bytes file = DrawnElf(kTwo).bytes();
    file[at] = static_cast<std::byte>(value);
    if (at == 54) {
      CHECK(build_id(file).empty());
    } else {
      CHECK(names_at(file, {0x1000}) == Names{""});
    }
  }
}

TEST_CASE("a section count too large for the header is read from the first section") {
  DrawnElf file(kTwo);
  file.header.section_count = 0;
  file.sections[0].bytes = 5;
  CHECK(names_at(file.bytes(), {0x1000}) == Names{"first"});
  file.sections[0].bytes = ~std::uint64_t{0};
  CHECK(names_at(file.bytes(), {0x1000}) == Names{""});
}

TEST_CASE("tables that point outside the file or at the wrong thing give no names") {
  const std::uint64_t most = ~std::uint64_t{0};
  const std::vector<void (*)(DrawnElf&)> changes = {
      [](DrawnElf& f) { f.header.sections_offset = most; },
      [](DrawnElf& f) { f.header.sections_offset = 1u << 20; },
      [](DrawnElf& f) { f.header.section_count = 0xFFFF; },
      [](DrawnElf& f) { f.sections[3].offset = most - 8; },
      [](DrawnElf& f) { f.sections[3].bytes = most; },
      [](DrawnElf& f) { f.sections[3].entry_bytes = 0; },
      [](DrawnElf& f) { f.sections[3].entry_bytes = 16; },
      [](DrawnElf& f) { f.sections[3].link = 5; },
      [](DrawnElf& f) { f.sections[3].link = 3; },
      [](DrawnElf& f) { f.sections[4].offset = most; },
      [](DrawnElf& f) { f.sections[4].bytes = most; },
      [](DrawnElf& f) { f.sections[4].bytes = 3; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    CAPTURE(i);
    DrawnElf file(kTwo);
    changes[i](file);
    CHECK(names_at(file.bytes(), {0x1000}) == Names{""});
  }
}

TEST_CASE("many symbols that share one endless name cost a look at its beginning each") {
  std::vector<DrawnSymbol> drawn;
  for (std::uint64_t i = 0; i < 20'000; ++i) drawn.push_back({"", 0x1000 + i % 0x3000, 1});
  drawn.push_back({std::string(2'000'000, 'x'), 0x1000, 1});
  Bytes file = DrawnElf(drawn).bytes();
  const elf::Section symbol_table = *elf::at<elf::Section>(file, 64 + 2 * 56 + 3 * 64);
  const std::uint32_t endless = 20'001;  // after the first zero and those of the others
  for (std::uint64_t row = 1; row < symbol_table.bytes / 24; ++row) {
    std::memcpy(file.data() + symbol_table.offset + row * 24, &endless, sizeof endless);
  }
  const std::string name = names_at(file, {0x1500}).at(0);
  CHECK(name == std::string(4093, 'x') + "...");
}

TEST_CASE("no cut and no flipped byte of a file does harm") {
  const Bytes whole = DrawnElf(kTwo).bytes();
  const std::vector<std::uint64_t> offsets = {0, 0x1000, 0x2050, ~std::uint64_t{0}};
  for (std::size_t length = 0; length < whole.size(); ++length) {
    const Bytes cut(whole.begin(), whole.begin() + static_cast<long>(length));
    REQUIRE(symbols(cut, offsets).size() == 4);
    REQUIRE(build_id(cut).size() <= 128);
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const std::byte value : {std::byte{0}, std::byte{0x7F}, std::byte{0x80}, std::byte{0xFF}}) {
      Bytes bent = whole;
      bent[at] = value;
      REQUIRE(symbols(bent, offsets).size() == 4);
      REQUIRE(build_id(bent).size() <= 128);
    }
  }
}

TEST_CASE("the search agrees with a look at every function") {
  std::mt19937_64 random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<DrawnSymbol> drawn;
    std::uint64_t at = 0x1000;
    while (at < 0x4000) {  // side by side with gaps, in any order
      const std::uint64_t bytes = 1 + random() % 200;
      drawn.push_back({"f" + std::to_string(at), at, bytes});
      at += bytes + random() % 3 * 16;
    }
    std::shuffle(drawn.begin(), drawn.end(), random);
    std::vector<std::uint64_t> offsets;
    Names expected;
    for (int i = 0; i < 200; ++i) {
      offsets.push_back(random() % 0x5000);
      expected.emplace_back();
      for (const DrawnSymbol& symbol : drawn) {
        if (offsets.back() >= symbol.value && offsets.back() < symbol.value + symbol.bytes)
          expected.back() = symbol.name;
      }
    }
    REQUIRE(names_at(DrawnElf(drawn).bytes(), offsets) == expected);
  }
}
