#include "shadow_table.h"

namespace leakscope {

std::uint32_t ShadowTable::make_region(std::uint64_t number, std::atomic<std::uint32_t>& entry) noexcept {
  Header& header = ledger_.header();
  const std::uint32_t region = header.shadow_region_count.load(std::memory_order_relaxed);
  if (region >= capacity<std::uint64_t>(header.shadow_bases)) return no_region;
  // Two threads may race for the same MiB: the loser's region stays unused, and untouched memory costs nothing.
  const std::uint32_t mine = header.shadow_region_count.fetch_add(1, std::memory_order_acq_rel);
  if (mine >= capacity<std::uint64_t>(header.shadow_bases)) return no_region;
  ledger_.shadow_bases()[mine] = (number << 20) + 1;  // + 1: zero says unused
  std::uint32_t expected = no_region;
  if (entry.compare_exchange_strong(expected, mine + 1, std::memory_order_acq_rel)) return mine + 1;
  ledger_.shadow_bases()[mine] = 0;
  return expected;
}

}  // namespace leakscope
