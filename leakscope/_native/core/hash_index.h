// Row numbers by key: open addressing, linear probing, in private memory that doubles when half full. The keys stay
// in the caller's rows; `hash_of(row)` and `equals(row)` read them there. Row 0 means "nothing".
// Not thread-safe: the caller holds its lock; only size() may be asked without.
#pragma once

#include <cstdint>
#include <cstring>

#include "../platform/prim.h"

namespace leakscope {

inline std::uint64_t mixed(std::uint64_t key) noexcept {
  key ^= key >> 32;
  key *= 0x9E3779B97F4A7C15ULL;
  key ^= key >> 29;
  key *= 0xBF58476D1CE4E5B9ULL;
  return key ^ (key >> 32);
}

class HashIndex {
 public:
  template <class Equals>
  std::uint32_t find(std::uint64_t hash, Equals&& equals) const noexcept {
    if (slots_ == nullptr) return 0;
    for (std::uint64_t at = hash & mask_;; at = (at + 1) & mask_) {
      if (slots_[at] == 0 || equals(slots_[at])) return slots_[at];
    }
  }

  // False if memory ran out; then nothing has changed.
  template <class HashOf>
  bool insert(std::uint64_t hash, std::uint32_t row, HashOf&& hash_of) noexcept {
    if (2 * (used_ + 1) > capacity() && !grow(hash_of)) return false;
    place(slots_, mask_, hash, row);
    set_used(used_ + 1);
    return true;
  }

  // Removes the row that `equals` accepts and returns it, or 0. Moves later rows of the run back, so that no
  // tombstones remain.
  template <class Equals, class HashOf>
  std::uint32_t take(std::uint64_t hash, Equals&& equals, HashOf&& hash_of) noexcept {
    if (slots_ == nullptr) return 0;
    std::uint64_t hole = hash & mask_;
    while (slots_[hole] != 0 && !equals(slots_[hole])) hole = (hole + 1) & mask_;
    const std::uint32_t row = slots_[hole];
    if (row == 0) return 0;
    for (std::uint64_t at = (hole + 1) & mask_; slots_[at] != 0; at = (at + 1) & mask_) {
      const std::uint64_t home = hash_of(slots_[at]) & mask_;
      if (((at - home) & mask_) < ((at - hole) & mask_)) continue;  // already between its home and the hole
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = 0;
    set_used(used_ - 1);
    return row;
  }

  std::uint64_t size() const noexcept { return __atomic_load_n(&used_, __ATOMIC_RELAXED); }

  void clear() noexcept {
    if (slots_ != nullptr) std::memset(slots_, 0, capacity() * sizeof(std::uint32_t));
    set_used(0);
  }

 private:
  void set_used(std::uint64_t used) noexcept { __atomic_store_n(&used_, used, __ATOMIC_RELAXED); }

  std::uint64_t capacity() const noexcept { return slots_ == nullptr ? 0 : mask_ + 1; }

  static void place(std::uint32_t* slots, std::uint64_t mask, std::uint64_t hash,
                    std::uint32_t row) noexcept {
    std::uint64_t at = hash & mask;
    while (slots[at] != 0) at = (at + 1) & mask;
    slots[at] = row;
  }

  template <class HashOf>
  bool grow(HashOf&& hash_of) noexcept {
    const std::uint64_t wanted = slots_ == nullptr ? 1024 : 2 * capacity();
    auto* fresh = static_cast<std::uint32_t*>(prim::map_memory(wanted * sizeof(std::uint32_t)));
    if (fresh == nullptr) return false;
    for (std::uint64_t at = 0; at < capacity(); ++at) {
      if (slots_[at] != 0) place(fresh, wanted - 1, hash_of(slots_[at]), slots_[at]);
    }
    if (slots_ != nullptr) prim::unmap_memory(slots_, capacity() * sizeof(std::uint32_t));
    slots_ = fresh;
    mask_ = wanted - 1;
    return true;
  }

  std::uint32_t* slots_ = nullptr;
  std::uint64_t mask_ = 0;
  std::uint64_t used_ = 0;
};

}  // namespace leakscope
