// How the walkers of other processes' memory get at it: by address, and any read may be refused. A test puts a buffer
// behind it, the parent a process.
#pragma once

#include <cstddef>
#include <cstdint>

namespace leakscope {

struct MemoryDoor {
  void* context;
  // Copies [address, address + bytes); pages that were never written to are zeros. False if any of it cannot be had.
  bool (*read)(void* context, std::uint64_t address, void* into, std::size_t bytes) noexcept;
  // The same of `count` pieces of `bytes` bytes, `stride` apart.
  bool (*gather)(void* context, std::uint64_t first, std::uint64_t stride, std::size_t count, void* into,
                 std::size_t bytes) noexcept;
  // Bytes of [begin, end) that lie in memory; both are multiples of a page.
  std::uint64_t (*resident)(void* context, std::uint64_t begin, std::uint64_t end) noexcept;
  // Whether there is time for more.
  bool (*goes_on)(void* context) noexcept;
};

struct Span {
  std::uint64_t begin, end;
  [[nodiscard]] std::uint64_t bytes() const noexcept { return end - begin; }
  [[nodiscard]] bool contains(std::uint64_t address) const noexcept {
    return address >= begin && address < end;
  }
};

// How full a chunk is. Headers and ends that cannot be used are neither used nor free.
struct Books {
  std::uint64_t used = 0, free = 0, largest_free = 0;
  bool sound = false;  // false: what lies there is not what we take it for, or could not be read in one piece
};

}  // namespace leakscope
