// Which blocks does any word of a process' writable memory point to, or into? A block that nothing points to was lost
// for good, whoever asked for it; one that something points to may have an owner that the object graph does not know.
//
// An address may also be the value of a Python int, in two digits of 30 bits.
//
// Words are looked at wherever they lie, freed memory included, so a number or a stale pointer may keep a lost block
// from being told; what is told is lost unless its address is kept in a register or in disguise. A word inside the
// block itself does not count.
#pragma once

#include <cstdint>
#include <vector>

namespace leakscope {

enum class Pointed : std::uint8_t { unknown = 0, yes = 1, no = 2 };

class PointerScan {
 public:
  // Blocks by address and size, in any order.
  PointerScan(const std::vector<std::uint64_t>& address, const std::vector<std::uint64_t>& size);

  // Looks at `count` words that lie at `where` in the process.
  void look(std::uint64_t where, const std::uint64_t* words, std::size_t count) noexcept;
  // One answer for each block, in the order given.
  std::vector<std::uint8_t> answer() const;

 private:
  struct Range {
    std::uint64_t begin, end;
    std::uint32_t row;
  };
  void follow(std::uint64_t word, std::uint64_t place) noexcept;
  bool may_point(std::uint64_t word) const noexcept {
    return word >= lowest_ && word < highest_ && pages_[(word >> 12) % pages_.size()];
  }

  std::vector<Range> ranges_;  // ascending
  std::vector<bool> pages_, pointed_;
  std::uint64_t lowest_ = ~0ULL, highest_ = 0;
};

// The whole of a process; empty if it cannot be read, or has more writable memory resident than `most_bytes`.
std::vector<std::uint8_t> pointed_blocks(std::uint32_t process, const std::vector<std::uint64_t>& address,
                                         const std::vector<std::uint64_t>& size, std::uint64_t most_bytes);

}  // namespace leakscope
