// mmap and its kin, interposed: what programs and libraries take from the kernel directly. The C library's own
// mappings (large mallocs, thread stacks) do not pass here, so nothing is counted twice.
#include <errno.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "hook.h"

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

void* mmap_here(void* address, std::size_t bytes, int protection, int flags, int fd, off_t offset) noexcept {
  const long result = syscall(SYS_mmap, address, bytes, protection, flags, fd, offset);
  if (result == -1) return MAP_FAILED;
  void* mapped = reinterpret_cast<void*>(result);
  if (watched()) {
    ThreadState& thread = thread_state;
    if ((flags & MAP_FIXED) != 0) chunk_released(thread, mapped, rounded(bytes));
    // Address space that is only reserved is not memory yet.
    if (protection != PROT_NONE) chunk_taken(thread, mapped, rounded(bytes), ChunkKind::mapping);
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
