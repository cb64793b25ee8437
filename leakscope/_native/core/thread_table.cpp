#include "thread_table.h"

#include <cstring>

namespace leakscope {
namespace {

constexpr std::int64_t pinned = std::int64_t{1} << 60;  // held by nobody knows how many: never free again

template <std::size_t Room>
void copy_name(char (&into)[Room], const char* name) noexcept {
  std::size_t length = std::strlen(name);
  if (length >= sizeof into) length = sizeof into - 1;
  while (length > 0 && (name[length] & 0xC0) == 0x80 && name[length] != 0)
    --length;  // not inside a UTF-8 character
  std::memcpy(into, name, length);
  into[length] = 0;
}

}  // namespace

std::uint32_t ThreadTable::living(std::uint64_t pthread) const noexcept {
  return living_.find(mixed(pthread),
                      [&](std::uint32_t row) { return ledger_.threads()[row - 1].pthread == pthread; });
}

void ThreadTable::forget(std::uint32_t row) noexcept {
  living_.take(
      mixed(ledger_.threads()[row].pthread), [&](std::uint32_t at) { return at == row + 1; },
      [&](std::uint32_t at) { return mixed(ledger_.threads()[at - 1].pthread); });
}

// Ended without telling what it held.
void ThreadTable::gone(std::uint32_t row, Moment now) noexcept {
  forget(row);
  ledger_.threads()[row].ended = now | 1;
  holds(static_cast<ThreadIndex>(row), pinned);
}

bool ThreadTable::is_free(std::uint32_t row) const noexcept {
  return held_[row].load(std::memory_order_relaxed) == 0 && ledger_.threads()[row].ended != 0;
}

// A row never used, or one that is free again, oldest first more or less; other_threads if there is none at hand.
std::uint32_t ThreadTable::fresh_row() noexcept {
  constexpr std::uint32_t reach = 1024;
  Header& header = ledger_.header();
  const std::uint32_t count = header.thread_count.load(std::memory_order_relaxed);
  if (count < other_threads) return count;
  for (std::uint32_t looked = 0; looked < reach; ++looked) {
    const std::uint32_t row = next_used_;
    next_used_ = next_used_ + 1 == other_threads ? 0 : next_used_ + 1;
    if (!is_free(row)) continue;
    header.reused_threads.fetch_add(1, std::memory_order_relaxed);
    return row;
  }
  header.dropped_threads.fetch_add(1, std::memory_order_relaxed);
  return other_threads;
}

// The generation is odd while the row is in pieces, so that the parent neither mixes two threads nor takes one for
// the other.
void ThreadTable::write(ThreadRow& row, std::uint64_t native_id, std::uint64_t pthread, const char* name,
                        Moment now) noexcept {
  const std::uint32_t generation = row.generation;
  __atomic_store_n(&row.generation, generation + 1, __ATOMIC_RELAXED);
  __atomic_thread_fence(__ATOMIC_RELEASE);
  row.native_id = static_cast<std::uint32_t>(native_id);
  row.pthread = pthread;
  row.started = now;
  row.ended = 0;
  copy_name(row.name, name);
  __atomic_store_n(&row.generation, generation + 2, __ATOMIC_RELEASE);
}

ThreadIndex ThreadTable::started(std::uint64_t native_id, std::uint64_t pthread, const char* name,
                                 Moment now) noexcept {
  SpinGuard guard(lock_);
  const std::uint32_t index = fresh_row();
  for (EarlyName& early : early_) {
    if (early.pthread != pthread || pthread == 0) continue;
    name = early.name;
    early.pthread = 0;
    break;
  }
  if (index == other_threads) return other_threads;
  write(ledger_.threads()[index], native_id, pthread, name, now);
  if (const std::uint32_t before = living(pthread); before != 0) gone(before - 1, now);  // and nobody noticed
  living_.insert(mixed(pthread), index + 1,
                 [&](std::uint32_t at) { return mixed(ledger_.threads()[at - 1].pthread); });
  std::atomic<std::uint32_t>& count = ledger_.header().thread_count;
  if (index == count.load(std::memory_order_relaxed)) count.store(index + 1, std::memory_order_release);
  return static_cast<ThreadIndex>(index);
}

void ThreadTable::ended(ThreadIndex thread, Moment now) noexcept {
  if (thread == other_threads) return;
  SpinGuard guard(lock_);  // against named(), which looks for the living
  forget(thread);
  ledger_.threads()[thread].ended = now | 1;
}

void ThreadTable::forked(ThreadIndex thread, std::uint64_t native_id, Moment now) noexcept {
  const std::uint32_t count = ledger_.header().thread_count.load(std::memory_order_relaxed);
  for (std::uint32_t index = 0; index < count; ++index) {
    ThreadRow& row = ledger_.threads()[index];
    if (index == thread) {
      row.native_id = static_cast<std::uint32_t>(native_id);
    } else if (row.ended == 0) {
      gone(index, now);
    }
  }
}

void ThreadTable::named(std::uint64_t pthread, const char* name) noexcept {
  SpinGuard guard(lock_);
  if (const std::uint32_t found = living(pthread); found != 0)
    return copy_name(ledger_.threads()[found - 1].name, name);
  EarlyName& early = early_[next_early_++ % early_names];
  early.pthread = pthread;
  copy_name(early.name, name);
}

}  // namespace leakscope
