#include "live_counts.h"

#include <algorithm>

#include "../platform/prim.h"

namespace leakscope {

LiveCounts::LiveCounts(Ledger ledger, std::uint32_t slots) noexcept
    : ledger_(ledger),
      slots_(std::clamp(slots, 1u, most_slots)),
      capacity_(capacity<Node>(ledger.sections().nodes)) {
  cells_ = static_cast<Held*>(prim::map_memory(std::size_t{slots_} * capacity_ * sizeof(Held)));
}

LiveCounts::~LiveCounts() {
  if (cells_ != nullptr) prim::unmap_memory(cells_, std::size_t{slots_} * capacity_ * sizeof(Held));
}

LiveCounts::Held LiveCounts::now(StackId stack) const noexcept {
  Held held{};
  for (int set = 0; set < 2; ++set) {
    const Counters& one = ledger_.counters(set)[stack];
    held.blocks += static_cast<std::int64_t>(one.alloc_blocks - one.free_blocks);
    held.bytes += static_cast<std::int64_t>(one.alloc_bytes - one.free_bytes);
  }
  held.blocks /= static_cast<std::int64_t>(one_block);
  return held;
}

std::uint32_t LiveCounts::mark(std::uint32_t slot, bool fold) noexcept {
  const std::uint32_t count =
      std::min(ledger_.header().node_count.load(std::memory_order_acquire), capacity_);
  Held* cells = cells_ + std::size_t{slot} * capacity_;
  for (StackId stack = 0; stack < count; ++stack) {
    Held held = now(stack);
    if (fold) {
      const Held before = at(slot, stack);
      held = {std::min(held.blocks, before.blocks), std::min(held.bytes, before.bytes)};
    }
    cells[stack] = held;
  }
  written_[slot] = count;
  return count;
}

void LiveCounts::halve() noexcept {
  for (std::uint32_t to = 0; 2 * to + 1 < slots_; ++to) {
    const std::uint32_t count = std::max(written_[2 * to], written_[2 * to + 1]);
    Held* cells = cells_ + std::size_t{to} * capacity_;
    for (StackId stack = 0; stack < count; ++stack) {
      const Held one = at(2 * to, stack), other = at(2 * to + 1, stack);
      cells[stack] = {std::min(one.blocks, other.blocks), std::min(one.bytes, other.bytes)};
    }
    written_[to] = count;
  }
}

std::uint32_t LiveCounts::most_stacks(std::uint32_t slots) const noexcept {
  return *std::max_element(written_, written_ + std::clamp(slots, 1u, slots_));
}

}  // namespace leakscope
