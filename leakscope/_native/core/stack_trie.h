// Call stacks as a trie of frames, with the strings that frames need: written once, never changed, readable after
// the program's death. Knows names and numbers only; how frames are found is the hook's business.
#pragma once

#include <string_view>

#include "hash_index.h"
#include "ledger.h"

namespace leakscope {

class StackTrie {
 public:
  void attach(Ledger ledger) noexcept { ledger_ = ledger; }

  // Each returns the id of the equal row, made if need be. When a table is full: "" / frame 0 / the parent itself,
  // so that a block is attributed to a caller rather than to nobody; counted in Header::dropped_stacks.
  // Cost: one hash look-up under a spin lock.
  StringId string(std::string_view text) noexcept;
  FrameId frame(const Frame& frame) noexcept;
  StackId child(StackId parent, FrameId frame) noexcept;

  SpinLock& lock() noexcept { return lock_; }

 private:
  std::string_view string_at(StringId id) const noexcept;

  Ledger ledger_;
  HashIndex strings_, frames_, nodes_;
  SpinLock lock_;
};

}  // namespace leakscope
