#include "heap.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>

#include "../platform/copy.h"
#include "process.h"

namespace leakscope::hook {
namespace {

constexpr int walk_limit_s = 120;
constexpr int background_nice = 5;

Header& header() noexcept {
  return recorder.ledger().header();
}

HeapArea& area() noexcept {
  return recorder.ledger().heap();
}

void (*walk_area)(HeapArea& area) noexcept = nullptr;
std::uint64_t frozen_ns = 0;
std::atomic_flag looking = ATOMIC_FLAG_INIT;

void walk_here() noexcept {
  const std::uint64_t began = prim::monotonic_ns(), cpu = prim::thread_cpu_ns();
  HeapArea& to = area();
  walk_area(to);
  to.walk_ns = prim::monotonic_ns() - began;
  to.cpu_ns = prim::thread_cpu_ns() - cpu;
  if (to.state.load(std::memory_order_relaxed) == heap_walking)
    to.state.store(heap_complete, std::memory_order_release);
  tell_parent();
}

void walk_in_copy(void*) noexcept {
  // The copy shares the ledger. What it may still call must not be recorded there.
  activity.store(Activity::off);
  thread_state.busy = 1;
  area().pause_ns = prim::monotonic_ns() - frozen_ns;
  walk_here();
}

void walk_died(void*, int signal) noexcept {
  if (signal == 0) return fail_heap("the walk over the objects took more than 120 s");
  char problem[] = "the walk over the objects died of signal ..";
  char* digits = problem + sizeof problem - 3;
  digits[0] = static_cast<char>(signal < 10 ? '0' + signal : '0' + signal / 10 % 10);
  digits[1] = static_cast<char>(signal < 10 ? 0 : '0' + signal % 10);
  fail_heap(problem);
}

}  // namespace

bool takes_heap() noexcept {
  return recording() && header().config.heap != 0;
}

bool will_take_heap() noexcept {
  return process_ledger() && process_ledger().header().config.heap != 0;
}

void tell_parent() noexcept {
  prim::wake_all(reinterpret_cast<const std::uint32_t*>(&header().request));
}

void fail_heap(const char* problem) noexcept {
  HeapArea& to = area();
  strncpy(to.problem, problem, sizeof to.problem - 1);
  to.state.store(heap_failed, std::memory_order_release);
  tell_parent();
}

bool claim_heap_area(HeapOwner owner) noexcept {
  if (look_after_copy()) return false;
  std::uint32_t expected = heap_empty;
  if (!area().state.compare_exchange_strong(expected, heap_walking)) return false;
  header().heap_owner.store(owner);
  return true;
}

void release_heap_area() noexcept {
  header().heap_owner.store(HeapOwner::nobody);
  area().state.store(heap_empty);
}

void abandon_copy(const char* problem) noexcept {
  const std::uint32_t copy = header().heap_copy.load();
  if (copy == 0) return;
  kill(static_cast<pid_t>(copy), SIGKILL);
  // Until it is gone it may still say that all is well.
  int signal = 0;
  while (!prim::copy_ended(static_cast<int>(copy), signal)) sched_yield();
  header().heap_copy.store(0);
  fail_heap(problem);
}

void freeze_heap(void (*walk)(HeapArea& area) noexcept, HeapOwner owner, WithoutCopy otherwise) noexcept {
  walk_area = walk;
  HeapArea& to = area();
  to.in_child = 1;
  to.values = header().config.heap_values;
  frozen_ns = prim::monotonic_ns();
  const std::uint64_t began = header().began_monotonic_ns;
  // Whoever sees this number may read the table of blocks: what Python's objects are is settled from here on.
  __atomic_store_n(&to.taken_ns, frozen_ns > began ? frozen_ns - began : 1, __ATOMIC_RELEASE);
  const int copy = prim::start_copy(
      {walk_in_copy, walk_died, nullptr, walk_limit_s, owner == HeapOwner::wish ? background_nice : 0});
  if (copy > 0) {
    header().heap_copy.store(static_cast<std::uint32_t>(copy));
    to.pause_ns = prim::monotonic_ns() - frozen_ns;
    tell_parent();
    return;
  }
  to.in_child = 0;
  if (otherwise == WithoutCopy::fail) return fail_heap("the system gave no copy of the process to walk in");
  tell_parent();
  walk_here();
  to.pause_ns = to.walk_ns;
}

bool look_after_copy() noexcept {
  const std::uint32_t copy = header().heap_copy.load();
  if (copy == 0) return false;
  if (looking.test_and_set(std::memory_order_acquire)) return true;
  int signal = 0;
  const bool ended = prim::copy_ended(static_cast<int>(copy), signal);
  if (ended) {
    // It tells its own end, unless that was too sudden.
    if (area().state.load(std::memory_order_acquire) == heap_walking) {
      if (signal != 0) {
        walk_died(nullptr, signal);
      } else {
        fail_heap("the walk over the objects ended without a word");
      }
    }
    header().heap_copy.store(0);
  }
  looking.clear(std::memory_order_release);
  return !ended;
}

void run_errand(bool safe) noexcept {
  const int error = errno;
  look_after_copy();
  if (safe && interpreter.heap_wished != nullptr && takes_heap() &&
      header().heap_wish.load() == HeapWish::wanted && claim_heap_area(HeapOwner::wish)) {
    HeapWish expected = HeapWish::wanted;
    if (header().heap_wish.compare_exchange_strong(expected, HeapWish::claimed)) {
      interpreter.heap_wished();
    } else {
      release_heap_area();
    }
  }
  errno = error;
}

void forget_heap() noexcept {
  looking.clear();
  header().heap_wish.store(HeapWish::none);
  header().heap_owner.store(HeapOwner::nobody);
  header().heap_copy.store(0);
  header().request_heap.store(0);
}

}  // namespace leakscope::hook
