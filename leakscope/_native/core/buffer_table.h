// Outstanding exports of the buffer protocol, by the address of their Py_buffer, and what each stack acquired and
// released. Rows are found through a hash index; everything is under one lock, held for a few dozen instructions.
#pragma once

#include "hash_index.h"
#include "ledger.h"

namespace leakscope {

class BufferTable {
 public:
  void attach(Ledger ledger) noexcept;

  enum class Put { added, replaced, full };
  // Records an export; `old` is the one that was never seen released at the same address, if the answer is `replaced`.
  Put acquired(const BufferRow& row, BufferRow& old) noexcept;
  // Forgets the export and returns it in `row`. A Py_buffer that was moved is found by its exporter, among the newest.
  // False if none is known; then nothing has been counted.
  bool released(std::uint64_t view, std::uint64_t exporter, ThreadIndex thread, BufferRow& row) noexcept;

  SpinLock& lock() noexcept { return lock_; }

 private:
  std::uint32_t taken(std::uint64_t view) noexcept;
  std::uint32_t moved(std::uint64_t exporter) const noexcept;
  std::uint32_t free_row() noexcept;

  Ledger ledger_;
  BufferRow* rows_ = nullptr;
  HashIndex index_;
  std::uint32_t free_ = 0, stack_rows_ = 0;
  SpinLock lock_;
};

}  // namespace leakscope
