// What each stack holds at chosen moments, for a process that looks at its own ledger: which stacks hold more after
// every repetition of the same work? A moment is kept in a slot; several moments folded into one slot leave their
// minimum. The memory is mapped, not allocated: taking a moment changes nothing that is counted.
#pragma once

#include <bit>
#include <vector>

#include "ledger.h"

namespace leakscope {

class LiveCounts {
 public:
  static constexpr std::uint32_t most_slots = 64;

  // Neither throws; without memory has_room() is false and nothing else may be called.
  LiveCounts(Ledger ledger, std::uint32_t slots) noexcept;
  ~LiveCounts();
  LiveCounts(const LiveCounts&) = delete;
  LiveCounts& operator=(const LiveCounts&) = delete;
  bool has_room() const noexcept { return cells_ != nullptr; }
  std::uint32_t slots() const noexcept { return slots_; }

  // What every stack holds now, put into the slot; `fold`: where it is less than what is there. Slot 0, unless folded,
  // begins anew. Cost: one pass over the stacks. Returns how many there are.
  std::uint32_t mark(std::uint32_t slot, bool fold) noexcept;
  // Folds slots 0 and 1 into slot 0, 2 and 3 into 1, ...: twice as many moments fit.
  void halve() noexcept;

  // A stack whose first slots are not all alike: (blocks, bytes) of each.
  struct Held {
    std::int64_t blocks, bytes;
    bool operator==(const Held&) const = default;
  };
  // Calls visit(stack, held) for every stack whose first `slots` slots are not all alike; a stack that came later held
  // nothing before. Cost: a bit for each stack, and the slots of those that ever differed from slot 0.
  template <class Visit>
  void for_each_changed(std::uint32_t slots, Visit&& visit) const {
    Held held[most_slots];
    for (std::size_t word = 0; word < words(most_stacks(slots)); ++word) {
      for (std::uint64_t bits = differed_[word]; bits != 0; bits &= bits - 1) {
        const auto stack = static_cast<StackId>(word * 64 + static_cast<std::size_t>(std::countr_zero(bits)));
        bool changed = false;
        for (std::uint32_t slot = 0; slot < slots; ++slot) {
          held[slot] = at(slot, stack);
          changed |= held[slot] != held[0];
        }
        if (changed) visit(stack, static_cast<const Held*>(held));
      }
    }
  }

 private:
  std::uint32_t most_stacks(std::uint32_t slots) const noexcept;
  Held at(std::uint32_t slot, StackId stack) const noexcept {
    return stack < written_[slot] ? cells_[std::size_t{slot} * capacity_ + stack] : Held{};
  }
  Held now(StackId stack) const noexcept;
  static constexpr std::size_t words(std::uint32_t stacks) noexcept {
    return (std::size_t{stacks} + 63) / 64;
  }
  std::size_t bytes_of_cells() const noexcept { return std::size_t{slots_} * capacity_ * sizeof(Held); }

  Ledger ledger_;
  Held* cells_ = nullptr;
  // A bit for each stack that held something else than in slot 0 when a slot was marked: in a long series those are few.
  // Where bits are missing all slots are alike, also after halving.
  std::uint64_t* differed_ = nullptr;
  std::uint32_t slots_ = 0, capacity_ = 0;
  std::uint32_t written_[most_slots] = {};
};

}  // namespace leakscope
