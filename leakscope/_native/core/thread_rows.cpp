#include "thread_rows.h"

#include <algorithm>

namespace leakscope {

ThreadRows::ThreadRows(Ledger ledger) : ledger_(ledger) {
  const std::uint32_t rows = count();
  before_.reserve(rows);
  for (std::uint32_t at = 0; at < rows; ++at) before_.push_back(row_now(at));
}

std::uint32_t ThreadRows::count() const noexcept {
  return std::min<std::uint32_t>(ledger_.header().thread_count.load(std::memory_order_acquire),
                                 other_threads);
}

// A row as it is between two writings; one that is scribbled over without end is taken as it comes.
ThreadRow ThreadRows::row_now(std::uint32_t at) const noexcept {
  const ThreadRow& row = ledger_.threads()[at];
  ThreadRow copy{};
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const std::uint32_t generation = __atomic_load_n(&row.generation, __ATOMIC_ACQUIRE);
    copy = row;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    copy.generation = generation & ~1u;
    if ((generation & 1) == 0 && __atomic_load_n(&row.generation, __ATOMIC_RELAXED) == generation) break;
  }
  return copy;
}

// Of a row that came since, its first thread's.
std::uint32_t ThreadRows::generation_before(std::uint32_t at) const noexcept {
  return at < before_.size() ? before_[at].generation : 2;
}

std::uint32_t ThreadRows::token(ThreadIndex thread) const noexcept {
  const std::uint32_t index = thread % thread_limit;
  if (index >= other_threads) return index;
  const std::uint32_t now = __atomic_load_n(&ledger_.threads()[index].generation, __ATOMIC_ACQUIRE);
  const std::uint32_t passed = (now + 1) / 2 - generation_before(index) / 2;
  return index | (std::min(passed, most_generations) << index_bits);
}

void ThreadRows::finish() {
  known_ = count();
  for (std::uint32_t at = 0; at < known_; ++at) rows_.push_back(row_now(at));
  nameless_ = ~std::uint32_t{0};
  if (known_ == 0 || ledger_.header().dropped_threads.load() > 0) nameless_row();
}

std::uint32_t ThreadRows::nameless_row() {
  if (nameless_ == ~std::uint32_t{0}) {
    nameless_ = static_cast<std::uint32_t>(rows_.size());
    rows_.push_back(ThreadRow{});
  }
  return nameless_;
}

std::uint32_t ThreadRows::row_of(std::uint32_t token) {
  const std::uint32_t index = token & (thread_limit - 1), passed = token >> index_bits;
  // An index that no thread has comes of a scribbled row.
  if (index >= known_) return nameless_ < rows_.size() ? nameless_ : 0;
  const std::uint32_t since = (rows_[index].generation - generation_before(index)) / 2;
  if (passed == since) return index;
  if (passed != 0 || index >= before_.size()) return nameless_row();
  const auto [found, fresh] = earlier_.try_emplace(index, static_cast<std::uint32_t>(rows_.size()));
  if (fresh) rows_.push_back(before_[index]);
  return found->second;
}

void ThreadRows::resolve(std::vector<std::uint32_t>& tokens) {
  for (std::uint32_t& token : tokens) token = row_of(token);
}

}  // namespace leakscope
