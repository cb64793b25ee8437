#include "ledger.h"

#include <sched.h>

#include <algorithm>
#include <initializer_list>

#include "../platform/prim.h"

namespace leakscope {
namespace {

constexpr std::uint64_t page = 4096;
constexpr std::uint64_t shadow_directory_bytes = sizeof(std::uint32_t)
                                                 << 27;  // 47-bit addresses, 1 MiB a region
constexpr std::uint64_t shadow_region_bytes = 65536 * 8;

constexpr std::uint64_t rounded(std::uint64_t bytes) {
  return (bytes + page - 1) / page * page;
}

// One per MiB of heap: room for twice the machine's memory, in which a heap with holes may lie scattered.
std::uint64_t shadow_regions() {
  const std::uint64_t megabytes = prim::physical_bytes() >> 20;
  return std::clamp<std::uint64_t>(2 * megabytes, 1u << 13, 1u << 20);
}

// A graph takes some 20 bytes for an object, and hardly any object is below 64.
std::uint64_t heap_bytes() {
  constexpr std::uint64_t gigabyte = 1u << 30;
  return std::clamp<std::uint64_t>(prim::physical_bytes() / 64 * 32, gigabyte, 64 * gigabyte);
}

}  // namespace

void SpinLock::relax(int spins) noexcept {
  if (spins > 64) sched_yield();
}

void lay_out(Header& header, const LedgerConfig& config) noexcept {
  header.magic = ledger_magic;
  header.layout = ledger_layout;
  header.header_bytes = sizeof(Header);
  header.config = config;
  if (header.config.max_stacks > stack_limit) header.config.max_stacks = stack_limit;
  if (header.config.max_stacks < 1024) header.config.max_stacks = 1024;
  const bool exact = config.interval_bytes <= 1;
  const std::uint64_t nodes = header.config.max_stacks;
  const std::uint64_t frames = nodes / 4;

  std::uint64_t next = rounded(sizeof(Header));
  const auto place = [&next](Section& section, std::uint64_t bytes) {
    section = {next, bytes};
    next += rounded(bytes);
  };
  place(header.threads, sizeof(ThreadRow) * thread_limit);
  place(header.string_index, sizeof(std::uint64_t) * frames);
  place(header.string_bytes, 64 * frames);
  place(header.frames, sizeof(Frame) * frames);
  place(header.nodes, sizeof(Node) * nodes);
  for (Section& section : header.counters) place(section, sizeof(Counters) * nodes);
  place(header.block_rows, sizeof(BlockRow) << 24);
  place(header.chunk_rows, sizeof(ChunkRow) << 17);
  place(header.pool_rows, sizeof(PoolRow) * pool_limit);
  place(header.handle_rows, sizeof(HandleRow) * handle_limit);
  place(header.cross_rows, sizeof(CrossRow) * cross_limit);
  place(header.buffer_rows, sizeof(BufferRow) << 20);
  place(header.buffer_counters, sizeof(BufferCounters) * nodes);
  place(header.heap, heap_bytes());
  place(header.shadow_directory, exact ? shadow_directory_bytes : 0);
  place(header.shadow_bases, exact ? sizeof(std::uint64_t) * shadow_regions() : 0);
  place(header.shadow_regions, exact ? shadow_region_bytes * shadow_regions() : 0);
  header.file_bytes = next;

  header.string_count = 1;  // id 0 of each table is taken: "", no frame, the root
  header.frame_count = 1;
  header.node_count = 1;
  header.block_high = 1;
  header.handle_high = 1;
  header.cross_high = 1;
  header.buffer_high = 1;
}

bool is_sound(const Header& header, std::uint64_t bytes) noexcept {
  if (bytes < sizeof(Header) || header.magic != ledger_magic || header.layout != ledger_layout ||
      header.header_bytes != sizeof(Header) || header.file_bytes > bytes)
    return false;
  for (const Section* section :
       {&header.threads, &header.string_index, &header.string_bytes, &header.frames, &header.nodes,
        &header.counters[0], &header.counters[1], &header.block_rows, &header.chunk_rows, &header.pool_rows,
        &header.handle_rows, &header.cross_rows, &header.buffer_rows, &header.buffer_counters, &header.heap,
        &header.shadow_directory, &header.shadow_bases, &header.shadow_regions}) {
    if (section->offset % page != 0 || section->offset > header.file_bytes ||
        section->bytes > header.file_bytes - section->offset)
      return false;
  }
  // One table's rows are found by another's ids: all must have room for them.
  const std::uint64_t nodes = header.nodes.bytes / sizeof(Node);
  for (const Section& counters : header.counters)
    if (counters.bytes / sizeof(Counters) < nodes) return false;
  if (header.buffer_counters.bytes / sizeof(BufferCounters) < nodes) return false;
  if (nodes == 0 || header.frames.bytes < sizeof(Frame) ||
      header.string_index.bytes < sizeof(std::uint64_t) ||
      header.threads.bytes < sizeof(ThreadRow) * thread_limit ||
      header.pool_rows.bytes < sizeof(PoolRow) * pool_limit || header.heap.bytes < sizeof(HeapArea))
    return false;
  return header.shadow_regions.bytes == 0 || (header.shadow_directory.bytes >= shadow_directory_bytes &&
                                              header.shadow_regions.bytes / shadow_region_bytes >=
                                                  header.shadow_bases.bytes / sizeof(std::uint64_t));
}

}  // namespace leakscope
