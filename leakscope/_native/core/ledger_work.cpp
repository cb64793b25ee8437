// The program's own log of its work, as the dump has it; see WorkRow.
#include <algorithm>
#include <vector>

#include "ledger_reader.h"

namespace leakscope {

void LedgerReader::add_work(DumpColumns& out) const {
  const Header& header = ledger_.header();
  const std::uint32_t count = std::min(header.work_count.load(std::memory_order_acquire), work_rows);
  std::vector<double> times, amounts;
  for (std::uint32_t at = 0; at < count; ++at) {
    const double time = header.work[at].moment.load(std::memory_order_relaxed) * moment_seconds;
    const double blocks =
        static_cast<double>(header.work[at].blocks.load(std::memory_order_relaxed)) / one_block;
    if (!times.empty() && (time <= times.back() || blocks < amounts.back())) continue;
    times.push_back(time);
    amounts.push_back(blocks);
  }
  out.add("work.time_s", "f8", std::move(times));
  out.add("work.alloc_blocks", "f8", std::move(amounts));
}

}  // namespace leakscope
