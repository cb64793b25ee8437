// For tests of the bookkeeping: a recorder as one would write it without thinking of cost, and a generator of lives
// that are told to both.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <vector>

#include "recorder.h"
#include "scratch_ledger.h"

namespace leakscope::test {

// Maps and plain sums. Times are left out.
class Twin {
 public:
  explicit Twin(const LedgerConfig& config) : config_(config) {}

  void allocated(std::uint64_t address, std::uint64_t size, Domain domain, StackId stack,
                 ThreadIndex thread) {
    BlockRow block{};
    block.address = address;
    block.size = size;
    block.weight = Sampler::weight(size, config_.interval_bytes, config_.exact_bytes);
    block.stack = stack;
    block.thread = thread;
    block.domain = domain;
    live[address] = block;
    count_allocation(block);
  }
  bool freed(std::uint64_t address, ThreadIndex thread) {
    const auto known = live.find(address);
    if (known == live.end()) return false;
    count_free(known->second, thread);
    live.erase(known);
    return true;
  }
  bool relabelled(std::uint64_t address, StackId stack, ThreadIndex thread) {
    const auto known = live.find(address);
    if (known == live.end()) return false;
    count_free(known->second, thread);
    known->second.stack = stack;
    known->second.thread = thread;
    count_allocation(known->second);
    return true;
  }
  void count_free(const BlockRow& block, ThreadIndex thread) {
    const std::uint64_t blocks = Sampler::blocks(block.size, block.weight);
    Counters& at = stacks[block.stack];
    at.free_bytes += block.weight;
    at.free_blocks += blocks;
    if (thread != block.thread) {
      at.foreign_blocks += blocks;
      foreign_blocks += blocks;
    }
    DomainTotals& total = totals[static_cast<std::size_t>(block.domain)];
    total.free_bytes += block.weight;
    total.free_blocks += blocks;
  }

  std::map<std::uint64_t, BlockRow> live;
  std::map<StackId, Counters> stacks;
  std::array<DomainTotals, domain_count> totals{};
  std::uint64_t foreign_blocks = 0;

 private:
  void count_allocation(const BlockRow& block) {
    const std::uint64_t blocks = Sampler::blocks(block.size, block.weight);
    Counters& at = stacks[block.stack];
    at.alloc_bytes += block.weight;
    at.alloc_blocks += blocks;
    DomainTotals& total = totals[static_cast<std::size_t>(block.domain)];
    total.alloc_bytes += block.weight;
    total.alloc_blocks += blocks;
  }

  LedgerConfig config_;
};

// A stretch of a program's life: random blocks of several threads, freed by their own or another, resized with and
// without success, made into other objects; under the interpreter's lock or not.
class Life {
 public:
  Life(std::uint64_t seed, const LedgerConfig& config) : twin(config), config_(config), random_(seed) {}

  static constexpr StackId stacks = 200;
  static constexpr ThreadIndex threads = 7;

  // True as long as both agree on what is recorded and what not.
  [[nodiscard]] bool step(Recorder& recorder) {
    const std::uint64_t address = any_address();
    const auto thread = static_cast<ThreadIndex>(between(random_, 0, threads - 1));
    const auto stack = static_cast<StackId>(between(random_, 0, stacks - 1));
    const Locking locking = between(random_, 0, 3) == 0 ? Locking::none : Locking::interpreter;
    const bool known = twin.live.contains(address);
    const std::uint64_t event = between(random_, 0, 19);
    if (event < 9) {
      if (known) return free_both(recorder, address, thread, locking);
      allocate_both(recorder, address, any_size(), stack, thread, locking);
      return true;
    }
    if (event < 15) return free_both(recorder, address, thread, locking);
    if (event < 17)
      return recorder.relabelled(address, stack, thread, locking) == twin.relabelled(address, stack, thread);
    if (event < 19) return resize_both(recorder, address, stack, thread, locking);
    return recorder.is_recorded(address) == known;
  }

  Twin twin;

 private:
  // 64 bytes apart in four regions; one in eight is odd.
  std::uint64_t any_address() {
    const std::uint64_t place = between(random_, 1, 1500);
    return 0x7F0000000000 + (place % 4 << 20) + place * 64 + (place % 8 == 0 ? 8 : 0);
  }
  std::uint64_t any_size() {
    constexpr std::array<std::uint64_t, 8> edges = {0,    1,      1022,   1023,
                                                    1024, 65'535, 65'536, (std::uint64_t{5} << 30) + 3};
    const std::uint64_t kind = between(random_, 0, 9);
    if (kind == 0) return edges[between(random_, 0, edges.size() - 1)];
    return kind == 1 ? between(random_, 513, 200'000) : between(random_, 1, 512);
  }
  void allocate_both(Recorder& recorder, std::uint64_t address, std::uint64_t size, StackId stack,
                     ThreadIndex thread, Locking locking) {
    const auto domain = static_cast<Domain>(between(random_, 0, 3));
    if (!short_way(locking) || size >= ShadowTable::long_size ||
        !recorder.allocated_small(address, size, domain, stack, thread))
      recorder.allocated(address, size, domain, stack, thread, locking);
    twin.allocated(address, size, domain, stack, thread);
  }
  // The short way takes blocks of its thread and domain only, and those that it is let.
  bool free_both(Recorder& recorder, std::uint64_t address, ThreadIndex thread, Locking locking) {
    const auto known = twin.live.find(address);
    if (short_way(locking) && between(random_, 0, 1) == 0) {
      const auto domain = static_cast<Domain>(between(random_, 0, 3));
      const bool let = between(random_, 0, 4) != 0;
      const bool done = recorder.freed_small(address, domain, thread, [&](std::uint64_t size) {
        return let && known != twin.live.end() && size == known->second.size;
      });
      const bool fits = known != twin.live.end() && known->second.thread == thread &&
                        known->second.domain == domain && known->second.size < ShadowTable::long_size &&
                        ShadowTable::fits(address);
      if (done != (let && fits)) return false;
      if (done) return twin.freed(address, thread);
    }
    return recorder.freed(address, thread, locking) == twin.freed(address, thread);
  }
  bool short_way(Locking locking) {
    return config_.interval_bytes <= 1 && locking == Locking::interpreter && between(random_, 0, 2) != 0;
  }
  // As realloc does: lifted, then put back, or counted as freed and recorded at its new place.
  bool resize_both(Recorder& recorder, std::uint64_t address, StackId stack, ThreadIndex thread,
                   Locking locking) {
    BlockRow block{};
    const auto known = twin.live.find(address);
    if (recorder.lift(address, block) != (known != twin.live.end())) return false;
    if (known == twin.live.end()) return true;
    if (recorder.is_recorded(address)) return false;
    if (between(random_, 0, 1) == 0) {
      recorder.remember(block);
      return recorder.is_recorded(address);
    }
    recorder.count_free(block, thread, locking);
    twin.freed(address, thread);
    const std::uint64_t elsewhere = any_address();
    if (!twin.live.contains(elsewhere))
      allocate_both(recorder, elsewhere, any_size(), stack, thread, locking);
    return true;
  }

  LedgerConfig config_;
  Random random_;
};

}  // namespace leakscope::test
