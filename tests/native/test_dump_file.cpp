// What the reader makes of files: the writer's own, cut ones, flipped ones, and ones forged with right checksums.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "dump_bytes.h"
#include "dump_reader.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT
using Bytes = std::vector<std::byte>;

constexpr std::array<std::uint64_t, 3> kAddresses = {0x7F0000001000, 0x7F0000002000, 1};
constexpr std::array<float, 5> kBorn = {0.5F, 1, 1.5F, 2, 1e9F};
constexpr std::array<unsigned char, 11> kMeta = {'{', '"', 'p', 'i', 'd', '"', ':', ' ', '4', '2', '}'};

// header 0-64 | directory 64-320 | meta 320-331 | live.address 384-408 | nothing at 448 | live.born_s 448-468
const Bytes& small_file() {
  static const std::array<Column, 4> columns = {{{"meta", "u1", kMeta.data(), kMeta.size()},
                                                 {"live.address", "u8", kAddresses.data(), kAddresses.size()},
                                                 {"chunk.kind", "u1", nullptr, 0},
                                                 {"live.born_s", "f4", kBorn.data(), kBorn.size()}}};
  static const Bytes file = written(columns);
  return file;
}

ReadError error_of(const Bytes& file) {
  return read_directory(file).error;
}

// The error of the small file after a forger changed it.
ReadError error_after(const std::function<void(Forged&)>& change) {
  Forged forged(small_file());
  change(forged);
  return error_of(forged.sealed());
}

