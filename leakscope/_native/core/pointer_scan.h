// Which blocks can a process still reach? A block that nothing points to was lost for good, whoever asked for it; so was
// one that only lost blocks point to, as the nodes of a tree do whose root was forgotten. One that is reached may have an
// owner that the object graph does not know.
//
// Where the pieces of malloc's heaps are known, and for large blocks, what lies in a piece counts if the piece is reached
// itself; what lies in free pieces does not count. All other memory is where the search begins: stacks, variables of
// libraries, Python's small objects, whatever was mapped.
//
// The collector's list goes through every object that it knows, lost ones too. A word that is part of such a list is told
// from a reference by what the block says of its neighbours.
//
// An address may also be the value of a Python int, in two digits of 30 bits, or have marks in its upper 16 bits.
//
// Words are looked at wherever they lie, so a number or a stale pointer may keep a lost block from being told; what is
// told is lost unless its address is kept in a register or in disguise. A word inside the block itself does not count.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "memory_door.h"

namespace leakscope {

enum class Pointed : std::uint8_t { unknown = 0, yes = 1, no = 2, linked = 3 };  // linked: by its list alone

// What is known of malloc's memory: all of a heap, or nothing. Disjoint, in any order.
struct KnownPieces {
  // What the program can have of pieces in heaps. The last word of each is the beginning of the next one for malloc: its
  // lists of what is free point there, so that an address there does not point to the piece.
  std::vector<Span> used, free;
  std::vector<Span> large;  // blocks outside of the heaps
};

class PointerScan {
 public:
  // Blocks by address and size, in any order; `objects`: for each whether it may be one that the collector knows.
  PointerScan(const std::vector<std::uint64_t>& address, const std::vector<std::uint64_t>& size,
              const KnownPieces& pieces = {}, const std::vector<std::uint8_t>& objects = {});

  // Looks at `count` words that lie at `where` in the process.
  void look(std::uint64_t where, const std::uint64_t* words, std::size_t count);
  // One answer for each block, in the order given.
  std::vector<std::uint8_t> answer();

 private:
  // The first words of a block.
  struct Head {
    std::uint64_t begin, words[4];
  };
  // A word that points to where a list may go through a block.
  struct Link {
    std::uint64_t place, word;
    std::uint32_t source, target;
  };
  static constexpr std::uint32_t root = 0xFFFFFFFF, hole = 0xFFFFFFFE;
  // What is between a piece and the next.
  struct Region {
    std::uint64_t begin, end;
    std::uint32_t target;  // or `hole`
  };
  void add_pages(const Span& range);
  void follow(std::uint64_t word, std::uint64_t place, std::uint32_t source);
  [[nodiscard]] const Head* head_at(std::uint64_t begin) const noexcept;
  [[nodiscard]] bool is_link(const Link& link) const noexcept;
  void settle_links();
  void reach(std::uint32_t target, std::uint32_t source);
  void spread();
  std::uint32_t target_at(std::uint64_t address) const noexcept;
  bool may_point(std::uint64_t word) const noexcept {
    return word >= lowest_ && word < highest_ && pages_[(word >> 12) % pages_.size()];
  }

  std::vector<Span> targets_;             // ascending
  std::vector<Region> regions_;           // ascending, disjoint: where a word does not count by itself
  std::vector<std::uint32_t> target_of_;  // for each block
  std::vector<bool> pages_, reached_, linked_;
  std::vector<Link> links_;
  std::vector<Head> heads_;                                     // of blocks that may be in lists, ascending
  std::vector<std::pair<std::uint32_t, std::uint32_t>> edges_;  // from target to target
  std::uint64_t lowest_ = ~0ULL, highest_ = 0;
};

// The whole of a process; empty if it cannot be read within seconds, or has more writable memory resident than `most_bytes`.
// `large`: blocks of malloc that may have mappings of their own.
std::vector<std::uint8_t> pointed_blocks(std::uint32_t process, const std::vector<std::uint64_t>& address,
                                         const std::vector<std::uint64_t>& size,
                                         const std::vector<std::uint8_t>& objects,
                                         const std::vector<Span>& large, std::uint64_t most_bytes);

}  // namespace leakscope
