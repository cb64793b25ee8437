// Rows that the parent reads while the program writes them: whole, or not there.
#include <doctest/doctest.h>

#include <atomic>
#include <cstdint>
#include <thread>

#include "buffer_table.h"
#include "ledger_reader.h"
#include "live_table.h"
#include "reader_promises.h"
#include "scratch_ledger.h"

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

// Readers look again instead of locking, which the sanitizer takes for a race.
#if !defined(__SANITIZE_THREAD__)
TEST_CASE("a row that is being written is whole or not there") {
  const ScratchLedger scratch(sampled);
  scratch.header().node_count = 8;
  std::atomic<bool> over{false};
  std::thread program([&] {
    LiveTable blocks;
    BufferTable views;
    blocks.attach(scratch.ledger());
    views.attach(scratch.ledger());
    for (std::uint64_t turn = 1; !over; ++turn) {
      // Each address has a size of its own, and takes the row of another one.
      BlockRow block{}, gone{};
      block.address = turn % 61 * 64 + 64;
      block.size = block.weight = block.address * 3;
      BufferRow view{}, released{};
      view.view = view.exporter = block.address;
      view.bytes = block.address * 5;
      view.weight = 1;
      blocks.put(block);
      views.acquired(view, released);
      const std::uint64_t other = (turn + 31) % 61 * 64 + 64;
      blocks.take(other, gone);
      views.released(other, 0, 0, released);
    }
  });
  std::uint64_t torn = 0, seen = 0;
  for (int look = 0; look < 10'000; ++look) {
    const DumpColumns dump = LedgerReader(scratch.ledger(), scratch.fd()).dump();
    const auto address = column<std::uint64_t>(dump, "live.address");
    const auto size = column<std::uint64_t>(dump, "live.size");
    for (std::size_t row = 0; row < address.size(); ++row) torn += size[row] != address[row] * 3;
    const auto view = column<std::uint64_t>(dump, "view.address");
    const auto bytes = column<std::uint64_t>(dump, "view.bytes");
    const auto weight = column<std::uint32_t>(dump, "view.weight");
    for (std::size_t row = 0; row < view.size(); ++row)
      torn += bytes[row] != view[row] * 5 || weight[row] != 1;
    seen += address.size() + view.size();
  }
  over = true;
  program.join();
  CHECK(seen > 0);
  CHECK(torn == 0);
}
#endif
