// The C library's allocator functions, interposed: this library is preloaded, so calls through the dynamic linker's
// tables arrive here. Each forwards to the allocator below and, when a look is due, tells hook.cpp.
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "forward.h"
#include "hook.h"

#define LEAKSCOPE_EXPORT extern "C" __attribute__((visibility("default")))

namespace leakscope::hook {

RealAllocator real;
AlignedAllocator aligned;

namespace {

// Before the real functions are known (the dynamic linker itself asks for memory while we look them up) requests are
// served from here and never given back.
alignas(16) char nursery[64 * 1024];
std::atomic<std::size_t> nursery_used{0};

bool in_nursery(const void* address) noexcept {
  return address >= nursery && address < nursery + sizeof nursery;
}

void* nursery_malloc(std::size_t size) noexcept {
  const std::size_t rounded = (size + 31) & ~std::size_t{15};  // 16 bytes in front keep the size
  const std::size_t at = nursery_used.fetch_add(rounded);
  if (at + rounded > sizeof nursery) return nullptr;
  memcpy(nursery + at, &size, sizeof size);
  return nursery + at + 16;
}

bool resolving = false;

bool ready() noexcept {
  if (__builtin_expect(real.malloc != nullptr, 1)) return true;
  if (resolving) return false;
  resolve_real_functions();
  return real.malloc != nullptr;
}

void* nursery_realloc(void* address, std::size_t size) noexcept {
  std::size_t old;
  memcpy(&old, static_cast<char*>(address) - 16, sizeof old);
  void* moved = malloc(size);
  if (moved != nullptr) memcpy(moved, address, old < size ? old : size);
  return moved;
}

__attribute__((noinline)) void* slow_malloc(std::size_t size) noexcept {
  if (!ready()) return nursery_malloc(size);
  void* block = real.malloc(size);
  ThreadState& thread = thread_state;
  ++thread.fallen;  // read by the probe of the interpreter's allocators, python/pymem_hooks.cpp
  thread.last_block = reinterpret_cast<std::uintptr_t>(block);
  allocated(thread, block, size, Domain::native, Locking::none);
  return block;
}

__attribute__((noinline)) void* slow_calloc(std::size_t count, std::size_t size) noexcept {
  if (!ready()) return nursery_malloc(count * size);  // the nursery is zero, and never reused
  void* block = real.calloc(count, size);
  allocated(thread_state, block, count * size, Domain::native, Locking::none);
  return block;
}

__attribute__((noinline)) void slow_free(void* block) noexcept {
  if (in_nursery(block)) return;
  if (!ready()) return;
  const int error = errno;
  freed(thread_state, block,
        Locking::none);  // before the real free: afterwards another thread may own the address
  errno = error;
  real.free(block);
}

__attribute__((noinline)) void* slow_realloc(void* block, std::size_t size) noexcept {
  if (in_nursery(block)) return nursery_realloc(block, size);
  if (!ready()) return block == nullptr ? nursery_malloc(size) : nullptr;
  return realloc_recorded(thread_state, block, size, Domain::native, Locking::none,
                          [](void* old, std::size_t bytes) { return real.realloc(old, bytes); });
}

template <class Call>
void* aligned_request(std::size_t size, Call&& call) noexcept {
  if (!ready()) return nullptr;
  void* block = call();
  if (due(thread_state, size)) allocated(thread_state, block, size, Domain::native, Locking::none);
  return block;
}

}  // namespace

void resolve_real_functions() noexcept {
  resolving = true;
  RealAllocator found{};
  const auto look_up = [](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(real_dlsym(RTLD_NEXT, name));
  };
  look_up(found.calloc, "calloc");
  look_up(found.realloc, "realloc");
  look_up(found.free, "free");
  look_up(found.malloc, "malloc");
  look_up(aligned.posix_memalign, "posix_memalign");
  look_up(aligned.aligned_alloc, "aligned_alloc");
  look_up(aligned.memalign, "memalign");
  look_up(aligned.valloc, "valloc");
  look_up(aligned.pvalloc, "pvalloc");
  real = found;
  resolving = false;
}

}  // namespace leakscope::hook

using namespace leakscope;
using namespace leakscope::hook;

LEAKSCOPE_EXPORT void* malloc(std::size_t size) {
  ThreadState& thread = thread_state;
  if (!due(thread, size) && real.malloc != nullptr) return real.malloc(size);
  return slow_malloc(size);
}

LEAKSCOPE_EXPORT void* calloc(std::size_t count, std::size_t size) {
  std::size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return nullptr;
  }
  ThreadState& thread = thread_state;
  if (!due(thread, bytes) && real.calloc != nullptr) return real.calloc(count, size);
  return slow_calloc(count, size);
}

LEAKSCOPE_EXPORT void free(void* block) {
  if (may_be_recorded(block) || real.free == nullptr || in_nursery(block)) return slow_free(block);
  real.free(block);
}

LEAKSCOPE_EXPORT void* realloc(void* block, std::size_t size) {
  ThreadState& thread = thread_state;
  const bool look = due(thread, size);
  if (!look && !may_be_recorded(block) && real.realloc != nullptr && !in_nursery(block))
    return real.realloc(block, size);
  return slow_realloc(block, size);
}

LEAKSCOPE_EXPORT void* reallocarray(void* block, std::size_t count, std::size_t size) {
  std::size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes)) {
    errno = ENOMEM;
    return nullptr;
  }
  return realloc(block, bytes);
}

LEAKSCOPE_EXPORT int posix_memalign(void** into, std::size_t alignment, std::size_t size) {
  int status = ENOMEM;
  void* block = nullptr;
  aligned_request(size, [&] {
    status = aligned.posix_memalign(&block, alignment, size);
    return status == 0 ? block : nullptr;
  });
  if (status == 0) *into = block;
  return status;
}

LEAKSCOPE_EXPORT void* aligned_alloc(std::size_t alignment, std::size_t size) {
  return aligned_request(size, [&] { return aligned.aligned_alloc(alignment, size); });
}

LEAKSCOPE_EXPORT void* memalign(std::size_t alignment, std::size_t size) {
  return aligned_request(size, [&] { return aligned.memalign(alignment, size); });
}

LEAKSCOPE_EXPORT void* valloc(std::size_t size) {
  return aligned_request(size, [&] { return aligned.valloc(size); });
}

LEAKSCOPE_EXPORT void* pvalloc(std::size_t size) {
  return aligned_request(size, [&] { return aligned.pvalloc(size); });
}