void rename(DumpDirectoryEntry& entry, const std::string& name) {
  entry.name.fill('\0');
  std::copy(name.begin(), name.end(), entry.name.begin());
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("what was written is what is read") {
  const Directory directory = read_directory(small_file());
  REQUIRE(directory.error.status == ReadStatus::ok);
  CHECK(directory.error.text.empty());
  REQUIRE(directory.columns.size() == 4);
  const ColumnEntry& address = directory.columns[1];
  CHECK(address.name == "live.address");
  CHECK(address.dtype == "u8");
  CHECK(address.count == 3);
  CHECK(address.offset == 384);
  CHECK(address.length == 24);
  CHECK(std::memcmp(small_file().data() + address.offset, kAddresses.data(), address.length) == 0);
  CHECK(directory.columns[2].length == 0);
  CHECK(directory.columns[3].offset == 448);
  CHECK(small_file().size() == 468);
  CHECK(check_columns(small_file()).status == ReadStatus::ok);
}

TEST_CASE("a file without columns is a file") {
  const Bytes file = written({});
  CHECK(file.size() == 64);
  const Directory directory = read_directory(file);
  CHECK(directory.error.status == ReadStatus::ok);
  CHECK(directory.columns.empty());
  CHECK(check_columns(file).status == ReadStatus::ok);
}

TEST_CASE("a file whose columns are all empty is a file") {
  const std::array<Column, 2> columns = {{{"a", "f8", nullptr, 0}, {"b", "u1", nullptr, 0}}};
  const Bytes file = written(columns);
  CHECK(file.size() == 64 + 128);
  CHECK(read_directory(file).columns.size() == 2);
  CHECK(check_columns(file).status == ReadStatus::ok);
}

TEST_CASE("other files are of an unknown format") {
  CHECK(error_of({}).status == ReadStatus::unknown_format);
  CHECK(error_of(Bytes(1, std::byte{'J'})).status == ReadStatus::unknown_format);
  CHECK(error_of(Bytes(4096)).status == ReadStatus::unknown_format);
  CHECK(std::string(slug(ReadStatus::unknown_format)) == "unknown-format");
}

TEST_CASE("every file that is cut short is truncated, and says where it ends") {
  for (std::size_t length = 1; length < small_file().size(); ++length) {
    const ReadError error =
        error_of(Bytes(small_file().begin(), small_file().begin() + static_cast<long>(length)));
    REQUIRE(error.status == ReadStatus::truncated);
    REQUIRE(error.offset == static_cast<std::int64_t>(length));
  }
}

TEST_CASE("no bit of the header or the directory can flip unnoticed") {
  for (std::size_t at = 0; at < 320; ++at) {
    for (unsigned bit = 0; bit < 8; ++bit) {
      Bytes file = small_file();
      file[at] ^= static_cast<std::byte>(1U << bit);
      const ReadStatus status = error_of(file).status;
      REQUIRE(status != ReadStatus::ok);
      if (at >= 8) REQUIRE(status == ReadStatus::damaged);
    }
  }
}

TEST_CASE("no bit of a column can flip unnoticed by the check of columns") {
  for (const ColumnEntry& column : read_directory(small_file()).columns) {
    for (std::uint64_t at = column.offset; at < column.offset + column.length; ++at) {
      Bytes file = small_file();
      file[at] ^= std::byte{4};
      REQUIRE(error_of(file).status == ReadStatus::ok);
      const ReadError error = check_columns(file);
      REQUIRE(error.status == ReadStatus::damaged);
      REQUIRE(error.offset == static_cast<std::int64_t>(column.offset));
      REQUIRE(contains(error.text, "'" + column.name + "'"));
    }
  }
}

TEST_CASE("a transfer in text mode is recognised as damage") {
  Bytes file = small_file();
  file.erase(file.begin() + 4);  // the carriage return
  CHECK(error_of(file).status == ReadStatus::damaged);
  CHECK(contains(error_of(file).text, "text mode"));
  Bytes seven_bits = small_file();
  seven_bits[0] &= std::byte{0x7F};
  CHECK(error_of(seven_bits).status == ReadStatus::damaged);
}

TEST_CASE("a later version is told from damage, whatever else it changed") {
  const ReadError error = error_after([](Forged& file) {
    file.header.version = 2;
    file.header.header_size = 128;
    file.header.zeros.fill(7);
  });
  CHECK(error.status == ReadStatus::newer_format);
  CHECK(error.offset == 8);
  CHECK(contains(error.text, "version 2"));
}

TEST_CASE("a version without its checksum is damage") {
  Bytes file = small_file();
  file[8] = std::byte{2};
  CHECK(error_of(file).status == ReadStatus::damaged);
}

TEST_CASE("bytes after the end are damage") {
  Bytes file = small_file();
  file.push_back(std::byte{0});
  CHECK(error_of(file).status == ReadStatus::damaged);
  CHECK(error_of(file).offset == 468);
}

TEST_CASE("a header that contradicts itself is damage") {
  const std::vector<std::function<void(Forged&)>> changes = {
      [](Forged& f) { f.header.version = 0; },
      [](Forged& f) { f.header.header_size = 63; },
      [](Forged& f) { f.header.zeros[19] = 1; },
      [](Forged& f) { f.header.directory_offset = 0; },
      [](Forged& f) { f.header.directory_offset = 63; },
      [](Forged& f) { f.header.directory_offset = 65; },
      [](Forged& f) { f.header.directory_offset = 256; },
      [](Forged& f) { f.header.directory_offset = f.bytes.size() + 64; },
      [](Forged& f) { f.header.directory_offset = ~std::uint64_t{0}; },
      [](Forged& f) { f.header.directory_offset = ~std::uint64_t{63}; },
      [](Forged& f) { f.header.directory_count = 7; },
      [](Forged& f) { f.header.directory_count = 3; },  // the checksum is that of four
      [](Forged& f) { f.header.directory_count = 4097; },
      [](Forged& f) { f.header.directory_count = ~std::uint32_t{0}; },
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    CAPTURE(i);
    CHECK(error_after(changes[i]).status == ReadStatus::damaged);
  }
}

TEST_CASE("a column that lies, or lies where it must not, is damage") {
  using Entry = DumpDirectoryEntry;
  const std::vector<std::pair<std::string, std::function<void(Entry&)>>> changes = {
      {"name", [](Entry& e) { e.name.fill('\0'); }},
      {"name", [](Entry& e) { e.name.fill('x'); }},
      {"name", [](Entry& e) { e.name[1] = '\n'; }},
      {"name", [](Entry& e) { e.name[1] = ' '; }},
      {"name", [](Entry& e) { e.name[1] = '\x7F'; }},
      {"name", [](Entry& e) { e.name[1] = '\xC3'; }},
      {"name", [](Entry& e) { e.name[39] = 'x'; }},
      {"name", [](Entry& e) { e.name[20] = 'x'; }},
      {"dtype",
       [](Entry& e) {
         e.dtype = {'f', '2', 0, 0};
       }},
      {"dtype",
       [](Entry& e) {
         e.dtype = {0, 0, 0, 0};
       }},
      {"dtype",
       [](Entry& e) {
         e.dtype = {'u', '8', 0, 'x'};
       }},
      {"dtype",
       [](Entry& e) {
         e.dtype = {'u', '8', 'u', '8'};
       }},
      {"end of the file", [](Entry& e) { e.count = 12; }},
      {"end of the file", [](Entry& e) { e.count = ~std::uint64_t{0}; }},
      {"end of the file", [](Entry& e) { e.count = (std::uint64_t{1} << 61) + 1; }},  // times 8 is 8
      {"end of the file", [](Entry& e) { e.offset = 512; }},
      {"end of the file", [](Entry& e) { e.offset = ~std::uint64_t{63}; }},
      {"multiple of 64", [](Entry& e) { e.offset = 385; }},
      {"multiple of 64", [](Entry& e) { e.offset = 392; }},
      {"in the header", [](Entry& e) { e.offset = 0; }},
      {"overlaps", [](Entry& e) { e.offset = 64; }},
      {"overlaps", [](Entry& e) { e.offset = 256; }},
      {"overlaps", [](Entry& e) { e.offset = 320; }},
      {"overlaps", [](Entry& e) { e.count = 10; }},
      {"appears twice", [](Entry& e) { rename(e, "meta"); }},
  };
  for (std::size_t i = 0; i < changes.size(); ++i) {
    CAPTURE(i);
    const ReadError error = error_after([&](Forged& file) { changes[i].second(file.entries[1]); });
    CHECK(error.status == ReadStatus::damaged);
    CHECK_MESSAGE(contains(error.text, changes[i].first), error.text);
    CHECK(error.offset >= 64);
    CHECK(read_directory(small_file()).columns.size() == 4);
  }
}

TEST_CASE("the directory may lie behind the columns") {
  Forged file(small_file());
  file.bytes.resize(512 + 256);
  file.header.directory_offset = 512;
  file.header.file_length = file.bytes.size();
  CHECK(error_of(file.sealed()).status == ReadStatus::ok);
}

TEST_CASE("an error leaves no columns") {
  Forged forged(small_file());
  forged.entries[3].dtype = {'x'};
  const Directory directory = read_directory(forged.sealed());
  CHECK(directory.error.status == ReadStatus::damaged);
  CHECK(directory.columns.empty());
}

TEST_CASE("every status has its slug") {
  CHECK(std::string(slug(ReadStatus::ok)) == "ok");
  CHECK(std::string(slug(ReadStatus::newer_format)) == "newer-format");
  CHECK(std::string(slug(ReadStatus::truncated)) == "truncated");
  CHECK(std::string(slug(ReadStatus::damaged)) == "damaged");
  CHECK(std::string(slug(ReadStatus::no_memory)) == "no-memory");
}
