#include "pool_books.h"

#include <string.h>

#include <algorithm>

namespace leakscope {
namespace {

// A reader sees that a row is being written.
template <class Row>
class Writing {
 public:
  explicit Writing(Row& row) noexcept : sequence_(&row.sequence) {
    __atomic_store_n(sequence_, *sequence_ | 1u, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_RELEASE);
  }
  ~Writing() { __atomic_store_n(sequence_, (*sequence_ | 1u) + 1, __ATOMIC_RELEASE); }
  Writing(const Writing&) = delete;
  Writing& operator=(const Writing&) = delete;

 private:
  std::uint32_t* sequence_;
};

// Of what went wrong: the same pool, places and threads.
std::uint64_t fault_hash(const HandleRow& row) noexcept {
  const std::uint64_t where = (std::uint64_t{row.place} << 32) | row.second_place;
  const std::uint64_t what = (std::uint64_t{row.stack} << 32) | (std::uint64_t{row.pool} << 8) |
                             static_cast<std::uint64_t>(row.state);
  const std::uint64_t who = (std::uint64_t{row.thread} << 16) | row.by;
  return mixed(where ^ mixed(what ^ mixed(who)));
}

bool is_same_fault(const HandleRow& a, const HandleRow& b) noexcept {
  return a.state == b.state && a.pool == b.pool && a.stack == b.stack && a.thread == b.thread &&
         a.place == b.place && a.second_place == b.second_place && a.by == b.by;
}

std::uint64_t cross_hash(std::uint16_t pool, StackId stack, ThreadIndex by, ThreadIndex to) noexcept {
  return mixed((std::uint64_t{stack} << 32 | std::uint64_t{by} << 16 | to) ^ mixed(pool + 1u));
}

void copy_text(char* into, std::size_t room, const char* text) noexcept {
  const std::size_t length = std::min(strlen(text), room - 1);
  memcpy(into, text, length);
  memset(into + length, 0, room - length);
}

}  // namespace

void PoolBooks::attach(Ledger ledger, ThreadTable& threads) noexcept {
  ledger_ = ledger;
  threads_ = &threads;
  rows_ = ledger.handle_rows();
  crosses_ = ledger.cross_rows();
  pools_ = ledger.pool_rows();
}

std::uint32_t PoolBooks::open(const char* name, const char* source, std::uint8_t kind) noexcept {
  SpinGuard guard(lock_);
  PoolRow wanted{};
  copy_text(wanted.name, sizeof wanted.name, *name == 0 ? "pool" : name);
  copy_text(wanted.source, sizeof wanted.source, source);
  Header& header = ledger_.header();
  const std::uint32_t count = header.pool_count.load(std::memory_order_relaxed);
  for (std::uint32_t at = 0; at < count; ++at) {
    if (pools_[at].kind == kind && strcmp(pools_[at].name, wanted.name) == 0 &&
        strcmp(pools_[at].source, wanted.source) == 0)
      return at;
  }
  if (count >= pool_limit - pools_of_parent) return pool_limit;
  wanted.kind = kind;
  wanted.held_bytes = unknown_bytes;
  pools_[count] = wanted;
  header.pool_count.store(count + 1, std::memory_order_release);
  return count;
}

void PoolBooks::observed(std::uint32_t pool, std::uint64_t held_bytes, std::uint64_t used_bytes,
                         std::uint64_t peak_bytes, std::uint32_t chunks) noexcept {
  SpinGuard guard(lock_);
  if (pool >= ledger_.header().pool_count.load(std::memory_order_relaxed)) return;
  PoolRow& row = pools_[pool];
  const Writing writing(row);
  row.held_bytes = held_bytes;
  row.used_bytes = used_bytes;
  row.peak_bytes = peak_bytes;
  row.chunks = chunks;
}

std::uint32_t PoolBooks::find(std::uint64_t address) const noexcept {
  return by_address_.find(mixed(address), [&](std::uint32_t at) { return rows_[at].address == address; });
}

bool PoolBooks::knows(std::uint64_t address) noexcept {
  SpinGuard guard(lock_);
  return find(address) != 0;
}

bool PoolBooks::happened(const PoolNews& news, StackId stack, ThreadIndex thread, Moment now) noexcept {
  SpinGuard guard(lock_);
  const What what{news, stack, thread, now};
  const std::uint32_t at = find(news.handle);
  if (news.event == PoolEvent::acquired) {
    if (news.pool < ledger_.header().pool_count.load(std::memory_order_relaxed)) acquire(at, what);
    return false;
  }
  if (at == 0) return false;
  HandleRow& row = rows_[at];
  if (news.event == PoolEvent::collected) {
    collect(at, what);
  } else if (news.event == PoolEvent::undone) {
    undo(row, what);
  } else if (row.state == HandleState::held) {
    const Writing writing(row);
    touch(row, news.event, what);
    if (news.event == PoolEvent::retained) row.count += news.amount;
    if (news.event == PoolEvent::released) release(row, what);
  } else if (news.event != PoolEvent::handed_off &&
             !news.forgiving) {  // a pool may keep what is free in a queue
    const StackId before = row.touches == 0 ? row.stack : row.touch[touch_place(row.touches - 1)].stack;
    fault(row, news.event == PoolEvent::released ? HandleState::released_twice : HandleState::used_after,
          before, what);
    return true;
  }
  return false;
}

// ---- rows ------------------------------------------------------------------------------------------------------------

std::uint32_t PoolBooks::take_row() noexcept {
  Header& header = ledger_.header();
  if (free_ != 0) {
    const std::uint32_t at = free_;
    free_ = rows_[at].next < handle_limit ? rows_[at].next : 0;
    return at;
  }
  const std::uint32_t high = header.handle_high.load(std::memory_order_relaxed);
  if (high >= capacity<HandleRow>(ledger_.sections().handle_rows)) {
    header.dropped_handles.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  header.handle_high.store(high + 1, std::memory_order_release);
  return high;
}

void PoolBooks::give_row(std::uint32_t at) noexcept {
  HandleRow& row = rows_[at];
  const Writing writing(row);
  threads_->holds(row.thread, -1);
  hold_touches(row, -1);
  row.state = HandleState::nothing;
  row.next = free_;
  free_ = at;
}

void PoolBooks::hold_touches(const HandleRow& row, std::int64_t times) noexcept {
  const std::uint32_t kept = std::min(row.touches, HandleRow::kept_touches);
  for (std::uint32_t at = 0; at < kept; ++at) threads_->holds(row.touch[at].thread, times);
}

void PoolBooks::touch(HandleRow& row, PoolEvent event, const What& what) noexcept {
  TouchRow& place = row.touch[touch_place(row.touches)];
  if (row.touches >= HandleRow::kept_touches) threads_->holds(place.thread, -1);
  place = {what.stack, what.now, what.thread, event, 0};
  threads_->holds(what.thread, 1);
  ++row.touches;
  row.last = what.now;
}

// ---- a handle's life -------------------------------------------------------------------------------------------------

std::uint32_t PoolBooks::fresh_row(std::uint64_t address) noexcept {
  const std::uint32_t at = take_row();
  if (at == 0) return 0;
  rows_[at].address = address;
  const auto hash_of = [&](std::uint32_t other) { return mixed(rows_[other].address); };
  if (by_address_.insert(mixed(address), at, hash_of)) return at;
  rows_[at].next = free_;
  free_ = at;
  ledger_.header().dropped_handles.fetch_add(1, std::memory_order_relaxed);
  return 0;
}

void PoolBooks::acquire(std::uint32_t at, const What& what) noexcept {
  const PoolNews& news = what.news;
  if (at != 0 && news.amount == 0) {
    collect(at, what);
    at = 0;
  }
  if (at != 0 && rows_[at].state == HandleState::held) {  // nobody says that it was released or collected
    const Writing writing(rows_[at]);
    touch(rows_[at], PoolEvent::touched, what);
    return;
  }
  if (at != 0) {
    threads_->holds(rows_[at].thread, -1);
    hold_touches(rows_[at], -1);
  } else {
    at = fresh_row(news.handle);
  }
  if (at == 0) return;
  HandleRow& row = rows_[at];
  {
    const Writing writing(row);
    row.state = HandleState::held;
    row.pool = static_cast<std::uint16_t>(news.pool);
    row.serial = ++serial_;
    row.size = row.bytes = news.size;
    row.name = news.name;
    row.handles = 1;
    row.count = 1;
    row.releases = row.touches = 0;
    row.stack = what.stack;
    row.thread = what.thread;
    row.born = row.last = what.now;
    row.missing = cross_row(row.pool, what.stack, what.thread, no_thread);
  }
  threads_->holds(what.thread, 1);
  cross(row.missing, 1, news.size);
  PoolRow& counted = pools_[news.pool];
  const Writing writing(counted);
  ++counted.acquired;
  counted.used_bytes += news.size;
  counted.peak_bytes = std::max(counted.peak_bytes, counted.used_bytes);
}

void PoolBooks::release(HandleRow& row, const What& what) noexcept {
  ++row.releases;
  row.count -= what.news.amount;
  if (row.count > 0) return;
  row.state = HandleState::back;
  cross(row.missing, -1, row.size);
  cross(cross_row(row.pool, row.stack, row.thread, what.thread), 1, row.size);
  PoolRow& counted = pools_[row.pool];
  const Writing writing(counted);
  ++counted.released;
  counted.used_bytes -= row.size;
}

// The last release raised: whoever called it has the handle still.
void PoolBooks::undo(HandleRow& row, const What& what) noexcept {
  if (row.touches == 0 || row.releases == 0) return;
  TouchRow& last = row.touch[touch_place(row.touches - 1)];
  if (last.kind != PoolEvent::released || last.thread != what.thread) return;
  const Writing writing(row);
  last.kind = PoolEvent::touched;
  --row.releases;
  row.count += what.news.amount;
  if (row.state != HandleState::back || row.count <= 0) return;
  row.state = HandleState::held;
  cross(row.missing, 1, row.size);
  cross(cross_row(row.pool, row.stack, row.thread, what.thread), -1, row.size);
  PoolRow& counted = pools_[row.pool];
  const Writing counting(counted);
  --counted.released;
  counted.used_bytes += row.size;
}

void PoolBooks::collect(std::uint32_t at, const What& what) noexcept {
  HandleRow& row = rows_[at];
  by_address_.take(
      mixed(row.address), [&](std::uint32_t other) { return other == at; },
      [&](std::uint32_t other) { return mixed(rows_[other].address); });
  if (row.state == HandleState::held) {
    const StackId last = row.touches == 0 ? row.stack : row.touch[touch_place(row.touches - 1)].stack;
    fault(row, HandleState::dropped, last, what);
    PoolRow& counted = pools_[row.pool];
    const Writing writing(counted);
    counted.used_bytes -= row.size;
  }
  give_row(at);
}

// ---- what went wrong -------------------------------------------------------------------------------------------------

std::uint32_t PoolBooks::fault_row(const HandleRow& like) noexcept {
  const std::uint64_t hash = fault_hash(like);
  const std::uint32_t known =
      faults_.find(hash, [&](std::uint32_t at) { return is_same_fault(rows_[at], like); });
  if (known != 0) return known;
  const std::uint32_t at = fault_count_ < fault_limit ? take_row() : 0;
  if (at == 0) {
    if (fault_count_ >= fault_limit) ledger_.header().dropped_handles.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  HandleRow& made = rows_[at];
  const Writing writing(made);
  HandleRow copy = like;
  copy.sequence = made.sequence;  // odd all the time
  made = copy;
  threads_->holds(made.thread, 1);
  hold_touches(made, 1);
  if (!faults_.insert(hash, at, [&](std::uint32_t other) { return fault_hash(rows_[other]); })) {
    ledger_.header().dropped_handles.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  ++fault_count_;
  return at;
}

void PoolBooks::fault(const HandleRow& row, HandleState state, StackId place, const What& what) noexcept {
  HandleRow like = row;
  like.state = state;
  like.place = place;
  // The collector may collect anywhere: then one place stands for all that are left.
  const bool anywhere = state == HandleState::dropped && fault_count_ >= fault_limit / 4;
  like.second_place = anywhere ? 0 : what.stack;
  like.by = anywhere ? no_thread : what.thread;
  like.handles = like.bytes = 0;
  const std::uint32_t at = fault_row(like);
  if (at == 0) return;
  HandleRow& known = rows_[at];
  const Writing writing(known);
  if (known.handles == 0) {
    touch(known, state == HandleState::dropped ? PoolEvent::collected : what.news.event, what);
    known.born = what.now;
  }
  ++known.handles;
  known.bytes += row.size;
  known.last = what.now;
}

// ---- who releases what whom acquired -----------------------------------------------------------------------------------

std::uint32_t PoolBooks::cross_row(std::uint16_t pool, StackId stack, ThreadIndex by,
                                   ThreadIndex to) noexcept {
  const auto hash_of = [&](std::uint32_t at) {
    const CrossRow& row = crosses_[at];
    return cross_hash(row.pool, row.stack, row.acquired_by, row.released_by);
  };
  const std::uint64_t hash = cross_hash(pool, stack, by, to);
  const std::uint32_t known = by_cross_.find(hash, [&](std::uint32_t at) {
    const CrossRow& row = crosses_[at];
    return row.pool == pool && row.stack == stack && row.acquired_by == by && row.released_by == to;
  });
  if (known != 0) return known;
  Header& header = ledger_.header();
  const std::uint32_t at = header.cross_high.load(std::memory_order_relaxed);
  if (at >= capacity<CrossRow>(ledger_.sections().cross_rows)) {
    header.dropped_crosses.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  crosses_[at] = {0, 0, stack, pool, by, to, 1};
  if (!by_cross_.insert(hash, at, hash_of)) {
    header.dropped_crosses.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  header.cross_high.store(at + 1, std::memory_order_release);
  threads_->holds(by, 1);
  if (to != no_thread) threads_->holds(to, 1);
  return at;
}

void PoolBooks::cross(std::uint32_t at, std::int64_t handles, std::uint64_t bytes) noexcept {
  if (at == 0) return;
  CrossRow& row = crosses_[at];
  __atomic_store_n(&row.handles, row.handles + static_cast<std::uint64_t>(handles), __ATOMIC_RELAXED);
  const std::uint64_t change = handles < 0 ? ~bytes + 1 : bytes;
  __atomic_store_n(&row.bytes, row.bytes + change, __ATOMIC_RELAXED);
}

}  // namespace leakscope
