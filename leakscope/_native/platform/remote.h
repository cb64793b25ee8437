// The memory of another process, read from outside: it is not stopped, none of its locks is taken, and pages that it never
// touched or that lie in swap stay where they are.
#pragma once

#include <cstddef>
#include <cstdint>

namespace leakscope::prim {

class Remote {
 public:
  // A process that is gone, or not ours to look into, can be read nowhere.
  explicit Remote(int pid) noexcept;
  ~Remote();
  Remote(const Remote&) = delete;
  Remote& operator=(const Remote&) = delete;

  // Untouched pages, and what is no memory, read as zeros. False if something lies in swap or the process is gone.
  bool read(std::uint64_t address, void* into, std::size_t bytes) noexcept;
  // `count` pieces of `bytes` bytes, `stride` apart.
  bool gather(std::uint64_t first, std::uint64_t stride, std::size_t count, void* into,
              std::size_t bytes) noexcept;
  // Bytes of the pages of [begin, end) that are in memory, and in swap.
  struct Pages {
    std::uint64_t resident, swapped;
  };
  Pages pages(std::uint64_t begin, std::uint64_t end) noexcept;

 private:
  enum class Page : std::uint8_t { absent, present, swapped, unknown };
  Page page_at(std::uint64_t address) noexcept;
  struct Piece;
  bool copy(Piece* pieces, std::size_t count) noexcept;

  static constexpr std::size_t window = 512;
  int pid_, map_;
  std::uint64_t first_ = 1;  // number of the first page in the window; 1: none was looked at
  std::size_t known_ = 0;
  std::uint64_t entries_[window];
};

}  // namespace leakscope::prim
