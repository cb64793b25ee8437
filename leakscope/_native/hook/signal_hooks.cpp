#include "signal_hooks.h"

#include <dlfcn.h>

#include "forward.h"
#include "process.h"

#define LEAKSCOPE_EXPORT extern "C" __attribute__((visibility("default")))

namespace leakscope::hook {
namespace {

using Sigaction = int (*)(int, const struct sigaction*, struct sigaction*);
using Signal = sighandler_t (*)(int, sighandler_t);
using Handler = void (*)(int, siginfo_t*, void*);

std::atomic<int> ours{0};
std::atomic<Handler> handler{nullptr};

template <class Function>
Function next(const char* name, std::atomic<Function>& known) noexcept {
  Function function = known.load(std::memory_order_acquire);
  if (function == nullptr) {
    function = reinterpret_cast<Function>(real_dlsym(RTLD_NEXT, name));
    known.store(function, std::memory_order_release);
  }
  return function;
}

Sigaction real_sigaction() noexcept {
  static std::atomic<Sigaction> known{nullptr};
  return next("sigaction", known);
}

Signal real_signal() noexcept {
  static std::atomic<Signal> known{nullptr};
  return next("signal", known);
}

bool is_ours(int number) noexcept {
  return number != 0 && number == ours.load(std::memory_order_relaxed);
}

void give_up() noexcept {
  ours.store(0);
  if (process_ledger()) process_ledger().header().wake_signal.store(0);
}

// Looked up while the library is loaded: later calls may come from signal handlers, or between vfork and exec.
__attribute__((constructor)) void look_up() {
  real_sigaction();
  real_signal();
}

}  // namespace

void keep_wake_signal(int number, const struct sigaction& action) noexcept {
  handler.store(action.sa_sigaction);
  ours.store(number);
  process_ledger().header().wake_signal.store(static_cast<std::uint32_t>(number));
}

}  // namespace leakscope::hook

using namespace leakscope::hook;

LEAKSCOPE_EXPORT int sigaction(int number, const struct sigaction* action, struct sigaction* old) noexcept {
  const Sigaction function = real_sigaction();
  const bool was_ours = is_ours(number);
  if (was_ours && action != nullptr) give_up();
  const int result = function(number, action, old);
  if (was_ours && result == 0 && old != nullptr && old->sa_sigaction == handler.load()) *old = {};
  return result;
}

LEAKSCOPE_EXPORT sighandler_t signal(int number, sighandler_t wanted) noexcept {
  const bool was_ours = is_ours(number);
  if (was_ours) give_up();
  const sighandler_t result = real_signal()(number, wanted);
  return was_ours ? SIG_DFL : result;
}
