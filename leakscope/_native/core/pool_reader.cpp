#include "pool_reader.h"

#include <algorithm>
#include <iterator>
#include <limits>

#include "../platform/prim.h"

namespace leakscope {
namespace {

constexpr std::uint32_t no_pool = ~std::uint32_t{0};
constexpr std::uint8_t pool_kinds = 5;

// A row as it is between two writings; false if somebody scribbles over it without end.
template <class Row>
bool read_whole(const Row& row, Row& copy) {
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const std::uint32_t before = __atomic_load_n(&row.sequence, __ATOMIC_ACQUIRE);
    copy = row;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if ((before & 1) == 0 && __atomic_load_n(&row.sequence, __ATOMIC_RELAXED) == before) return true;
  }
  return false;
}

template <std::size_t Room>
std::string text_of(const char (&text)[Room]) {
  return {text, std::find(text, text + Room, '\0')};
}

double bytes_or_none(std::uint64_t bytes) {
  return bytes == unknown_bytes ? std::numeric_limits<double>::quiet_NaN() : static_cast<double>(bytes);
}

// States of the file: 0 held, 1 collected, 2 released twice, 3 used after release, 4 released not often enough.
std::uint8_t state_of(const HandleRow& row) {
  switch (row.state) {
    case HandleState::dropped:
      return 1;
    case HandleState::released_twice:
      return 2;
    case HandleState::used_after:
      return 3;
    default:
      return row.releases > 0 ? 4 : 0;
  }
}

template <class T, class Row, class Get>
void add_column(DumpColumns& out, const char* name, const char* dtype, const std::vector<Row>& rows,
                Get&& get) {
  std::vector<T> values;
  values.reserve(rows.size());
  for (const Row& row : rows) values.push_back(static_cast<T>(get(row)));
  out.add(name, dtype, std::move(values));
}

}  // namespace

PoolReader::PoolReader(Ledger ledger, const Sections& sections, const ThreadRows& threads,
                       std::uint32_t stacks, const std::function<std::string(StringId)>& string_at)
    : stacks_(stacks), string_at_(string_at) {
  read_pools(ledger);
  read_crosses(ledger, sections, threads);
  read_handles(ledger, sections, threads);
}

void PoolReader::read_pools(Ledger ledger) {
  pool_at_.assign(pool_limit, no_pool);
  const std::uint32_t count =
      std::min(ledger.header().pool_count.load(std::memory_order_acquire), pool_limit - pools_of_parent);
  for (std::uint32_t at = 0; at < pool_limit; ++at) {
    if (at >= count && at < pool_limit - pools_of_parent) continue;
    PoolRow row;
    if (!read_whole(ledger.pool_rows()[at], row) || row.name[0] == 0 || row.kind >= pool_kinds) continue;
    pool_at_[at] = static_cast<std::uint32_t>(pools_.size());
    pools_.push_back(row);
  }
}

void PoolReader::read_handles(Ledger ledger, const Sections& sections, const ThreadRows& threads) {
  const std::uint32_t high = std::min(ledger.header().handle_high.load(std::memory_order_acquire),
                                      capacity<HandleRow>(sections.handle_rows));
  for (std::uint32_t at = 1; at < high; ++at) {
    HandleRow row;
    if (!read_whole(ledger.handle_rows()[at], row)) continue;
    if (row.state != HandleState::held &&
        (row.state < HandleState::dropped || row.state > HandleState::used_after))
      continue;
    if (row.handles == 0 || !is_known(row.pool) || !is_there(row)) continue;
    read_touches(row, threads);
    handles_.push_back(row);
    of_handles_.push_back(threads.token(row.thread));
  }
}

// A segment of shared memory is as large as the system says, and gone if another process unlinked it.
bool PoolReader::is_there(HandleRow& row) {
  PoolRow& pool = pools_[pool_at_[row.pool]];
  if (pool.kind != shared_memory_kind || row.name == 0 || row.state != HandleState::held) return true;
  const std::int64_t bytes = prim::segment_bytes(string_at_(row.name).c_str());
  if (bytes < 0) return false;
  row.size = row.bytes = static_cast<std::uint64_t>(bytes);
  pool.used_bytes += row.size;
  ++pool.chunks;
  return true;
}

// The first few and the last few, in their order; what came between is not kept.
void PoolReader::read_touches(const HandleRow& row, const ThreadRows& threads) {
  const std::uint32_t kept = HandleRow::kept_touches;
  for (std::uint32_t touch = 0; touch < row.touches; ++touch) {
    if (row.touches > kept && touch == HandleRow::first_touches)
      touch = row.touches - HandleRow::last_touches;
    const TouchRow& one = row.touch[touch_place(touch)];
    if (static_cast<int>(one.kind) >= static_cast<int>(PoolEvent::undone)) continue;
    touches_.push_back(one);
    touch_handle_.push_back(static_cast<std::uint32_t>(handles_.size()));
    of_touches_.push_back(threads.token(one.thread));
  }
}

void PoolReader::read_crosses(Ledger ledger, const Sections& sections, const ThreadRows& threads) {
  const std::uint32_t high = std::min(ledger.header().cross_high.load(std::memory_order_acquire),
                                      capacity<CrossRow>(sections.cross_rows));
  for (std::uint32_t at = 1; at < high; ++at) {
    const CrossRow row = ledger.cross_rows()[at];
    if (row.used == 0 || row.handles == 0 || static_cast<std::int64_t>(row.handles) < 0 ||
        !is_known(row.pool))
      continue;
    crosses_.push_back(row);
    acquired_by_.push_back(threads.token(row.acquired_by));
    released_by_.push_back(row.released_by == no_thread ? 0 : threads.token(row.released_by));
  }
}

