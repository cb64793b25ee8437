#include "live_counts.h"

#include <algorithm>

#include "../platform/prim.h"

namespace leakscope {

LiveCounts::LiveCounts(Ledger ledger, std::uint32_t slots) noexcept
    : ledger_(ledger),
      slots_(std::clamp(slots, 1u, most_slots)),
      capacity_(capacity<Node>(ledger.sections().nodes)) {
  auto* memory =
      static_cast<std::byte*>(prim::map_memory(bytes_of_cells() + words(capacity_) * sizeof(std::uint64_t)));
  if (memory == nullptr) return;
  cells_ = reinterpret_cast<Held*>(memory);
  differed_ = reinterpret_cast<std::uint64_t*>(memory + bytes_of_cells());
}

LiveCounts::~LiveCounts() {
  if (cells_ != nullptr)
    prim::unmap_memory(cells_, bytes_of_cells() + words(capacity_) * sizeof(std::uint64_t));
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
  if (slot == 0 && !fold) std::fill_n(differed_, words(most_stacks(slots_)), 0);
  for (StackId stack = 0; stack < count; ++stack) {
    Held held = now(stack);
    if (fold) {
      const Held before = at(slot, stack);
      held = {std::min(held.blocks, before.blocks), std::min(held.bytes, before.bytes)};
    }
    cells[stack] = held;
    if (slot != 0 && held != at(0, stack)) differed_[stack / 64] |= std::uint64_t{1} << stack % 64;
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
