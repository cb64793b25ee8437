#include "wake.h"

#include <errno.h>
#include <signal.h>

#include "../hook/heap.h"
#include "../hook/process.h"
#include "../hook/signal_hooks.h"
#include "heap_objects.h"
#include "take_heap.h"

namespace leakscope::python {
namespace {

Header& header() noexcept {
  return hook::recorder.ledger().header();
}

// The wish is ours: nobody had heard it, or who had fell asleep before coming to it.
bool claim_wish() noexcept {
  if (header().heap_wish.load() == HeapWish::claimed) return take_over_pending_wish();
  if (header().heap_wish.load() != HeapWish::wanted || !hook::claim_heap_area(HeapOwner::wish)) return false;
  HeapWish expected = HeapWish::wanted;
  if (header().heap_wish.compare_exchange_strong(expected, HeapWish::claimed)) return true;
  hook::release_heap_area();
  return false;
}

// In whatever thread the kernel chose, in the middle of whatever it did: system calls and atomic words only. What is
// copied is a heap at rest if nobody has the interpreter's lock, or as whole as C code left it if this very thread has
// it. A heap that another thread is at work on is not touched.
void answer_wish() noexcept {
  if (!hook::takes_heap()) return;
  const enum leakscope_lock before = leakscope_who_has_lock();
  if (before == LOCK_OF_OTHERS || !claim_wish()) return;
  freeze_for_wish();
  // Somebody went to work while the pages were being shared out: that copy shows no moment at all.
  if (leakscope_who_has_lock() != before)
    hook::abandon_copy("the program went on while its heap was being frozen");
}

void on_signal(int, siginfo_t* about, void*) {
  // Ours is sent by the parent; anybody else's is none of our business.
  if (!hook::recording() || static_cast<std::uint32_t>(about->si_pid) != header().parent.load()) return;
  const int error = errno;
  const std::uint8_t busy = hook::thread_state.busy;
  hook::thread_state.busy = 1;
  answer_wish();
  hook::thread_state.busy = busy;
  errno = error;
}

}  // namespace

void await_wake_signal() noexcept {
  if (!hook::will_take_heap()) return;
  // Real-time signals from the far end: the C library takes the first ones, programs count from there.
  for (int number = SIGRTMAX - 4; number > SIGRTMIN + 4; --number) {
    struct sigaction now {};
    if (sigaction(number, nullptr, &now) != 0 || now.sa_handler != SIG_DFL) continue;
    struct sigaction wanted {};
    wanted.sa_sigaction = on_signal;
    // Never on an alternate stack: these are small, and the walk goes on where the handler is.
    wanted.sa_flags = SA_SIGINFO | SA_RESTART;
    sigfillset(&wanted.sa_mask);
    if (sigaction(number, &wanted, nullptr) == 0) hook::keep_wake_signal(number, wanted);
    return;
  }
}

}  // namespace leakscope::python
