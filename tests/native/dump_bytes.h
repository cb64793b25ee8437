// For tests of dumps: a scratch folder, files as bytes, and a pen to forge directories with.
#pragma once

#include <stdlib.h>  // NOLINT: mkdtemp is POSIX's

#include <cstddef>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "crc32.h"
#include "dump_file.h"
#include "dump_writer.h"

namespace leakscope::test {

// A folder of its own that goes when the test goes.
class Scratch {
 public:
  Scratch() {
    std::string pattern = (std::filesystem::temp_directory_path() / "leakscope-test-XXXXXX").string();
    const char* made = ::mkdtemp(pattern.data());
    if (made != nullptr) folder_ = made;
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_))
      found.push_back(entry.path().filename());
    return found;
  }

 private:
  std::filesystem::path folder_;
};

inline std::vector<std::byte> bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  std::vector<std::byte> bytes(text.size());
  if (!text.empty()) std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

inline std::vector<std::byte> written(std::span<const Column> columns) {
  const Scratch scratch;
  const std::string path = scratch.path("drawn.lks");
  const WriteResult result = write_dump_file(path.c_str(), columns);
  return result.status == WriteStatus::ok ? bytes_of(path) : std::vector<std::byte>{};
}

// Changes a file's header and directory and makes all checksums right again: a forger's work, not an accident's.
class Forged {
 public:
  explicit Forged(std::vector<std::byte> file) : bytes(std::move(file)) {
    std::memcpy(&header, bytes.data(), sizeof header);
    entries.resize(header.directory_count);
    std::memcpy(entries.data(), bytes.data() + header.directory_offset,
                entries.size() * sizeof(DumpDirectoryEntry));
  }

  [[nodiscard]] std::vector<std::byte> sealed() {
    const auto directory = std::as_bytes(std::span(entries));
    if (header.directory_offset <= bytes.size() &&
        directory.size() <= bytes.size() - header.directory_offset && !directory.empty()) {
      std::memcpy(bytes.data() + header.directory_offset, directory.data(), directory.size());
    }
    header.directory_crc32 = crc32(directory);
    return header_sealed();
  }

  [[nodiscard]] std::vector<std::byte> header_sealed() {
    header.header_crc32 = crc32(std::as_bytes(std::span(&header, 1)).first(40));
    std::memcpy(bytes.data(), &header, sizeof header);
    return bytes;
  }

  std::vector<std::byte> bytes;
  DumpHeader header{};
  std::vector<DumpDirectoryEntry> entries;
};

}  // namespace leakscope::test
