// shm_open and shm_unlink, interposed: named shared memory outlives whoever made it, so each segment is a handle that
// must be unlinked. Who maps it, and how large it is, whoever reads the ledger sees from outside.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>

#include "forward.h"
#include "pools.h"
#include "process.h"

#define LEAKSCOPE_EXPORT extern "C" __attribute__((visibility("default")))

namespace leakscope::hook {
namespace {

using Open = int (*)(const char*, int, mode_t);
using Unlink = int (*)(const char*);

template <class Function>
Function next(const char* name, std::atomic<Function>& known) noexcept {
  Function function = known.load(std::memory_order_acquire);
  if (function == nullptr) {
    function = reinterpret_cast<Function>(real_dlsym(RTLD_NEXT, name));
    known.store(function, std::memory_order_release);
  }
  return function;
}

// Odd, as no object's address is.
std::uint64_t key_of(const char* name) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (; *name != 0; ++name) hash = (hash ^ static_cast<unsigned char>(*name)) * 0x100000001b3ULL;
  return mixed(hash) | 1;
}

void tell(PoolEvent event, const char* name) noexcept {
  if (name == nullptr || !recording() || thread_state.busy != 0) return;
  const int error = errno;
  while (*name == '/') ++name;
  const std::uint32_t pool = recorder.pools().open("shared memory", "/dev/shm", shared_memory_kind);
  if (pool < pool_limit)
    pool_event({pool, event, true, key_of(name), 0, 1, recorder.trie().string(name)}, 0, Locking::none);
  errno = error;
}

}  // namespace
}  // namespace leakscope::hook

using namespace leakscope;
using namespace leakscope::hook;

LEAKSCOPE_EXPORT int shm_open(const char* name, int flags, mode_t mode) {
  static std::atomic<Open> known{nullptr};
  const Open function = next("shm_open", known);
  if (function == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  const int fd = function(name, flags, mode);
  if (fd >= 0) tell((flags & O_CREAT) != 0 ? PoolEvent::acquired : PoolEvent::touched, name);
  return fd;
}

LEAKSCOPE_EXPORT int shm_unlink(const char* name) {
  static std::atomic<Unlink> known{nullptr};
  const Unlink function = next("shm_unlink", known);
  if (function == nullptr) {
    errno = ENOSYS;
    return -1;
  }
  const int result = function(name);
  if (result == 0) tell(PoolEvent::released, name);
  return result;
}
