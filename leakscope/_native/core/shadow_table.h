// The live table of exact recording: 8 bytes for every 16 bytes of heap, found by address without hash or lock.
//
//   address  = region (bits 20..46) | granule (bits 4..19) | 0000
//   slot     = stack 24 | thread 14 | domain+1 3 | size 10 | birth 13        zero: no block begins here
//
// A slot belongs to whoever owns the block, so a store needs no lock. Blocks of 1023 bytes and more say size 1023 and
// keep the true size in the slot of their second granule, which is theirs too. Regions of 1 MiB get their array when
// first written. Only addresses that are multiples of 16 below 2^47 fit; LiveTable takes the others.
#pragma once

#include "../platform/prim.h"
#include "ledger.h"

namespace leakscope {

class ShadowTable {
 public:
  struct Entry {
    std::uint64_t size;
    StackId stack;
    ThreadIndex thread;
    Domain domain;
    std::uint32_t birth;
  };

  void attach(Ledger ledger) noexcept {
    ledger_ = ledger;
    directory_ = ledger.shadow_directory();
    slots_ = reinterpret_cast<char*>(ledger.shadow_regions()) - region_bytes;
    limit_ = capacity<std::uint64_t>(ledger.sections().shadow_bases);
  }

  static bool fits(std::uint64_t address) noexcept { return (address & 0xffff80000000000f) == 0; }

  // False if no region could be had.
  bool put(std::uint64_t address, const Entry& entry) noexcept {
    std::uint64_t* slot = slot_at(address, true);
    if (slot == nullptr) return false;
    std::uint64_t small = entry.size;
    if (small >= long_size) {
      std::uint64_t* second = slot_at(address + 16, true);
      if (second == nullptr) return false;
      __atomic_store_n(second, pack_size(entry.size), __ATOMIC_RELAXED);
      small = long_size;
    }
    __atomic_store_n(slot, pack(entry, small), __ATOMIC_RELEASE);
    return true;
  }

  // The short ways of blocks that need one slot only. The slot of an address whose region is there already; else null.
  static constexpr std::uint64_t long_size = 1023;
  std::uint64_t* known_slot(std::uint64_t address) const noexcept {
    if (__builtin_expect(!fits(address), 0)) return nullptr;
    const std::uint64_t region = directory_[address >> 20].load(std::memory_order_acquire);
    return __builtin_expect(region == no_region, 0) ? nullptr : slot_in(region, address);
  }
  static bool is_free(const std::uint64_t* slot) noexcept {
    return !begins_block(__atomic_load_n(slot, __ATOMIC_RELAXED));
  }
  // The block in a slot if it is of this thread and domain and has one slot only.
  static bool holds_small(const std::uint64_t* slot, Domain domain, ThreadIndex thread,
                          Entry& entry) noexcept {
    constexpr std::uint64_t who = (std::uint64_t{0x3fff} << 26) | (std::uint64_t{7} << 23);
    const std::uint64_t word = __atomic_load_n(slot, __ATOMIC_RELAXED);
    const std::uint64_t wanted =
        (std::uint64_t{thread} << 26) | ((static_cast<std::uint64_t>(domain) + 1) << 23);
    entry = unpack(word);
    return ((word ^ wanted) & who) == 0 && entry.size != long_size;
  }
  static void put_small(std::uint64_t* slot, const Entry& entry) noexcept {
    __atomic_store_n(slot, pack(entry, entry.size), __ATOMIC_RELEASE);
  }
  static void clear_small(std::uint64_t* slot) noexcept { __atomic_store_n(slot, 0, __ATOMIC_RELAXED); }

  bool contains(std::uint64_t address) const noexcept {
    const std::uint64_t* slot = foreign_slot_at(address);
    return slot != nullptr && begins_block(__atomic_load_n(slot, __ATOMIC_RELAXED));
  }

  bool take(std::uint64_t address, Entry& entry) noexcept {
    std::uint64_t* slot = slot_at(address, false);
    if (slot == nullptr) return false;
    const std::uint64_t word = __atomic_load_n(slot, __ATOMIC_RELAXED);
    if (!begins_block(word)) return false;
    entry = unpack(word);
    if (entry.size == long_size) {
      std::uint64_t* second = slot_at(address + 16, false);
      if (second == nullptr) return false;
      const std::uint64_t size = __atomic_load_n(second, __ATOMIC_RELAXED);
      if (!begins_block(size)) {  // else this block's free was missed, and another lies in it by now
        entry.size = unpack_size(size);
        __atomic_store_n(second, 0, __ATOMIC_RELAXED);
      }
    }
    __atomic_store_n(slot, 0, __ATOMIC_RELAXED);
    return true;
  }

  // Calls visit(address, entry) for every block. Reads a living table as it is: blocks that come and go meanwhile
  // may be seen or not. Bounded by the table, whatever it holds. With the ledger's descriptor only parts of the file
  // that have memory behind them are read: reading a hole through a mapping would give it memory.
  template <class Visit>
  void for_each(int fd, Visit&& visit) const {
    const Section& section = ledger_.sections().shadow_regions;
    const std::uint64_t regions = known_regions();
    std::uint64_t begin = section.offset;
    const std::uint64_t stop = section.offset + regions * granules * sizeof(std::uint64_t);
    std::uint64_t end = stop;
    while (begin < stop && (fd < 0 || prim::next_data(fd, begin, end)) && begin < stop) {
      if (end > stop) end = stop;
      visit_slots((begin - section.offset) / 8, (end - section.offset) / 8, visit);
      begin = end;
      end = stop;
    }
  }

