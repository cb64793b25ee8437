// A set of addresses, 8-aligned, as bits: 1/64 of the memory they lie in. Says of each member how many come before it,
// which is its number in the dump. Two more bits per address are the walk's to use.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>

#include "mapped.h"

namespace leakscope {

class AddressBits {
 public:
  enum Plane : int { seen, marked, frozen, plane_count };

  AddressBits() noexcept : top_(static_cast<Region**>(prim::map_memory(top_bytes))) {}
  ~AddressBits() {
    for (std::size_t at = 0; at < used_.size(); ++at) {
      for (std::uint64_t* bits : top_[used_[at]]->planes)
        if (bits != nullptr) prim::unmap_memory(bits, plane_bytes);
      prim::unmap_memory(top_[used_[at]], sizeof(Region));
    }
    if (top_ != nullptr) prim::unmap_memory(top_, top_bytes);
  }
  AddressBits(const AddressBits&) = delete;
  AddressBits& operator=(const AddressBits&) = delete;

  // Could an object lie there at all?
  static bool is_possible(const void* address) noexcept {
    const auto value = reinterpret_cast<std::uintptr_t>(address);
    return (value & 7) == 0 && value >= 4096 && value < (std::uint64_t{1} << 47);
  }

  // True if the bit was not set yet.
  bool add(Plane plane, const void* address) noexcept {
    const auto value = reinterpret_cast<std::uintptr_t>(address);
    Region* region = top_ == nullptr ? nullptr : top_[value >> region_shift];
    if (region == nullptr && (region = new_region(value >> region_shift)) == nullptr) return false;
    std::uint64_t*& bits = region->planes[plane];
    if (bits == nullptr && (bits = new_plane()) == nullptr) return false;
    const std::size_t at = place(value);
    const std::uint64_t bit = std::uint64_t{1} << (at & 63);
    const bool is_new = (bits[at >> 6] & bit) == 0;
    bits[at >> 6] |= bit;
    return is_new;
  }
  bool has(Plane plane, const void* address) const noexcept {
    const auto value = reinterpret_cast<std::uintptr_t>(address);
    const Region* region = top_[value >> region_shift];
    if (region == nullptr || region->planes[plane] == nullptr) return false;
    const std::size_t at = place(value);
    return (region->planes[plane][at >> 6] >> (at & 63) & 1) != 0;
  }

  // Counts all members; afterwards none may be added. They must be fewer than 2^32 - 1.
  std::uint64_t count() noexcept {
    std::sort(used_.data(), used_.data() + used_.size());
    std::uint64_t total = 0;
    for (std::size_t at = 0; at < used_.size(); ++at) {
      Region& region = *top_[used_[at]];
      const std::uint64_t* bits = region.planes[seen];
      for (std::size_t word = 0; bits != nullptr && word < words; ++word) {
        region.ranks[word] = static_cast<std::uint32_t>(total);
        total += static_cast<std::uint64_t>(std::popcount(bits[word]));
      }
    }
    return total;
  }
  // Number of a member.
  std::uint32_t rank(const void* address) const noexcept {
    const auto value = reinterpret_cast<std::uintptr_t>(address);
    const Region& region = *top_[value >> region_shift];
    const std::size_t at = place(value), word = at >> 6;
    const std::uint64_t before = region.planes[seen][word] & ((std::uint64_t{1} << (at & 63)) - 1);
    return region.ranks[word] + static_cast<std::uint32_t>(std::popcount(before));
  }
  // Asks for what rank() will need.
  void prefetch_rank(const void* address) const noexcept {
    const auto value = reinterpret_cast<std::uintptr_t>(address);
    const Region* region = top_[value >> region_shift];
    if (region == nullptr || region->planes[seen] == nullptr) return;
    const std::size_t word = place(value) >> 6;
    __builtin_prefetch(&region->ranks[word]);
    __builtin_prefetch(&region->planes[seen][word]);
  }
  // Calls visit(address) for every member in ascending order; stops when it returns false.
  template <class Visit>
  void each(Visit visit) noexcept {
    for (std::size_t at = 0; at < used_.size(); ++at) {
      const std::uint64_t* bits = top_[used_[at]]->planes[seen];
      for (std::size_t word = 0; bits != nullptr && word < words; ++word) {
        for (std::uint64_t left = bits[word]; left != 0; left &= left - 1) {
          const std::uint64_t granule = (word << 6) + static_cast<std::uint64_t>(std::countr_zero(left));
          if (!visit(reinterpret_cast<void*>((std::uint64_t{used_[at]} << region_shift) + granule * 8)))
            return;
        }
      }
    }
  }
  bool failed() const noexcept { return failed_ || top_ == nullptr; }

 private:
  static constexpr int region_shift = 26;
  static constexpr std::size_t words = (std::size_t{1} << region_shift) / 8 / 64;
  static constexpr std::size_t plane_bytes = words * sizeof(std::uint64_t);
  static constexpr std::size_t top_bytes = sizeof(void*) << (47 - region_shift);

  struct Region {
    std::uint64_t* planes[plane_count];
    std::uint32_t ranks[words];  // members before each word
  };

  static std::size_t place(std::uintptr_t value) noexcept {
    return (value & ((std::uintptr_t{1} << region_shift) - 1)) >> 3;
  }
  Region* new_region(std::size_t index) noexcept {
    Region* region = top_ == nullptr ? nullptr : static_cast<Region*>(prim::map_memory(sizeof(Region)));
    if (region == nullptr || !used_.push(static_cast<std::uint32_t>(index))) {
      failed_ = true;
      return nullptr;
    }
    return top_[index] = region;
  }
  std::uint64_t* new_plane() noexcept {
    auto* bits = static_cast<std::uint64_t*>(prim::map_memory(plane_bytes));
    if (bits == nullptr) failed_ = true;
    return bits;
  }

  Region** top_;
  Mapped<std::uint32_t> used_;
  bool failed_ = false;
};

}  // namespace leakscope
