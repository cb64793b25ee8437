#include "recorder.h"

#include <cstring>

namespace leakscope {
namespace {

void add(std::uint64_t& counter, std::uint64_t amount, Locking locking) noexcept {
  if (locking == Locking::interpreter) {
    counter += amount;
  } else {
    __atomic_fetch_add(&counter, amount, __ATOMIC_RELAXED);
  }
}

void copy_name(char (&into)[40], const char* name) noexcept {
  std::size_t length = std::strlen(name);
  if (length >= sizeof into) length = sizeof into - 1;
  while (length > 0 && (name[length] & 0xC0) == 0x80 && name[length] != 0)
    --length;  // not inside a UTF-8 character
  std::memcpy(into, name, length);
  into[length] = 0;
}

}  // namespace

void Recorder::attach(Ledger ledger) noexcept {
  ledger_ = ledger;
  Header& header = ledger.header();
  interval_ = header.config.interval_bytes;
  exact_bytes_ = header.config.exact_bytes;
  began_ns_ = header.began_monotonic_ns;
  trie_.attach(ledger);
  live_.attach(ledger);
  counters_[0] = ledger.counters(0);
  counters_[1] = ledger.counters(1);
  totals_ = header.totals;
  refresh();
}

void Recorder::refresh() noexcept {
  const std::uint64_t now = prim::coarse_ns();
  const auto now_ms = now > began_ns_ ? static_cast<std::uint32_t>((now - began_ns_) / 1'000'000) : 0;
  now_ms_.store(now_ms, std::memory_order_relaxed);
  birth_.store(ShadowTable::pack_birth(now_ms), std::memory_order_relaxed);
}

inline void Recorder::count(Counters& at, DomainTotals& totals, const BlockRow& block, bool allocation,
                            Locking locking) noexcept {
  const std::uint64_t blocks = Sampler::blocks(block.size, block.weight);
  if (allocation) {
    add(at.alloc_bytes, block.weight, locking);
    add(at.alloc_blocks, blocks, locking);
    add(totals.alloc_bytes, block.weight, locking);
    add(totals.alloc_blocks, blocks, locking);
  } else {
    add(at.free_bytes, block.weight, locking);
    add(at.free_blocks, blocks, locking);
    add(totals.free_bytes, block.weight, locking);
    add(totals.free_blocks, blocks, locking);
  }
}

void Recorder::allocated(std::uint64_t address, std::uint64_t size, Domain domain, StackId stack,
                         ThreadIndex thread, Locking locking) noexcept {
  const int set = static_cast<int>(locking);
  if (live_.put_exact(address, {size, stack, thread, domain, birth_.load(std::memory_order_relaxed)})) {
    Counters& at = counters_[set][stack];
    DomainTotals& total = totals_[set][static_cast<int>(domain)];
    if (locking == Locking::interpreter) {
      at.alloc_bytes += size;
      at.alloc_blocks += one_block;
      total.alloc_bytes += size;
      total.alloc_blocks += one_block;
      return;
    }
    add(at.alloc_bytes, size, locking);
    add(at.alloc_blocks, one_block, locking);
    add(total.alloc_bytes, size, locking);
    add(total.alloc_blocks, one_block, locking);
    return;
  }
  BlockRow block{};
  block.address = address;
  block.size = size;
  block.weight = Sampler::weight(size, interval_, exact_bytes_);
  block.stack = stack;
  block.thread = thread;
  block.domain = domain;
  block.born_ms = now_ms();
  if (!live_.put(block)) {
    ledger_.header().dropped_blocks.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  count(counters_[set][stack], ledger_.header().totals[set][static_cast<int>(domain)], block, true, locking);
}

void Recorder::count_free(const BlockRow& block, ThreadIndex thread, Locking locking) noexcept {
  const int set = static_cast<int>(locking);
  Counters& at = counters_[set][block.stack];
  count(at, ledger_.header().totals[set][static_cast<int>(block.domain)], block, false, locking);
  if (thread != block.thread) {
    const std::uint64_t blocks = Sampler::blocks(block.size, block.weight);
    add(at.foreign_blocks, blocks, locking);
    ledger_.header().foreign_blocks.fetch_add(blocks, std::memory_order_relaxed);
  }
}

bool Recorder::freed(std::uint64_t address, ThreadIndex thread, Locking locking) noexcept {
  ShadowTable::Entry entry;
  if (live_.take_exact(address, entry)) {
    const int set = static_cast<int>(locking);
    Counters& at = counters_[set][entry.stack];
    DomainTotals& total = totals_[set][static_cast<int>(entry.domain)];
    if (locking == Locking::interpreter) {
      at.free_bytes += entry.size;
      at.free_blocks += one_block;
      total.free_bytes += entry.size;
      total.free_blocks += one_block;
    } else {
      add(at.free_bytes, entry.size, locking);
      add(at.free_blocks, one_block, locking);
      add(total.free_bytes, entry.size, locking);
      add(total.free_blocks, one_block, locking);
    }
    if (__builtin_expect(thread != entry.thread, 0)) {
      add(at.foreign_blocks, one_block, locking);
      ledger_.header().foreign_blocks.fetch_add(one_block, std::memory_order_relaxed);
    }
    return true;
  }
  BlockRow block;
  if (!live_.take(address, block)) return false;
  count_free(block, thread, locking);
  return true;
}

bool Recorder::relabelled(std::uint64_t address, StackId stack, ThreadIndex thread,
                          Locking locking) noexcept {
  BlockRow block;
  if (!live_.take(address, block)) return false;
  count_free(block, thread, locking);
  block.stack = stack;
  block.thread = thread;
  block.born_ms = now_ms();
  block.address = address;
  if (!live_.put(block)) {
    ledger_.header().dropped_blocks.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  const int set = static_cast<int>(locking);
  count(counters_[set][stack], ledger_.header().totals[set][static_cast<int>(block.domain)], block, true,
        locking);
  return true;
}

ThreadIndex Recorder::thread_started(std::uint64_t native_id, std::uint64_t pthread,
                                     const char* name) noexcept {
  Header& header = ledger_.header();
  SpinGuard guard(thread_lock_);
  const std::uint32_t index = header.thread_count.load(std::memory_order_relaxed);
  if (index >= other_threads) {
    header.dropped_threads.fetch_add(1, std::memory_order_relaxed);
    return other_threads;
  }
  ThreadRow& row = ledger_.threads()[index];
  row.pthread = pthread;
  row.started_ms = now_ms();
  row.ended_ms = 0;
  for (EarlyName& early : early_) {
    if (early.pthread != pthread || pthread == 0) continue;
    name = early.name;
    early.pthread = 0;
    break;
  }
  copy_name(row.name, name);
  row.native_id = native_id;
  header.thread_count.store(index + 1, std::memory_order_release);
  return static_cast<ThreadIndex>(index);
}

void Recorder::thread_ended(ThreadIndex thread) noexcept {
  if (thread == other_threads) return;
  refresh();
  SpinGuard guard(thread_lock_);  // against thread_named(), which looks for the living
  ledger_.threads()[thread].ended_ms = now_ms() | 1;
}

void Recorder::thread_forked(ThreadIndex thread, std::uint64_t native_id) noexcept {
  const std::uint32_t count = ledger_.header().thread_count.load(std::memory_order_relaxed);
  for (std::uint32_t index = 0; index < count; ++index) {
    ThreadRow& row = ledger_.threads()[index];
    if (index == thread) {
      row.native_id = native_id;
    } else if (row.ended_ms == 0) {
      row.ended_ms = now_ms() | 1;
    }
  }
}

void Recorder::thread_named(std::uint64_t pthread, const char* name) noexcept {
  SpinGuard guard(thread_lock_);
  const std::uint32_t count = ledger_.header().thread_count.load(std::memory_order_relaxed);
  for (std::uint32_t index = count; index-- > 0;) {  // newest first: identities are reused
    ThreadRow& row = ledger_.threads()[index];
    if (row.pthread == pthread && row.ended_ms == 0) {
      copy_name(row.name, name);
      return;
    }
  }
  EarlyName& early = early_[next_early_++ % early_names];
  early.pthread = pthread;
  copy_name(early.name, name);
}

// Arenas are containers of blocks that are counted themselves; a mapping is a block of its own.
void Recorder::count_chunk(const ChunkRow& chunk, std::uint64_t size, bool taken) noexcept {
  Header& header = ledger_.header();
  const std::uint64_t amount = taken ? 1 : ~std::uint64_t{0};  // adding ~0 subtracts one
  if (chunk.kind == ChunkKind::arena) {
    header.live_arenas.fetch_add(amount, std::memory_order_relaxed);
    header.arena_bytes.fetch_add(amount * size, std::memory_order_relaxed);
    return;
  }
  header.live_mappings.fetch_add(amount, std::memory_order_relaxed);
  header.mapping_bytes.fetch_add(amount * size, std::memory_order_relaxed);
  if (size >= large_mapping_bytes) header.large_mappings.fetch_add(amount, std::memory_order_relaxed);
  BlockRow block{};
  block.size = block.weight = size;
  count(counters_[1][chunk.stack], header.totals[1][static_cast<int>(Domain::mapping)], block, taken,
        Locking::none);
}

ChunkRow* Recorder::free_chunk() noexcept {
  Header& header = ledger_.header();
  ChunkRow* rows = ledger_.chunk_rows();
  const std::uint32_t high = header.chunk_high.load(std::memory_order_relaxed);
  for (std::uint32_t row = 0; row < high; ++row)
    if (rows[row].address == 0) return rows + row;
  if (high >= capacity<ChunkRow>(header.chunk_rows)) return nullptr;
  header.chunk_high.store(high + 1, std::memory_order_release);
  return rows + high;
}

void Recorder::chunk_taken(std::uint64_t address, std::uint64_t size, ChunkKind kind, StackId stack,
                           ThreadIndex thread) noexcept {
  SpinGuard guard(chunk_lock_);
  ChunkRow* row = free_chunk();
  if (row == nullptr) {
    ledger_.header().dropped_blocks.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  row->size = size;
  row->stack = stack;
  row->thread = thread;
  row->kind = kind;
  row->born_ms = now_ms();
  __atomic_store_n(&row->address, address, __ATOMIC_RELEASE);
  count_chunk(*row, size, true);
}

void Recorder::release_part(ChunkRow& row, std::uint64_t begin, std::uint64_t end) noexcept {
  const std::uint64_t first = row.address, last = row.address + row.size;
  const ChunkRow old = row;
  count_chunk(old, old.size, false);
  if (begin <= first) {
    row.size = end < last ? last - end : 0;
    __atomic_store_n(&row.address, end < last ? end : 0, __ATOMIC_RELEASE);
  } else {
    row.size = begin - first;
  }
  if (row.address != 0) count_chunk(old, row.size, true);
  if (begin > first && end < last) {
    if (ChunkRow* tail = free_chunk(); tail != nullptr) {
      *tail = old;
      tail->size = last - end;
      __atomic_store_n(&tail->address, end, __ATOMIC_RELEASE);
      count_chunk(old, tail->size, true);
    }
  }
}

void Recorder::chunk_released(std::uint64_t address, std::uint64_t size) noexcept {
  if (size == 0) return;
  SpinGuard guard(chunk_lock_);
  const std::uint32_t high = ledger_.header().chunk_high.load(std::memory_order_relaxed);
  ChunkRow* rows = ledger_.chunk_rows();
  for (std::uint32_t row = 0; row < high; ++row) {
    if (rows[row].address != 0 && rows[row].address < address + size &&
        address < rows[row].address + rows[row].size)
      release_part(rows[row], address, address + size);
  }
}

void Recorder::before_fork() noexcept {
  trie_.lock().lock();
  live_.lock().lock();
  chunk_lock_.lock();
  thread_lock_.lock();
}

void Recorder::after_fork() noexcept {
  thread_lock_.unlock();
  chunk_lock_.unlock();
  live_.lock().unlock();
  trie_.lock().unlock();
}

}  // namespace leakscope
