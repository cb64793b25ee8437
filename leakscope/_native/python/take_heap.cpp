#include "take_heap.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>

#include "../hook/heap.h"
#include "../hook/process.h"
#include "buffer_hooks.h"
#include "frames.h"
#include "heap_objects.h"
#include "heap_walk.h"

namespace leakscope::python {
namespace {

constexpr std::uint64_t second_ns = 1'000'000'000u;
constexpr std::uint64_t earlier_graph_ns = 30 * second_ns;
constexpr std::size_t stack_bytes = 512 * 1024;  // in the copy, other people's tp_traverse run on it

// A thread of ours is on its way to the interpreter's lock: it will need it, and fails if there is no interpreter.
std::atomic<std::uint32_t> on_its_way{0};
// The main thread will be here soon.
std::atomic<bool> pending{false};
std::atomic<bool> closing{false};

Header& header() noexcept {
  return hook::recorder.ledger().header();
}

std::uint64_t native_id_of(std::uint64_t pthread) noexcept {
  const Ledger ledger = hook::recorder.ledger();
  const std::uint32_t rows = header().thread_count.load();
  for (std::uint32_t row = 0; row < rows && row < thread_limit; ++row) {
    const ThreadRow& thread = ledger.threads()[row];
    if (thread.pthread == pthread && thread.ended == 0) return thread.native_id;
  }
  return 0;
}

void walk(HeapArea& area) noexcept {
  const WalkOptions options{area.values != 0, native_id_of};
  const char* problem = walk_heap(area, hook::recorder.ledger().sections().heap.bytes, options);
  if (problem != nullptr) hook::fail_heap(problem);
}

// In a copy of a program that slept nobody has the interpreter's lock, and some types want to know who asks.
void walk_asleep(HeapArea& area) noexcept {
  leakscope_adopt_thread();
  walk(area);
}

// ---- the parent's wish --------------------------------------------------------------------------------------------

// With the interpreter's lock, between two instructions of somebody's code.
void fulfil_wish() {
  if (header().heap_wish.load() == HeapWish::claimed) {
    watch_new_types();
    hook::freeze_heap(walk, HeapOwner::wish);
  } else {
    hook::fail_heap("the interpreter's lock came too late");
  }
}

// With the lock, and no other call of the interpreter in between: now is as good as later.
void fulfil_pending_wish() {
  if (!pending.exchange(false) || !hook::takes_heap()) return;
  const std::uint8_t busy = hook::thread_state.busy;
  hook::thread_state.busy = 1;
  fulfil_wish();
  hook::thread_state.busy = busy;
}

int in_main_thread(void*) {
  fulfil_pending_wish();
  return 0;
}

// Takes the interpreter's lock as any thread does. While the interpreter is finalised that ends the thread right
// here, by unwinding: no frame of ours on the way may be noexcept or have anything to clean up.
void* in_own_thread(void*) {
  hook::thread_state.busy = 1;
  prctl(PR_SET_NAME, "leakscope", 0, 0, 0);
  const PyGILState_STATE state = PyGILState_Ensure();
  fulfil_wish();
  PyGILState_Release(state);
  on_its_way.store(0);
  prim::wake_all(reinterpret_cast<const std::uint32_t*>(&on_its_way));
  return nullptr;
}

bool start_thread() noexcept {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_attr_t how;
  pthread_t thread;
  bool started = false;
  if (pthread_attr_init(&how) == 0) {
    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&how, stack_bytes);
    started = pthread_create(&thread, &how, in_own_thread, nullptr) == 0;
    pthread_attr_destroy(&how);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

// Called by a thread that has asked the interpreter for memory, after it got it. The main thread is where pending calls
// run, and it is awake; a thread of our own would make a program of one thread into one of two, of which a fork warns.
void heap_wished() noexcept {
  std::uint32_t nobody = 0;
  if (closing.load()) return hook::fail_heap("the program is at its end");
  if (prim::thread_id() == prim::process_id()) {
    pending.store(true);
    if (Py_AddPendingCall(in_main_thread, nullptr) == 0) return;
    pending.store(false);
  }
  if (on_its_way.compare_exchange_strong(nobody, 1)) {
    if (start_thread()) return;
    on_its_way.store(0);
  }
  hook::fail_heap("the system gave no thread for the walk over the objects");
}

void forked() noexcept {
  on_its_way.store(0);
  pending.store(false);
}

// ---- requests -----------------------------------------------------------------------------------------------------

template <class Ready>
bool wait_unlocked(const void* word, std::uint64_t timeout_ns, Ready&& ready) {
  const std::uint64_t deadline = prim::monotonic_ns() + timeout_ns;
  const hook::Parent parent(header());
  while (!ready()) {
    const std::uint32_t seen = __atomic_load_n(static_cast<const std::uint32_t*>(word), __ATOMIC_ACQUIRE);
    if (parent.gone() || prim::monotonic_ns() >= deadline) return false;
    PyThreadState* state = PyEval_SaveThread();
    prim::wait_while(static_cast<const std::uint32_t*>(word), seen, second_ns / 20);
    PyEval_RestoreThread(state);
  }
  return true;
}

}  // namespace

bool take_over_pending_wish() noexcept {
  return pending.exchange(false);
}

void freeze_for_wish() noexcept {
  hook::freeze_heap(walk_asleep, HeapOwner::wish, hook::WithoutCopy::fail);
}

void take_heap_for_request(std::uint64_t timeout_ns) {
  if (!hook::takes_heap()) return;
  fulfil_pending_wish();  // the main thread will not come to it while it waits here
  Header& ledger = header();
  const bool ours = wait_unlocked(&hook::recorder.ledger().heap().state, timeout_ns,
                                  [] { return hook::claim_heap_area(HeapOwner::request); });
  if (ours) {
    watch_new_types();
    const std::uint8_t busy = hook::thread_state.busy;
    hook::thread_state.busy = 1;
    hook::freeze_heap(walk, HeapOwner::request);
    hook::thread_state.busy = busy;
  } else {
    strncpy(ledger.heap_problem, "another walk over the objects took too long",
            sizeof ledger.heap_problem - 1);
  }
  ledger.request_heap.store(1);
}

void take_last_heap() {
  if (!hook::takes_heap()) return;
  closing.store(true);
  fulfil_pending_wish();
  if (pending.exchange(false)) hook::fail_heap("the program is at its end");
  wait_unlocked(&on_its_way, earlier_graph_ns, [] { return on_its_way.load() == 0; });
  take_heap_for_request(earlier_graph_ns);
}

void await_heap_wishes() noexcept {
  hook::interpreter.heap_wished = heap_wished;
  hook::interpreter.forked = forked;
}

}  // namespace leakscope::python
