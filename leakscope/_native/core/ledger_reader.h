// What the parent sees in a ledger: totals, the stacks that hold most, and whole dumps. Trusts nothing it reads but
// the section table that is_sound() has checked: the writer may be dead, half-way, or have had its memory overrun.
#pragma once

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dump_columns.h"
#include "ledger.h"
#include "shadow_table.h"
#include "thread_rows.h"

namespace leakscope {

// Survivors by age: under 1 s, 10 s, 60 s, 600 s, older.
inline constexpr int age_classes = 5;

// Columns of `chunk` that the ledger knows nothing of: NaN until somebody measured them.
inline constexpr const char* chunk_measures[] = {"used_bytes",      "free_bytes",      "largest_free_bytes",
                                                 "resident_bytes",  "dirty_bytes",     "swapped_bytes",
                                                 "trimmable_bytes", "attached_threads"};
inline constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

struct StackRow {
  StackId stack;
  std::int64_t live_bytes;
  double live_blocks;
  double alloc_blocks;
  std::int64_t age_bytes[age_classes];
};

struct NamedTotal {
  std::string name;
  std::int64_t value;
};

class LedgerReader {
 public:
  // `fd` is the ledger's file, asked which parts of the shadow have memory behind them; `our_own` in the process that
  // is recorded there.
  static constexpr int our_own = -2;
  LedgerReader(Ledger ledger, int fd)
      : sections_(ledger.sections()), ledger_(&ledger.header(), sections_), fd_(fd) {}
  LedgerReader(const LedgerReader&) = delete;
  LedgerReader& operator=(const LedgerReader&) = delete;

  double elapsed_seconds() const noexcept;
  std::vector<NamedTotal> totals() const;
  // The `most` stacks that hold at least `at_least_bytes`, largest first. Cost: one pass over the stacks, and if `ages`
  // are wanted one over the live blocks; else they are zero.
  std::vector<StackRow> stacks(std::int64_t at_least_bytes, std::size_t most, bool ages) const;
  // Everything but `meta` and the series, which are the caller's.
  // With a process, which should not run meanwhile: also whether anything in its memory points to each block.
  DumpColumns dump(std::uint32_t process = 0);

  // Calls visit(Block) for every live block, mappings included.
  template <class Visit>
  void for_each_block(Visit&& visit) const;

  // The frames of a stack, innermost first; native ones have no function but an offset into their file.
  struct PlainFrame {
    std::string_view function, file;
    std::int32_t line;
    bool native;
    std::uint64_t offset;
  };
  std::vector<PlainFrame> path_of(StackId stack) const;
  // What the thread of a block is called; "" if that is not known.
  std::string thread_name(ThreadIndex thread) const;

 private:
  void add_strings(DumpColumns& out, std::uint32_t strings, const std::vector<std::string>& extra) const;
  void add_frames(DumpColumns& out, std::uint32_t frames, std::uint32_t strings,
                  std::vector<std::string>& extra);
  void add_stacks(DumpColumns& out) const;
  void add_ages(std::vector<StackRow>& rows) const;
  Counters counters(StackId stack) const noexcept;
  void add_work(DumpColumns& out) const;
  void add_threads(DumpColumns& out, const ThreadRows& threads, std::uint32_t strings,
                   std::vector<std::string>& extra) const;
  // Both return the threads' column, which is to be resolved.
  std::vector<std::uint32_t> add_blocks(DumpColumns& out, const ThreadRows& threads,
                                        std::uint32_t process) const;
  std::vector<std::uint32_t> add_chunks(DumpColumns& out, const ThreadRows& threads) const;
  std::vector<std::uint32_t> add_views(DumpColumns& out, const ThreadRows& threads) const;
  void add_buffer_counters(DumpColumns& out) const;

  std::uint32_t node_count() const noexcept;
  std::uint32_t frame_count() const noexcept;
  std::uint32_t string_count() const noexcept;
  std::uint32_t thread_count() const noexcept;
  std::string_view string_at(StringId id) const noexcept;
  StackId checked_stack(StackId stack) const noexcept { return stack < node_count() ? stack : 0; }

  Sections sections_;  // a copy: the program can scribble over its own
  Ledger ledger_;
  int fd_;
  std::map<std::string, std::map<std::uint64_t, std::string>> symbols_;  // by library and offset
};

template <class Visit>
void LedgerReader::for_each_block(Visit&& visit) const {
  const Header& header = ledger_.header();
  std::uint32_t high = header.block_high.load(std::memory_order_acquire);
  if (high > capacity<BlockRow>(ledger_.sections().block_rows))
    high = capacity<BlockRow>(ledger_.sections().block_rows);
  for (std::uint32_t at = 1; at < high; ++at) {
    const BlockRow& row = ledger_.block_rows()[at];
    const std::uint32_t before = __atomic_load_n(&row.sequence, __ATOMIC_ACQUIRE);
    const BlockRow copy = row;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if (copy.address == 0 || (before & 1) != 0 ||
        __atomic_load_n(&row.sequence, __ATOMIC_RELAXED) != before ||
        static_cast<int>(copy.domain) >= domain_count)
      continue;
    visit(Block{copy.address, copy.size, static_cast<double>(copy.weight), checked_stack(copy.stack),
                copy.thread, copy.domain,
                copy.born * moment_seconds + std::min(copy.born_us, 999u) * microsecond_seconds});
  }
  if (ledger_.sections().shadow_regions.bytes != 0) {
    ShadowTable shadow;
    shadow.attach(ledger_);
    const auto visit_entry = [&](std::uint64_t address, const ShadowTable::Entry& entry) {
      visit(Block{address, entry.size, static_cast<double>(entry.size), checked_stack(entry.stack),
                  entry.thread, entry.domain, ShadowTable::birth_seconds(entry.birth)});
    };
    if (fd_ == our_own) {
      shadow.for_each_here(visit_entry);
    } else {
      shadow.for_each(fd_, visit_entry);
    }
  }
  std::uint32_t chunks = header.chunk_high.load(std::memory_order_acquire);
  if (chunks > capacity<ChunkRow>(ledger_.sections().chunk_rows))
    chunks = capacity<ChunkRow>(ledger_.sections().chunk_rows);
  for (std::uint32_t at = 0; at < chunks; ++at) {
    const ChunkRow row = ledger_.chunk_rows()[at];
    if (row.address != 0 && row.kind == ChunkKind::mapping)
      visit(Block{row.address, row.size, static_cast<double>(row.size), checked_stack(row.stack), row.thread,
                  Domain::mapping, row.born * moment_seconds});
  }
}

}  // namespace leakscope
