// The books about pools: what the program tells of handles goes into the ledger here. Knows addresses, stacks and threads as
// numbers; what a handle is and when something happens to one is for the caller to know. Every function is safe in any
// thread.
#pragma once

#include "hash_index.h"
#include "ledger.h"
#include "pool_rows.h"
#include "thread_table.h"

namespace leakscope {

class PoolBooks {
 public:
  void attach(Ledger ledger, ThreadTable& threads) noexcept;

  // The pool of this name, source and kind, made if need be; pool_limit if there is no room.
  std::uint32_t open(const char* name, const char* source, std::uint8_t kind) noexcept;
  // What a pool says about itself.
  void observed(std::uint32_t pool, std::uint64_t held_bytes, std::uint64_t used_bytes,
                std::uint64_t peak_bytes, std::uint32_t chunks) noexcept;

  // Is a handle at this address known? If not, only its acquisition means anything.
  bool knows(std::uint64_t address) noexcept;
  // Whether the news is a fault.
  bool happened(const PoolNews& news, StackId stack, ThreadIndex thread, Moment now) noexcept;

  SpinLock& lock() noexcept { return lock_; }

 private:
  struct What {
    const PoolNews& news;
    StackId stack;
    ThreadIndex thread;
    Moment now;
  };

  std::uint32_t find(std::uint64_t address) const noexcept;
  std::uint32_t take_row() noexcept;
  void give_row(std::uint32_t at) noexcept;
  void acquire(std::uint32_t at, const What& what) noexcept;
  void release(HandleRow& row, const What& what) noexcept;
  void undo(HandleRow& row, const What& what) noexcept;
  void collect(std::uint32_t at, const What& what) noexcept;
  void fault(const HandleRow& row, HandleState state, StackId place, const What& what) noexcept;
  std::uint32_t fault_row(const HandleRow& like) noexcept;
  void touch(HandleRow& row, PoolEvent event, const What& what) noexcept;
  std::uint32_t fresh_row(std::uint64_t address) noexcept;
  void hold_touches(const HandleRow& row, std::int64_t times) noexcept;
  std::uint32_t cross_row(std::uint16_t pool, StackId stack, ThreadIndex by, ThreadIndex to) noexcept;
  void cross(std::uint32_t at, std::int64_t handles, std::uint64_t bytes) noexcept;

  Ledger ledger_;
  ThreadTable* threads_ = nullptr;
  HandleRow* rows_ = nullptr;
  CrossRow* crosses_ = nullptr;
  PoolRow* pools_ = nullptr;
  HashIndex by_address_, faults_, by_cross_;
  std::uint32_t free_ = 0, fault_count_ = 0;
  std::uint64_t serial_ = 0;
  SpinLock lock_;
};

}  // namespace leakscope
