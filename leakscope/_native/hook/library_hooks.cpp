// The dynamic linker's own functions: dlsym, so that programs that look up malloc by name (ctypes, loaders) are seen
// too, and dlclose, after which an address may belong to another library. And the library's constructor.
#include <dlfcn.h>
#include <string.h>
#include <sys/mman.h>

#include "forward.h"
#include "process.h"

#define LEAKSCOPE_EXPORT extern "C" __attribute__((visibility("default")))

namespace leakscope::hook {
namespace {

using Dlsym = void* (*)(void*, const char*);

Dlsym c_library_dlsym() noexcept {
  static std::atomic<Dlsym> known{nullptr};
  if (Dlsym function = known.load(std::memory_order_acquire); function != nullptr) return function;
  for (const char* version : {"GLIBC_2.34", "GLIBC_2.17", "GLIBC_2.2.5"}) {
    if (void* found = dlvsym(RTLD_NEXT, "dlsym", version); found != nullptr) {
      const auto function = reinterpret_cast<Dlsym>(found);
      known.store(function, std::memory_order_release);
      return function;
    }
  }
  return nullptr;
}

const char* const hooked_names[] = {"malloc",         "calloc",        "realloc",  "free",   "reallocarray",
                                    "posix_memalign", "aligned_alloc", "memalign", "valloc", "pvalloc",
                                    "mmap",           "mmap64",        "munmap",   "mremap"};

bool is_hooked(const char* name) noexcept {
  for (const char* candidate : hooked_names)
    if (strcmp(candidate, name) == 0) return true;
  return false;
}

__attribute__((constructor)) void start() {
  if (real.malloc == nullptr) resolve_real_functions();
  adopt_environment();
  if (has_ledger() && interpreter_present()) await_interpreter();
}

}  // namespace

void* real_dlsym(void* handle, const char* name) noexcept {
  const Dlsym function = c_library_dlsym();
  return function != nullptr ? function(handle, name) : nullptr;
}

void* hooked(const char* name, void* found) noexcept {
  // Only where the program would have got what we forward to anyway: another allocator's function stays itself.
  if (found == nullptr || found != real_dlsym(RTLD_NEXT, name)) return found;
  void* ours = real_dlsym(RTLD_DEFAULT, name);
  return ours != nullptr ? ours : found;
}

bool interpreter_present() noexcept {
  return real_dlsym(RTLD_DEFAULT, "PySys_AddAuditHook") != nullptr;
}

}  // namespace leakscope::hook

using namespace leakscope::hook;

// RTLD_NEXT means "after the caller", found by the return address: hence the tail call, which leaves the caller's.
LEAKSCOPE_EXPORT void* dlsym(void* handle, const char* name) noexcept {
  const auto function = c_library_dlsym();
  if (function == nullptr) return nullptr;
  if (handle == RTLD_NEXT || !is_hooked(name)) return function(handle, name);
  return hooked(name, function(handle, name));
}

LEAKSCOPE_EXPORT int dlclose(void* handle) noexcept {
  static const auto function = reinterpret_cast<int (*)(void*)>(real_dlsym(RTLD_NEXT, "dlclose"));
  forget_libraries();
  return function(handle);
}
