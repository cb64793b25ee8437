#include "buffer_table.h"

#include "open_row.h"

namespace leakscope {
namespace {

constexpr std::uint32_t most_looked_through = 1024;

void add(std::uint64_t& counter, std::uint64_t amount) noexcept {
  __atomic_fetch_add(&counter, amount, __ATOMIC_RELAXED);
}

}  // namespace

void BufferTable::attach(Ledger ledger) noexcept {
  ledger_ = ledger;
  rows_ = ledger.buffer_rows();
}

std::uint32_t BufferTable::free_row() noexcept {
  if (free_ != 0) {
    const std::uint32_t row = free_;
    free_ = rows_[row].next;
    return row;
  }
  Header& header = ledger_.header();
  const std::uint32_t row = header.buffer_high.load(std::memory_order_relaxed);
  if (row >= capacity<BufferRow>(ledger_.sections().buffer_rows)) return 0;
  header.buffer_high.store(row + 1, std::memory_order_release);
  return row;
}

BufferTable::Put BufferTable::acquired(const BufferRow& row, BufferRow& old) noexcept {
  SpinGuard guard(lock_);
  BufferTotals& totals = ledger_.header().buffers;
  const std::uint64_t hash = mixed(row.view);
  std::uint32_t at = index_.find(hash, [&](std::uint32_t each) { return rows_[each].view == row.view; });
  const bool known = at != 0;
  if (known) {
    old = rows_[at];
    open_row(rows_[at]);
    add(totals.replaced, 1);
    stack_rows_ -= old.on_stack;
  } else {
    at = free_row();
    if (at != 0) {
      open_row(rows_[at]);
      rows_[at].view = row.view;
      if (!index_.insert(hash, at, [&](std::uint32_t each) { return mixed(rows_[each].view); })) {
        BufferRow empty{};
        empty.next = free_;
        close_row(rows_[at], empty);
        free_ = at;
        at = 0;
      }
    }
    if (at == 0) {
      add(totals.dropped, 1);
      return Put::full;
    }
  }
  close_row(rows_[at], row);
  stack_rows_ += row.on_stack;
  add(totals.acquired, 1);
  ledger_.buffer_counters()[row.stack].acquired += row.weight;
  return known ? Put::replaced : Put::added;
}

std::uint32_t BufferTable::taken(std::uint64_t view) noexcept {
  return index_.take(
      mixed(view), [&](std::uint32_t each) { return rows_[each].view == view; },
      [&](std::uint32_t each) { return mixed(rows_[each].view); });
}

// Some C code copies the structure that it was given. A local variable never lives longer than its copy.
std::uint32_t BufferTable::moved(std::uint64_t exporter) const noexcept {
  if (stack_rows_ == 0) return 0;
  const std::uint32_t high = ledger_.header().buffer_high.load(std::memory_order_relaxed);
  const std::uint32_t end = high > most_looked_through ? high - most_looked_through : 0;
  for (std::uint32_t row = high; row-- > end;)
    if (rows_[row].view != 0 && rows_[row].exporter == exporter && rows_[row].on_stack != 0) return row;
  return 0;
}

bool BufferTable::released(std::uint64_t view, std::uint64_t exporter, ThreadIndex thread,
                           BufferRow& row) noexcept {
  SpinGuard guard(lock_);
  std::uint32_t at = taken(view);
  if (at == 0) {
    at = moved(exporter);
    if (at == 0) return false;
    taken(rows_[at].view);
  }
  row = rows_[at];
  __atomic_store_n(&rows_[at].view, 0, __ATOMIC_RELEASE);
  rows_[at].next = free_;
  free_ = at;
  stack_rows_ -= row.on_stack;
  BufferTotals& totals = ledger_.header().buffers;
  BufferCounters& counters = ledger_.buffer_counters()[row.stack];
  add(totals.released, 1);
  counters.released += row.weight;
  if (row.thread != thread) {
    add(totals.foreign, 1);
    counters.foreign += row.weight;
  }
  return true;
}

}  // namespace leakscope