  // The same in the process that owns the table, which may have no descriptor.
  template <class Visit>
  void for_each_here(Visit&& visit) const {
    constexpr std::uint64_t page_slots = 4096 / sizeof(std::uint64_t);
    const std::uint64_t* slots = ledger_.shadow_regions();
    for (std::uint64_t at = 0; at < known_regions() * granules; at += page_slots)
      if (prim::has_memory(slots + at)) visit_slots(at, at + page_slots, visit);
  }

  // Births are kept with a relative error of 0.4 %: thousandths of a second at first, then an 8-bit mantissa.
  static std::uint32_t pack_birth(Moment born) noexcept {
    if (born < 256) return born;
    std::uint32_t exponent = 0;
    while (born >= 512) {
      born >>= 1;
      ++exponent;
    }
    return ((exponent + 1) << 8) | (born - 256);
  }
  static Moment birth_moment(std::uint32_t birth) noexcept {
    const std::uint32_t exponent = birth >> 8, mantissa = birth & 255;
    return exponent == 0 ? mantissa : (256 + mantissa) << (exponent - 1);
  }
  static double birth_seconds(std::uint32_t birth) noexcept { return birth_moment(birth) * moment_seconds; }

 private:
  static constexpr std::uint64_t granules = 65536;
  static constexpr std::uint64_t region_bytes = granules * sizeof(std::uint64_t);
  static constexpr std::uint32_t no_region = 0;  // the directory holds region + 1

  // A block's second slot: the size, spread so that its domain field is zero and no reader takes it for a block.
  static std::uint64_t pack_size(std::uint64_t size) noexcept {
    return (size & 0x7fffff) | ((size >> 23) << 26);
  }
  static std::uint64_t unpack_size(std::uint64_t word) noexcept {
    return (word & 0x7fffff) | ((word >> 26) << 23);
  }

  static std::uint64_t pack(const Entry& entry, std::uint64_t size) noexcept {
    return (std::uint64_t{entry.stack} << 40) | (std::uint64_t{entry.thread} << 26) |
           ((static_cast<std::uint64_t>(entry.domain) + 1) << 23) | (size << 13) | entry.birth;
  }

  static bool begins_block(std::uint64_t word) noexcept { return ((word >> 23) & 7) != 0; }

  static Entry unpack(std::uint64_t word) noexcept {
    return {(word >> 13) & 1023, static_cast<StackId>(word >> 40),
            static_cast<ThreadIndex>((word >> 26) & 0x3fff), static_cast<Domain>(((word >> 23) & 7) - 1),
            static_cast<std::uint32_t>(word & 0x1fff)};
  }

  std::uint64_t known_regions() const noexcept {
    const Header& header = ledger_.header();
    const std::uint64_t limit = limit_;
    const std::uint64_t count = header.shadow_region_count.load(std::memory_order_acquire);
    return count < limit ? count : limit;
  }

  // The directory holds region + 1, and slots_ points one region too low. Entries are the recorder's own here.
  std::uint64_t* slot_at(std::uint64_t address, bool make) noexcept {
    std::atomic<std::uint32_t>& entry = directory_[address >> 20];
    std::uint64_t region = entry.load(std::memory_order_acquire);
    if (__builtin_expect(region == no_region, 0)) {
      region = make ? make_region(address >> 20, entry) : no_region;
      if (region == no_region) return nullptr;
    }
    return slot_in(region, address);
  }
  std::uint64_t* slot_in(std::uint64_t region, std::uint64_t address) const noexcept {
    return reinterpret_cast<std::uint64_t*>(slots_ + region * region_bytes +
                                            ((address >> 1) & (region_bytes - 8)));
  }

  // The same for a reader, who trusts no entry.
  const std::uint64_t* foreign_slot_at(std::uint64_t address) const noexcept {
    if (!fits(address)) return nullptr;
    const std::uint64_t region = directory_[address >> 20].load(std::memory_order_acquire);
    if (region == no_region || region > limit_) return nullptr;
    return reinterpret_cast<const std::uint64_t*>(slots_ + region * region_bytes +
                                                  ((address >> 1) & (region_bytes - 8)));
  }

  std::uint32_t make_region(std::uint64_t number, std::atomic<std::uint32_t>& entry) noexcept;

  template <class Visit>
  void visit_slots(std::uint64_t first, std::uint64_t last, Visit& visit) const {
    const std::uint64_t* slots = ledger_.shadow_regions();
    for (std::uint64_t at = first; at < last; ++at) {
      const std::uint64_t word = __atomic_load_n(slots + at, __ATOMIC_ACQUIRE);
      if (!begins_block(word)) continue;
      Entry entry = unpack(word);
      const std::uint64_t base = ledger_.shadow_bases()[at / granules];
      if (base == 0 || static_cast<int>(entry.domain) >= domain_count) continue;
      const std::uint64_t address = base - 1 + ((at % granules) << 4);
      if (entry.size == long_size) {
        const std::uint64_t* second = foreign_slot_at(address + 16);
        const std::uint64_t size = second == nullptr ? 0 : __atomic_load_n(second, __ATOMIC_RELAXED);
        entry.size = begins_block(size) ? 0 : unpack_size(size);
        if (entry.size < long_size) continue;  // between its two stores, or overwritten
      }
      visit(address, entry);
    }
  }

  Ledger ledger_;
  std::atomic<std::uint32_t>* directory_ = nullptr;
  char* slots_ = nullptr;
  std::uint32_t limit_ = 0;
};

}  // namespace leakscope
