// Who owns each recorded address now. Exact recording keeps blocks in the shadow table; sampled blocks, and addresses
// that the shadow cannot hold, are dense rows found through a hash index.
#pragma once

#include "hash_index.h"
#include "ledger.h"
#include "shadow_table.h"

namespace leakscope {

class LiveTable {
 public:
  void attach(Ledger ledger) noexcept;

  // Records a block, replacing what was recorded at its address. False if there is no room.
  bool put(const BlockRow& block) noexcept;
  // Removes the block and returns it in `block`; false if none was recorded there.
  bool take(std::uint64_t address, BlockRow& block) noexcept;
  bool contains(std::uint64_t address) noexcept;

  SpinLock& lock() noexcept { return lock_; }

  // Exact recording's short way, for blocks that the shadow can hold; false: take the other.
  bool put_exact(std::uint64_t address, const ShadowTable::Entry& entry) noexcept {
    return exact_ && ShadowTable::fits(address) && shadow_.put(address, entry);
  }
  bool take_exact(std::uint64_t address, ShadowTable::Entry& entry) noexcept {
    return exact_ && ShadowTable::fits(address) && shadow_.take(address, entry);
  }

  // For blocks of one slot, in exact recording only; see shadow_table.h.
  std::uint64_t* known_slot(std::uint64_t address) const noexcept { return shadow_.known_slot(address); }

 private:
  bool put_row(const BlockRow& block) noexcept;
  bool take_row(std::uint64_t address, BlockRow& block) noexcept;
  std::uint32_t free_row() noexcept;

  Ledger ledger_;
  ShadowTable shadow_;
  bool exact_ = false;
  HashIndex rows_;
  std::uint32_t free_ = 0;
  SpinLock lock_;
};

}  // namespace leakscope
