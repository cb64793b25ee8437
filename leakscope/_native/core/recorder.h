// The bookkeeping of one process: what the hooks report goes into the ledger here. Knows blocks, chunks, threads and
// stacks as numbers; it knows neither Python nor malloc, so tests drive it without any hook.
#pragma once

#include "buffer_table.h"
#include "live_table.h"
#include "pool_books.h"
#include "sampler.h"
#include "stack_trie.h"
#include "thread_table.h"

namespace leakscope {

// Which of the two sets of counters an event belongs to: those made under the main interpreter's lock are plain
// additions, all others are atomic.
enum class Locking : std::uint8_t { interpreter = 0, none = 1 };

class Recorder {
 public:
  // Takes over a laid-out ledger. Until then no other function may be called.
  void attach(Ledger ledger) noexcept;
  Ledger ledger() const noexcept { return ledger_; }
  StackTrie& trie() noexcept { return trie_; }
  PoolBooks& pools() noexcept { return pools_; }

  // False if there was no room. `mean` is what the gap that ends here was drawn with; 0: the interval.
  bool allocated(std::uint64_t address, std::uint64_t size, Domain domain, StackId stack, ThreadIndex thread,
                 Locking locking, std::uint64_t mean = 0) noexcept;
  // Forgets the block. False if it was not recorded.
  bool freed(std::uint64_t address, ThreadIndex thread, Locking locking) noexcept;
  // The short ways, for blocks of less than ShadowTable::long_size bytes in exact recording, under the main interpreter's
  // lock. False: nothing has been done, take the long one.
  bool allocated_small(std::uint64_t address, std::uint64_t size, Domain domain, StackId stack,
                       ThreadIndex thread) noexcept {
    std::uint64_t* slot = live_.known_slot(address);
    if (__builtin_expect(slot == nullptr || !ShadowTable::is_free(slot), 0)) return false;
    ShadowTable::put_small(slot, {size, stack, thread, domain, birth_.load(std::memory_order_relaxed)});
    Counters& at = counters_[0][stack];
    DomainTotals& total = totals_[0][static_cast<int>(domain)];
    at.alloc_bytes += size;
    at.alloc_blocks += one_block;
    total.alloc_bytes += size;
    total.alloc_blocks += one_block;
    return true;
  }
  // Only a block of this domain and thread whose size `may_go` accepts.
  template <class MayGo>
  bool freed_small(std::uint64_t address, Domain domain, ThreadIndex thread, MayGo&& may_go) noexcept {
    std::uint64_t* slot = live_.known_slot(address);
    ShadowTable::Entry entry;
    if (__builtin_expect(
            slot == nullptr || !ShadowTable::holds_small(slot, domain, thread, entry) || !may_go(entry.size),
            0))
      return false;
    ShadowTable::clear_small(slot);
    Counters& at = counters_[0][entry.stack];
    DomainTotals& total = totals_[0][static_cast<int>(domain)];
    at.free_bytes += entry.size;
    at.free_blocks += one_block;
    total.free_bytes += entry.size;
    total.free_blocks += one_block;
    return true;
  }
  // A recorded block became another object without passing the allocator: it moves to `stack`. False if not recorded.
  bool relabelled(std::uint64_t address, StackId stack, ThreadIndex thread, Locking locking) noexcept;
  bool is_recorded(std::uint64_t address) noexcept { return live_.contains(address); }
  // For realloc: forgets the block without counting; remember() puts it back if the call failed.
  bool lift(std::uint64_t address, BlockRow& block) noexcept { return live_.take(address, block); }
  void remember(const BlockRow& block) noexcept { live_.put(block); }
  void count_free(const BlockRow& block, ThreadIndex thread, Locking locking) noexcept;

  void chunk_taken(std::uint64_t address, std::uint64_t size, ChunkKind kind, StackId stack,
                   ThreadIndex thread) noexcept;
  // Gives [address, address + size) back: whole chunks, their ends, or a hole in the middle.
  void chunk_released(std::uint64_t address, std::uint64_t size) noexcept;

  // The buffer protocol. True if the thread holds one row more; if it holds one less, which is `row`.
  bool buffer_acquired(BufferRow& row) noexcept;
  bool buffer_released(std::uint64_t view, std::uint64_t exporter, ThreadIndex thread,
                       BufferRow& row) noexcept;
  // Counted, not recorded.
  BufferTotals& buffer_totals() noexcept { return *buffer_totals_; }

  // Threads; see thread_table.h. `held` is what allocated() recorded for a thread less what it gave back.
  ThreadIndex thread_started(std::uint64_t native_id, std::uint64_t pthread, const char* name) noexcept {
    return threads_.started(native_id, pthread, name, now());
  }
  void thread_ended(ThreadIndex thread, std::int64_t held) noexcept;
  void thread_holds(ThreadIndex thread, std::int64_t held) noexcept { threads_.holds(thread, held); }
  void thread_forked(ThreadIndex thread, std::uint64_t native_id) noexcept {
    threads_.forked(thread, native_id, now());
  }
  void thread_named(std::uint64_t pthread, const char* name) noexcept { threads_.named(pthread, name); }

  // refresh() reads the clock, now() its last reading.
  Moment now() const noexcept { return now_.load(std::memory_order_relaxed); }
  void refresh() noexcept;
  // Enters how much had been asked for at a moment, see WorkRow; refresh() does so whenever it is time.
  void note_work(Moment moment) noexcept;

  // Around fork: no lock may be held by a thread that the child does not have.
  void before_fork() noexcept;
  void after_fork() noexcept;

 private:
  void count(Counters& at, DomainTotals& totals, const BlockRow& block, bool allocation,
             Locking locking) noexcept;
  void release_part(ChunkRow& row, std::uint64_t begin, std::uint64_t end) noexcept;
  ChunkRow* free_chunk() noexcept;
  void count_chunk(const ChunkRow& chunk, int rows, std::int64_t bytes) noexcept;
  void count_large(const ChunkRow& chunk, std::uint64_t size, int rows) noexcept;

  Ledger ledger_;
  std::uint64_t interval_ = 1, exact_bytes_ = 0, began_ns_ = 0;
  std::atomic<std::uint32_t> now_{0}, now_us_{0},
      birth_{0};  // the same moment, as rows and as the shadow keep it
  std::atomic<std::uint64_t> next_work_{0}, work_step_{1};  // moments; later than the last one: never
  std::atomic<bool> noting_{false};
  Counters* counters_[2] = {};
  DomainTotals (*totals_)[domain_count] = nullptr;
  StackTrie trie_;
  LiveTable live_;
  ThreadTable threads_;
  PoolBooks pools_;
  BufferTable buffers_;
  BufferTotals* buffer_totals_ = nullptr;
  SpinLock chunk_lock_;
};

}  // namespace leakscope
