#include "recorder.h"

#include <algorithm>

namespace leakscope {
namespace {

void add(std::uint64_t& counter, std::uint64_t amount, Locking locking) noexcept {
  if (locking == Locking::interpreter) {
    counter += amount;
  } else {
    __atomic_fetch_add(&counter, amount, __ATOMIC_RELAXED);
  }
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
  threads_.attach(ledger);
  pools_.attach(ledger, threads_);
  buffers_.attach(ledger);
  buffer_totals_ = &header.buffers;
  counters_[0] = ledger.counters(0);
  counters_[1] = ledger.counters(1);
  totals_ = header.totals;
  refresh();
}

void Recorder::refresh() noexcept {
  const std::uint64_t now = prim::monotonic_ns();  // a short run has little else to tell early from late
  const std::uint64_t passed_us = now > began_ns_ ? (now - began_ns_) / 1'000 : 0;
  const auto moment = static_cast<Moment>(std::min<std::uint64_t>(passed_us / 1'000, ~Moment{0}));
  now_us_.store(static_cast<std::uint32_t>(passed_us % 1000), std::memory_order_relaxed);
  now_.store(moment, std::memory_order_relaxed);
  birth_.store(ShadowTable::pack_birth(moment), std::memory_order_relaxed);
  if (moment >= next_work_.load(std::memory_order_relaxed)) note_work(moment);
}

void Recorder::note_work(Moment moment) noexcept {
  if (noting_.exchange(true, std::memory_order_acquire)) return;  // another thread is at it
  Header& header = ledger_.header();
  std::uint32_t count = std::min(header.work_count.load(std::memory_order_relaxed), work_rows);
  std::uint64_t step = work_step_.load(std::memory_order_relaxed);
  if (count == work_rows) {
    for (count = 0; count < work_rows / 2; ++count) {
      const WorkRow& kept = header.work[2 * count];
      header.work[count].moment.store(kept.moment.load(std::memory_order_relaxed), std::memory_order_relaxed);
      header.work[count].blocks.store(kept.blocks.load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
    step *= 2;
    work_step_.store(step, std::memory_order_relaxed);
  }
  std::uint64_t blocks = 0;
  for (int domain = 0; domain < domain_count; ++domain)
    blocks +=
        totals_[0][domain].alloc_blocks + __atomic_load_n(&totals_[1][domain].alloc_blocks, __ATOMIC_RELAXED);
  header.work[count].moment.store(moment, std::memory_order_relaxed);
  header.work[count].blocks.store(blocks, std::memory_order_relaxed);
  header.work_count.store(count + 1, std::memory_order_release);
  next_work_.store(moment + step, std::memory_order_relaxed);
  noting_.store(false, std::memory_order_release);
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

bool Recorder::allocated(std::uint64_t address, std::uint64_t size, Domain domain, StackId stack,
                         ThreadIndex thread, Locking locking, std::uint64_t mean) noexcept {
  const int set = static_cast<int>(locking);
  if (live_.put_exact(address, {size, stack, thread, domain, birth_.load(std::memory_order_relaxed)})) {
    Counters& at = counters_[set][stack];
    DomainTotals& total = totals_[set][static_cast<int>(domain)];
    if (locking == Locking::interpreter) {
      at.alloc_bytes += size;
      at.alloc_blocks += one_block;
      total.alloc_bytes += size;
      total.alloc_blocks += one_block;
      return true;
    }
    add(at.alloc_bytes, size, locking);
    add(at.alloc_blocks, one_block, locking);
    add(total.alloc_bytes, size, locking);
    add(total.alloc_blocks, one_block, locking);
    return true;
  }
  BlockRow block{};
  block.address = address;
  block.size = size;
  block.weight = Sampler::weight(size, mean == 0 ? interval_ : mean, exact_bytes_);
  block.stack = stack;
  block.thread = thread;
  block.domain = domain;
  block.born = now();
  block.born_us = now_us_.load(std::memory_order_relaxed);
  if (!live_.put(block)) {
    ledger_.header().dropped_blocks.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  count(counters_[set][stack], ledger_.header().totals[set][static_cast<int>(domain)], block, true, locking);
  return true;
}

void Recorder::count_free(const BlockRow& block, ThreadIndex thread, Locking locking) noexcept {
  const int set = static_cast<int>(locking);
  Counters& at = counters_[set][block.stack];
  count(at, ledger_.header().totals[set][static_cast<int>(block.domain)], block, false, locking);
  if (thread != block.thread) {
    const std::uint64_t blocks = Sampler::blocks(block.size, block.weight);
    threads_.foreign(block.thread, thread);
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
      threads_.foreign(entry.thread, thread);
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
  block.born = now();
  block.born_us = now_us_.load(std::memory_order_relaxed);
  block.address = address;
  if (!live_.put(block)) {
    threads_.holds(thread, -1);
    ledger_.header().dropped_blocks.fetch_add(1, std::memory_order_relaxed);
    return true;
  }
  const int set = static_cast<int>(locking);
  count(counters_[set][stack], ledger_.header().totals[set][static_cast<int>(block.domain)], block, true,
        locking);
  return true;
}

void Recorder::thread_ended(ThreadIndex thread, std::int64_t held) noexcept {
  refresh();
  threads_.holds(thread, held);
  threads_.ended(thread, now());
}

// The table has `rows` rows and `bytes` bytes more of the chunk's kind (or fewer). Arenas are containers of blocks that
// are counted themselves; a mapping is a block of its own.
void Recorder::count_chunk(const ChunkRow& chunk, int rows, std::int64_t bytes) noexcept {
  Header& header = ledger_.header();
  const auto more = [](std::atomic<std::uint64_t>& counter, std::int64_t amount) {
    counter.fetch_add(static_cast<std::uint64_t>(amount), std::memory_order_relaxed);
  };
  const bool arena = chunk.kind == ChunkKind::arena;
  more(arena ? header.live_arenas : header.live_mappings, rows);
  more(arena ? header.arena_bytes : header.mapping_bytes, bytes);
  threads_.holds(chunk.thread, rows);
  if (arena) return;
  const std::uint64_t change = static_cast<std::uint64_t>(bytes < 0 ? -bytes : bytes);
  Counters& at = counters_[1][chunk.stack];
  DomainTotals& total = totals_[1][static_cast<int>(Domain::mapping)];
  add(bytes < 0 ? at.free_bytes : at.alloc_bytes, change, Locking::none);
  add(bytes < 0 ? total.free_bytes : total.alloc_bytes, change, Locking::none);
  if (rows == 0) return;
  add(rows < 0 ? at.free_blocks : at.alloc_blocks, one_block, Locking::none);
  add(rows < 0 ? total.free_blocks : total.alloc_blocks, one_block, Locking::none);
}

void Recorder::count_large(const ChunkRow& chunk, std::uint64_t size, int rows) noexcept {
  if (chunk.kind == ChunkKind::mapping && size >= ledger_.header().config.chunk_bytes)
    ledger_.header().large_mappings.fetch_add(static_cast<std::uint64_t>(std::int64_t{rows}),
                                              std::memory_order_relaxed);
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
  row->born = now();
  __atomic_store_n(&row->address, address, __ATOMIC_RELEASE);
  count_chunk(*row, 1, static_cast<std::int64_t>(size));
  count_large(*row, size, 1);
}

// Takes [begin, end), which overlaps the chunk, out of it. What is left in the middle of nowhere is a chunk of its own.
void Recorder::release_part(ChunkRow& row, std::uint64_t begin, std::uint64_t end) noexcept {
  const ChunkRow old = row;
  const std::uint64_t first = old.address, last = old.address + old.size;
  begin = std::max(begin, first);
  end = std::min(end, last);
  ChunkRow* tail = nullptr;
  if (begin > first && end < last) {
    tail = free_chunk();
    if (tail == nullptr) {  // then it is not known any more
      ledger_.header().dropped_blocks.fetch_add(1, std::memory_order_relaxed);
      end = last;
    }
  }
  const bool keeps_head = begin > first;
  const std::uint64_t left = keeps_head ? begin - first : last - end;
  row.size = left;
  if (!keeps_head) __atomic_store_n(&row.address, left == 0 ? 0 : end, __ATOMIC_RELEASE);
  if (tail != nullptr) {
    *tail = old;
    tail->size = last - end;
    __atomic_store_n(&tail->address, end, __ATOMIC_RELEASE);
    count_large(old, tail->size, 1);
  }
  count_large(old, old.size, -1);
  count_large(old, left, 1);
  count_chunk(old, tail != nullptr ? 1 : left == 0 ? -1 : 0, -static_cast<std::int64_t>(end - begin));
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

bool Recorder::buffer_acquired(BufferRow& row) noexcept {
  BufferRow old;
  row.born = now();
  const BufferTable::Put put = buffers_.acquired(row, old);
  if (put == BufferTable::Put::replaced) threads_.foreign(old.thread, row.thread);
  return put == BufferTable::Put::added;
}

bool Recorder::buffer_released(std::uint64_t view, std::uint64_t exporter, ThreadIndex thread,
                               BufferRow& row) noexcept {
  if (!buffers_.released(view, exporter, thread, row)) return false;
  if (row.thread != thread) threads_.foreign(row.thread, thread);
  return true;
}

void Recorder::before_fork() noexcept {
  pools_.lock().lock();
  trie_.lock().lock();
  live_.lock().lock();
  chunk_lock_.lock();
  threads_.lock().lock();
  buffers_.lock().lock();
}

void Recorder::after_fork() noexcept {
  buffers_.lock().unlock();
  threads_.lock().unlock();
  chunk_lock_.unlock();
  live_.lock().unlock();
  trie_.lock().unlock();
  pools_.lock().unlock();
  noting_.store(false);  // whoever was at it may be in the other process
}

}  // namespace leakscope
