// What the parent sees of the buffer protocol: outstanding exports, and who acquired and released how many.
#include <algorithm>

#include "ledger_reader.h"

namespace leakscope {

std::vector<std::uint32_t> LedgerReader::add_views(DumpColumns& out, const ThreadRows& threads) const {
  std::vector<std::uint64_t> address, exporter, bytes;
  std::vector<std::uint32_t> stack, thread, type, weight;
  std::vector<std::uint8_t> on_stack;
  std::vector<float> born;
  std::uint32_t high = ledger_.header().buffer_high.load(std::memory_order_acquire);
  high = std::min(high, capacity<BufferRow>(ledger_.sections().buffer_rows));
  for (std::uint32_t at = 1; at < high; ++at) {
    const BufferRow& row = ledger_.buffer_rows()[at];
    const std::uint32_t before = __atomic_load_n(&row.sequence, __ATOMIC_ACQUIRE);
    const BufferRow copy = row;
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    if ((before & 1) != 0 || __atomic_load_n(&row.sequence, __ATOMIC_RELAXED) != before) continue;
    if (copy.view == 0 || copy.weight == 0) continue;  // free, or scribbled over by the program
    address.push_back(copy.view);
    exporter.push_back(copy.exporter);
    bytes.push_back(copy.bytes);
    stack.push_back(checked_stack(copy.stack));
    thread.push_back(threads.token(copy.thread));
    type.push_back(copy.type < string_count() ? copy.type : 0);
    weight.push_back(copy.weight);
    on_stack.push_back(copy.on_stack != 0 ? 1 : 0);
    born.push_back(static_cast<float>(copy.born * moment_seconds));
  }
  out.add("view.address", "u8", std::move(address));
  out.add("view.exporter", "u8", std::move(exporter));
  out.add("view.bytes", "u8", std::move(bytes));
  out.add("view.stack", "u4", std::move(stack));
  out.add("view.type", "u4", std::move(type));
  out.add("view.weight", "u4", std::move(weight));
  out.add("view.on_stack", "u1", std::move(on_stack));
  out.add("view.born_s", "f4", std::move(born));
  return thread;
}

void LedgerReader::add_buffer_counters(DumpColumns& out) const {
  std::vector<std::uint32_t> stack;
  std::vector<std::uint64_t> acquired, released, foreign;
  const std::uint32_t count = node_count();
  for (StackId id = 0; id < count; ++id) {
    const BufferCounters one = ledger_.buffer_counters()[id];
    if (one.acquired == 0) continue;
    stack.push_back(id);
    acquired.push_back(one.acquired);
    released.push_back(one.released);
    foreign.push_back(one.foreign);
  }
  out.add("buffer.stack", "u4", std::move(stack));
  out.add("buffer.acquired", "u8", std::move(acquired));
  out.add("buffer.released", "u8", std::move(released));
  out.add("buffer.foreign", "u8", std::move(foreign));
  const BufferTotals& totals = ledger_.header().buffers;
  const std::uint64_t* const fields[] = {&totals.acquired,        &totals.released,     &totals.foreign,
                                         &totals.unseen_releases, &totals.unknown,      &totals.replaced,
                                         &totals.dropped,         &totals.refused_types};
  std::vector<std::uint64_t> values;
  for (const std::uint64_t* field : fields) values.push_back(__atomic_load_n(field, __ATOMIC_RELAXED));
  out.add("buffer_total.count", "u8", std::move(values));
}

}  // namespace leakscope