void PoolReader::resolve(ThreadRows& threads) {
  for (std::vector<std::uint32_t>* tokens : {&of_handles_, &of_touches_, &acquired_by_, &released_by_})
    threads.resolve(*tokens);
  for (std::size_t at = 0; at < crosses_.size(); ++at)
    if (crosses_[at].released_by == no_thread) released_by_[at] = ~std::uint32_t{0};
}

void PoolReader::add(DumpColumns& out, std::uint32_t strings, std::vector<std::string>& extra) {
  add_pools(out, strings, extra);
  add_handles(out);
  add_touches(out);
  add_crosses(out);
}

void PoolReader::add_pools(DumpColumns& out, std::uint32_t strings, std::vector<std::string>& extra) const {
  std::vector<std::uint32_t> name, source;
  const auto text = [&](std::string words) {
    extra.push_back(std::move(words));
    return strings + static_cast<std::uint32_t>(extra.size()) - 1;
  };
  for (const PoolRow& row : pools_) {
    name.push_back(text(text_of(row.name)));
    source.push_back(text(text_of(row.source)));
  }
  out.add("pool.name", "u4", std::move(name));
  out.add("pool.source", "u4", std::move(source));
  add_column<std::uint8_t>(out, "pool.kind", "u1", pools_, [](const PoolRow& row) { return row.kind; });
  add_column<double>(out, "pool.held_bytes", "f8", pools_,
                     [](const PoolRow& row) { return bytes_or_none(row.held_bytes); });
  add_column<double>(out, "pool.used_bytes", "f8", pools_,
                     [](const PoolRow& row) { return bytes_or_none(row.used_bytes); });
  add_column<double>(out, "pool.peak_bytes", "f8", pools_,
                     [](const PoolRow& row) { return bytes_or_none(row.peak_bytes); });
  add_column<std::uint32_t>(out, "pool.chunks", "u4", pools_, [](const PoolRow& row) { return row.chunks; });
  add_column<std::uint64_t>(out, "pool.acquired", "u8", pools_,
                            [](const PoolRow& row) { return row.acquired; });
  add_column<std::uint64_t>(out, "pool.released", "u8", pools_,
                            [](const PoolRow& row) { return row.released; });
}

void PoolReader::add_handles(DumpColumns& out) {
  const auto& rows = handles_;
  using Row = HandleRow;
  add_column<std::uint64_t>(out, "handle.serial", "u8", rows, [](const Row& row) { return row.serial; });
  add_column<std::uint32_t>(out, "handle.pool", "u4", rows,
                            [&](const Row& row) { return pool_at_[row.pool]; });
  add_column<std::uint64_t>(out, "handle.address", "u8", rows, [](const Row& row) { return row.address; });
  add_column<std::uint64_t>(out, "handle.size", "u8", rows, [](const Row& row) { return row.size; });
  add_column<std::int32_t>(out, "handle.count", "i4", rows, [](const Row& row) { return row.count; });
  add_column<std::uint8_t>(out, "handle.state", "u1", rows, state_of);
  add_column<std::uint32_t>(out, "handle.releases", "u4", rows, [](const Row& row) { return row.releases; });
  add_column<std::uint64_t>(out, "handle.handles", "u8", rows, [](const Row& row) { return row.handles; });
  add_column<std::uint64_t>(out, "handle.bytes", "u8", rows, [](const Row& row) { return row.bytes; });
  add_column<std::uint32_t>(out, "handle.stack", "u4", rows,
                            [&](const Row& row) { return checked(row.stack); });
  out.add("handle.thread", "u4", std::move(of_handles_));
  add_column<float>(out, "handle.born_s", "f4", rows,
                    [](const Row& row) { return row.born * moment_seconds; });
  add_column<float>(out, "handle.last_s", "f4", rows,
                    [](const Row& row) { return row.last * moment_seconds; });
}

void PoolReader::add_touches(DumpColumns& out) {
  out.add("touch.handle", "u4", std::move(touch_handle_));
  add_column<std::uint8_t>(out, "touch.kind", "u1", touches_, [](const TouchRow& row) { return row.kind; });
  add_column<std::uint32_t>(out, "touch.stack", "u4", touches_,
                            [&](const TouchRow& row) { return checked(row.stack); });
  out.add("touch.thread", "u4", std::move(of_touches_));
  add_column<float>(out, "touch.time_s", "f4", touches_,
                    [](const TouchRow& row) { return row.time * moment_seconds; });
}

void PoolReader::add_crosses(DumpColumns& out) {
  const auto& rows = crosses_;
  using Row = CrossRow;
  add_column<std::uint32_t>(out, "cross.pool", "u4", rows,
                            [&](const Row& row) { return pool_at_[row.pool]; });
  add_column<std::uint32_t>(out, "cross.stack", "u4", rows,
                            [&](const Row& row) { return checked(row.stack); });
  out.add("cross.acquired_by", "u4", std::move(acquired_by_));
  out.add("cross.released_by", "u4", std::move(released_by_));
  add_column<std::uint64_t>(out, "cross.handles", "u8", rows, [](const Row& row) { return row.handles; });
  add_column<std::uint64_t>(out, "cross.bytes", "u8", rows, [](const Row& row) { return row.bytes; });
}

}  // namespace leakscope
