#include "live_table.h"

#include "open_row.h"

namespace leakscope {

void LiveTable::attach(Ledger ledger) noexcept {
  ledger_ = ledger;
  shadow_.attach(ledger);
  exact_ = ledger.header().config.interval_bytes <= 1;
}

bool LiveTable::put(const BlockRow& block) noexcept {
  if (exact_ && ShadowTable::fits(block.address) &&
      shadow_.put(block.address,
                  {block.size, block.stack, block.thread, block.domain, ShadowTable::pack_birth(block.born)}))
    return true;
  return put_row(block);
}

bool LiveTable::take(std::uint64_t address, BlockRow& block) noexcept {
  if (exact_ && ShadowTable::fits(address)) {
    ShadowTable::Entry entry;
    if (shadow_.take(address, entry)) {
      block.address = address;
      block.size = block.weight = entry.size;
      block.stack = entry.stack;
      block.thread = entry.thread;
      block.domain = entry.domain;
      block.born = ShadowTable::birth_moment(entry.birth);
      return true;
    }
    if (rows_.size() == 0) return false;
  }
  return take_row(address, block);
}

bool LiveTable::contains(std::uint64_t address) noexcept {
  if (exact_ && ShadowTable::fits(address) && shadow_.contains(address)) return true;
  if (rows_.size() == 0) return false;
  SpinGuard guard(lock_);
  return rows_.find(mixed(address),
                    [&](std::uint32_t row) { return ledger_.block_rows()[row].address == address; }) != 0;
}

std::uint32_t LiveTable::free_row() noexcept {
  Header& header = ledger_.header();
  if (free_ != 0) {
    const std::uint32_t row = free_;
    free_ = ledger_.block_rows()[row].next;
    return row;
  }
  const std::uint32_t row = header.block_high.load(std::memory_order_relaxed);
  if (row >= capacity<BlockRow>(header.block_rows)) return 0;
  header.block_high.store(row + 1, std::memory_order_release);
  return row;
}

bool LiveTable::put_row(const BlockRow& block) noexcept {
  SpinGuard guard(lock_);
  BlockRow* rows = ledger_.block_rows();
  const std::uint64_t hash = mixed(block.address);
  std::uint32_t row = rows_.find(hash, [&](std::uint32_t at) { return rows[at].address == block.address; });
  if (row == 0) {
    row = free_row();
    if (row == 0) return false;
    open_row(rows[row]);
    rows[row].address = block.address;
    if (!rows_.insert(hash, row, [&](std::uint32_t at) { return mixed(rows[at].address); })) {
      BlockRow empty{};
      empty.next = free_;
      close_row(rows[row], empty);
      free_ = row;
      return false;
    }
  } else {
    open_row(rows[row]);
    ledger_.header().collisions.fetch_add(1, std::memory_order_relaxed);
  }
  BlockRow filled = block;
  filled.next = 0;
  close_row(rows[row], filled);
  return true;
}

bool LiveTable::take_row(std::uint64_t address, BlockRow& block) noexcept {
  SpinGuard guard(lock_);
  BlockRow* rows = ledger_.block_rows();
  const std::uint32_t row = rows_.take(
      mixed(address), [&](std::uint32_t at) { return rows[at].address == address; },
      [&](std::uint32_t at) { return mixed(rows[at].address); });
  if (row == 0) return false;
  block = rows[row];
  __atomic_store_n(&rows[row].address, 0, __ATOMIC_RELEASE);
  rows[row].next = free_;
  free_ = row;
  return true;
}

}  // namespace leakscope
