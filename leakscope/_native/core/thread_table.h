// Who asks for memory: a row per thread, and which rows may be given to another one.
//
// A row must stay as long as anything recorded names it. So it is known how many blocks and chunks do: a thread counts
// what it takes less what it gives back, whoever frees another's block corrects both counts here, and a thread that
// ends tells its own. Nothing needs to be searched for that; when all rows are taken, those of ended threads that hold
// nothing any more are used again. Knows numbers and names only; how a thread is noticed is the hook's business.
#pragma once

#include "hash_index.h"
#include "ledger.h"

namespace leakscope {

class ThreadTable {
 public:
  void attach(Ledger ledger) noexcept { ledger_ = ledger; }

  // The index of a new thread; `other_threads` when all are in use.
  // Cost: a hash look-up under a lock, and when all rows were used once a look at 1,024 of them at most.
  ThreadIndex started(std::uint64_t native_id, std::uint64_t pthread, const char* name, Moment now) noexcept;
  void ended(ThreadIndex thread, Moment now) noexcept;
  // In a forked child: only `thread` goes on, under a new native id. What the others held is not known, so their
  // rows stay.
  void forked(ThreadIndex thread, std::uint64_t native_id, Moment now) noexcept;
  // The name that the program gave a thread; also if the thread has not allocated anything yet.
  void named(std::uint64_t pthread, const char* name) noexcept;

  // `thread` holds so many blocks more. Told by itself when it ends, and event by event afterwards.
  void holds(ThreadIndex thread, std::int64_t blocks) noexcept {
    held_[thread % thread_limit].fetch_add(blocks, std::memory_order_relaxed);
  }
  // A block of `owner` was given back by `by`, who has counted it as one of its own.
  void foreign(ThreadIndex owner, ThreadIndex by) noexcept {
    holds(owner, -1);
    holds(by, 1);
  }

  SpinLock& lock() noexcept { return lock_; }

 private:
  std::uint32_t fresh_row() noexcept;
  bool is_free(std::uint32_t row) const noexcept;
  void write(ThreadRow& row, std::uint64_t native_id, std::uint64_t pthread, const char* name,
             Moment now) noexcept;
  std::uint32_t living(std::uint64_t pthread) const noexcept;
  void forget(std::uint32_t row) noexcept;
  void gone(std::uint32_t row, Moment now) noexcept;

  Ledger ledger_;
  SpinLock lock_;
  HashIndex living_;  // by pthread; holds row + 1
  std::uint32_t next_used_ = 0;
  std::atomic<std::int64_t> held_[thread_limit] = {};

  struct EarlyName {
    std::uint64_t pthread;
    char name[sizeof ThreadRow::name];
  };
  static constexpr std::uint32_t early_names =
      64;  // names that came before their thread; the oldest is forgotten
  EarlyName early_[early_names] = {};
  std::uint32_t next_early_ = 0;
};

}  // namespace leakscope
