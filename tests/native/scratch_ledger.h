// For tests of the bookkeeping: a sparse ledger that goes when the test goes, walled in by memory that nobody may
// touch, so that a step outside is a crash and not a wrong number.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <random>

#include "ledger.h"
#include "prim.h"

namespace leakscope::test {

using Random = std::mt19937_64;

// From `low` to `high`, both included.
inline std::uint64_t between(Random& random, std::uint64_t low, std::uint64_t high) {
  return std::uniform_int_distribution<std::uint64_t>(low, high)(random);
}

inline LedgerConfig config_of(std::uint64_t interval_bytes, std::uint32_t max_stacks = 1024) {
  LedgerConfig config;
  config.interval_bytes = interval_bytes;
  config.max_stacks = max_stacks;
  config.buffers = 1;
  return config;
}

inline constexpr std::uint64_t exact = 1;
inline constexpr std::uint64_t sampled = 65536;

// Which sections to leave small: whole ones take a scribbled count for gigabytes to read.
enum class Room { whole, small };

class ScratchLedger {
 public:
  explicit ScratchLedger(std::uint64_t interval_bytes, Room room = Room::whole)
      : ScratchLedger(config_of(interval_bytes), room) {}

  explicit ScratchLedger(const LedgerConfig& config, Room room = Room::whole) {
    auto* layout = static_cast<Header*>(prim::map_memory(sizeof(Header)));
    if (layout == nullptr) std::abort();
    lay_out(*layout, config);
    if (room == Room::small) shrink(*layout);
    layout->phase = Phase::recording;
    layout->began_monotonic_ns = prim::coarse_ns() - 5'000'000'000u;
    bytes_ = layout->file_bytes;
    fd_ = prim::create_shared("leakscope-test", bytes_);
    if (fd_ < 0 || ::pwrite(fd_, layout, sizeof(Header), 0) != ssize_t{sizeof(Header)}) std::abort();
    prim::unmap_memory(layout, sizeof(Header));
    void* walls =
        ::mmap(nullptr, bytes_ + 2 * wall, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (walls == MAP_FAILED) std::abort();
    walls_ = static_cast<std::byte*>(walls);
    if (prim::map_shared(fd_, bytes_, walls_ + wall) == nullptr) std::abort();
  }
  ScratchLedger(const ScratchLedger&) = delete;
  ScratchLedger& operator=(const ScratchLedger&) = delete;
  ~ScratchLedger() {
    ::munmap(walls_, bytes_ + 2 * wall);
    ::close(fd_);
  }

  [[nodiscard]] Ledger ledger() const noexcept { return Ledger(base()); }
  [[nodiscard]] Header& header() const noexcept { return ledger().header(); }
  // The part of the shadow's directory that stands for the 8 MiB from `address`.
  [[nodiscard]] Section directory_at(std::uint64_t address) const noexcept {
    const Section& all = header().shadow_directory;
    return all.bytes == 0 ? all : Section{all.offset + (address >> 20) * sizeof(std::uint32_t), 32};
  }
  [[nodiscard]] std::byte* base() const noexcept { return walls_ + wall; }
  [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] int fd() const noexcept { return fd_; }

 private:
  static constexpr std::uint64_t wall = std::uint64_t{1} << 30;

  static void shrink(Header& header) {
    header.block_rows.bytes = 1024 * sizeof(BlockRow);
    header.chunk_rows.bytes = 256 * sizeof(ChunkRow);
    header.handle_rows.bytes = 256 * sizeof(HandleRow);
    header.cross_rows.bytes = 256 * sizeof(CrossRow);
    header.buffer_rows.bytes = 256 * sizeof(BufferRow);
    header.heap.bytes = std::uint64_t{1} << 24;
    if (header.shadow_regions.bytes == 0) return;
    header.shadow_bases.bytes = 8 * sizeof(std::uint64_t);
    header.shadow_regions.bytes = std::uint64_t{8} * 65536 * 8;
    header.file_bytes = header.shadow_regions.offset + header.shadow_regions.bytes;
  }

  std::uint64_t bytes_ = 0;
  int fd_ = -1;
  std::byte* walls_ = nullptr;
};

}  // namespace leakscope::test
