// Outstanding exports: the table against a map, on seeded lives; moved views; rows that are used again.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <vector>

#include "buffer_table.h"
#include "scratch_ledger.h"

using namespace leakscope;

namespace {

BufferRow row_of(std::uint64_t view, std::uint64_t exporter, StackId stack = 0, ThreadIndex thread = 0) {
  BufferRow row{};
  row.view = view;
  row.exporter = exporter;
  row.bytes = exporter % 1000;
  row.stack = stack;
  row.thread = thread;
  row.weight = 1;
  return row;
}

std::map<std::uint64_t, std::uint64_t> outstanding(Ledger ledger) {
  std::map<std::uint64_t, std::uint64_t> found;
  for (std::uint32_t at = 1; at < ledger.header().buffer_high.load(); ++at)
    if (ledger.buffer_rows()[at].view != 0)
      found[ledger.buffer_rows()[at].view] = ledger.buffer_rows()[at].exporter;
  return found;
}

}  // namespace

TEST_CASE("the table holds what a map holds, whatever is acquired and released") {
  test::ScratchLedger scratch(test::exact);
  Ledger ledger = scratch.ledger();
  BufferTable table;
  table.attach(ledger);
  std::map<std::uint64_t, std::uint64_t> twin;
  std::map<StackId, std::uint64_t> acquired, released;
  std::uint64_t foreign = 0, replaced = 0;
  std::map<std::uint64_t, BufferRow> known;
  std::mt19937 random(20261130);
  for (int turn = 0; turn < 20000; ++turn) {
    const std::uint64_t view = 0x1000 + 16 * (random() % 700);
    const auto thread = static_cast<ThreadIndex>(random() % 3);
    BufferRow old{};
    if (random() % 2 == 0) {
      const BufferRow row =
          row_of(view, 0x900000 + random() % 5000, static_cast<StackId>(random() % 50), thread);
      const bool there = twin.contains(view);
      CHECK(table.acquired(row, old) == (there ? BufferTable::Put::replaced : BufferTable::Put::added));
      replaced += there;
      twin[view] = row.exporter;
      known[view] = row;
      ++acquired[row.stack];
    } else {
      const bool there = twin.erase(view) > 0;
      CHECK(table.released(view, 0, thread, old) == there);
      if (!there) continue;
      ++released[known[view].stack];
      foreign += known[view].thread != thread;
    }
  }
  CHECK(outstanding(ledger) == twin);
  for (StackId stack = 0; stack < 50; ++stack) {
    CHECK(ledger.buffer_counters()[stack].acquired == acquired[stack]);
    CHECK(ledger.buffer_counters()[stack].released == released[stack]);
  }
  CHECK(ledger.header().buffers.foreign == foreign);
  CHECK(ledger.header().buffers.replaced == replaced);
  CHECK(ledger.header().buffer_high.load() <= 701);
}

TEST_CASE("a view that was copied out of a local variable is found by its exporter") {
  test::ScratchLedger scratch(test::exact);
  BufferTable table;
  table.attach(scratch.ledger());
  BufferRow local = row_of(0x7000, 0x42), gone{};
  local.on_stack = 1;
  table.acquired(row_of(0x8000, 0x42), gone);
  table.acquired(local, gone);

  CHECK(table.released(0x9990, 0x42, 0, gone));
  CHECK(gone.view == 0x7000);
  CHECK_FALSE(table.released(0x9990, 0x42, 0, gone));  // the other one was no local variable
  CHECK(outstanding(scratch.ledger()).size() == 1);
}
