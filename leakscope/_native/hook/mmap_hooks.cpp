// mmap and its kin, interposed: what programs and libraries take from the kernel directly. The C library's own
// mappings (large mallocs, thread stacks) do not pass here, so nothing is counted twice.
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process.h"

#define LEAKSCOPE_EXPORT extern "C" __attribute__((visibility("default")))

using namespace leakscope;
using namespace leakscope::hook;

namespace {

constexpr std::size_t page = 4096;
std::size_t rounded(std::size_t bytes) {
  return (bytes + page - 1) & ~(page - 1);
}

bool watched() noexcept {
  return recording() && thread_state.busy == 0;
}

// Arenas from before recording pass here like any mapping, since pymalloc takes them by mmap(). Whoever reads the ledger
// finds out which of these mappings are arenas.
std::uint64_t early_word(const void* address, std::size_t bytes) noexcept {
  return reinterpret_cast<std::uintptr_t>(address) | static_cast<std::uint64_t>(__builtin_ctzl(bytes));
}

bool of_arena_size(std::size_t bytes) noexcept {
  return bytes == std::size_t{256} << 10 || bytes == std::size_t{1} << 20 || bytes == std::size_t{2} << 20;
}

void swap_early(std::uint64_t old, std::uint64_t fresh) noexcept {
  const Ledger ledger = process_ledger();
  if (!ledger) return;
  for (auto& place : ledger.header().early_arenas) {
    std::uint64_t seen = old;
    if (place.compare_exchange_strong(seen, fresh, std::memory_order_relaxed)) return;
  }
}

void* mmap_here(void* address, std::size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  const long result = syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
  if (result == -1) return MAP_FAILED;
  void* mapped = reinterpret_cast<void*>(result);
  if (watched()) {
    ThreadState& thread = thread_state;
    if ((flags & MAP_FIXED) != 0) chunk_released(thread, mapped, rounded(bytes));
    // Address space that is only reserved is not memory yet.
    if (protection != PROT_NONE) chunk_taken(thread, mapped, rounded(bytes), ChunkKind::mapping);
  } else if (of_arena_size(bytes) && !recording() && protection == (PROT_READ | PROT_WRITE) &&
             (flags & (MAP_ANONYMOUS | MAP_PRIVATE)) == (MAP_ANONYMOUS | MAP_PRIVATE)) {
    swap_early(0, early_word(mapped, bytes));
  }
  return mapped;
}

}  // namespace

LEAKSCOPE_EXPORT void* mmap(void* address, std::size_t bytes, int protection, int flags, int fd,
                            off_t offset) noexcept {
  return mmap_here(address, bytes, protection, flags, fd, offset);
}

LEAKSCOPE_EXPORT void* mmap64(void* address, std::size_t bytes, int protection, int flags, int fd,
                              off64_t offset) noexcept {
  return mmap_here(address, bytes, protection, flags, fd, offset);
}

LEAKSCOPE_EXPORT int munmap(void* address, std::size_t bytes) noexcept {
  if (watched()) chunk_released(thread_state, address, rounded(bytes));
  if (of_arena_size(bytes)) swap_early(early_word(address, bytes), 0);
  return static_cast<int>(syscall(SYS_munmap, address, bytes));
}

LEAKSCOPE_EXPORT void* mremap(void* address, std::size_t old_bytes, std::size_t bytes, int flags,
                              ...) noexcept {
  va_list rest;
  va_start(rest, flags);
  void* wanted = (flags & MREMAP_FIXED) != 0 ? va_arg(rest, void*) : nullptr;
  va_end(rest);
  const long result = syscall(SYS_mremap, address, old_bytes, bytes, flags, wanted);
  if (result == -1) return MAP_FAILED;
  void* mapped = reinterpret_cast<void*>(result);
  if (watched()) {
    chunk_released(thread_state, address, rounded(old_bytes));
    chunk_taken(thread_state, mapped, rounded(bytes), ChunkKind::mapping);
  }
  return mapped;
}
