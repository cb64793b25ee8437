// Any bytes as a .lks file. Since a fuzzer finds no checksum by chance, the bytes are also tried with checksums and
// length put right, so that what lies behind them is reached.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "crc32.h"
#include "dump_file.h"
#include "dump_reader.h"

namespace {

using namespace leakscope;  // NOLINT: the subject

// What read_directory promises of columns, whatever the file says.
void read(std::span<const std::byte> file) {
  const Directory directory = read_directory(file);
  if ((directory.error.status == ReadStatus::ok) != directory.error.text.empty()) std::abort();
  if (directory.error.status != ReadStatus::ok && !directory.columns.empty()) std::abort();
  for (const ColumnEntry& column : directory.columns) {
    if (column.offset % kColumnAlignment != 0 || column.offset < sizeof(DumpHeader)) std::abort();
    if (column.offset > file.size() || column.length > file.size() - column.offset) std::abort();
    if (column.length / dtype_bytes(column.dtype) != column.count) std::abort();
    if (!column_name_is_valid(column.name)) std::abort();
  }
  const ReadError columns = check_columns(file);
  if (directory.error.status != ReadStatus::ok && columns.status != directory.error.status) std::abort();
}

void seal(std::vector<std::byte>& file) {
  DumpHeader header;
  std::memcpy(&header, file.data(), sizeof header);
  header.magic = kDumpMagic;
  header.file_length = file.size();
  const std::uint64_t bytes = std::uint64_t{header.directory_count} * sizeof(DumpDirectoryEntry);
  if (header.directory_offset <= file.size() && bytes <= file.size() - header.directory_offset) {
    header.directory_crc32 = crc32(std::span(file).subspan(header.directory_offset, bytes));
  }
  header.header_crc32 = crc32(std::as_bytes(std::span(&header, 1)).first(offsetof(DumpHeader, header_crc32)));
  std::memcpy(file.data(), &header, sizeof header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> given = std::as_bytes(std::span(data, size));
  read(given);
  if (size < sizeof(DumpHeader)) return 0;
  std::vector<std::byte> file(given.begin(), given.end());
  seal(file);
  read(file);
  return 0;
}
