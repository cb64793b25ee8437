#include "hook.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>

#include "heap.h"
#include "process.h"

namespace leakscope::hook {

constinit thread_local ThreadState thread_state __attribute__((tls_model("initial-exec")));
std::uint8_t heap_filter[filter_entries];
std::uint8_t code_page[code_pages];
std::atomic<const void*> states[most_states];
Interpreter interpreter;
Recorder recorder;
std::atomic<Activity> activity{Activity::off};
std::uint64_t small_buffer_bytes = 0;

namespace {

std::uint64_t interval_bytes = 1, exact_bytes = 0;
std::atomic<std::uint64_t> asked_bytes{0};  // by all threads, until the interval is reached
pthread_key_t exit_key;
bool exit_key_made = false;

// While nothing is recorded a thread looks up again after this many bytes.
constexpr std::int64_t idle_bytes = 1 << 20;

std::uint8_t& filter_entry(std::uint64_t address) noexcept {
  return heap_filter[filter_index(address)];
}

void thread_ended(void*) {
  ThreadState& thread = thread_state;
  if (thread.phase != 1) return;
  thread.phase = 2;
  if (recording()) recorder.thread_ended(thread.thread, thread.held);
  thread.held = 0;
  release_cache(thread);
}

void register_thread(ThreadState& thread) noexcept {
  thread.phase = 1;
  thread.random = prim::random_seed();
  char name[16];
  prim::thread_name(name, sizeof name);
  recorder.refresh();
  thread.thread =
      recorder.thread_started(prim::thread_id(), static_cast<std::uint64_t>(pthread_self()), name);
  if (exit_key_made) pthread_setspecific(exit_key, &thread_state);
}

void arm(ThreadState& thread) noexcept {
  const auto cap = static_cast<std::int64_t>(exact_bytes) - 1;
  thread.armed = thread.remaining < cap ? thread.remaining : cap;
  thread.countdown = thread.armed;
}

// The next gap: fine as long as the process has asked for little; see core/sampler.h.
void draw(ThreadState& thread) noexcept {
  if (thread.mean < interval_bytes)
    thread.mean = Sampler::mean_after(asked_bytes.load(std::memory_order_relaxed), interval_bytes);
  thread.remaining = Sampler::gap(thread.random, thread.mean);
}

// Adds what a thread asked for since its last look. Large blocks are known anyway and count as little as they may.
void count_asked(ThreadState& thread, std::int64_t passed) noexcept {
  if (thread.mean >= interval_bytes) return;
  const auto most = static_cast<std::int64_t>(exact_bytes);
  asked_bytes.fetch_add(static_cast<std::uint64_t>(std::min(passed, most)), std::memory_order_relaxed);
}

constexpr std::uint32_t ticks_to_glance = 63;

// Now and then: the clock, and what there may be to do beside recording.
inline void glance(ThreadState& thread, Domain domain) noexcept {
  recorder.refresh();
  if (__builtin_expect(!has_errand(), 1)) return;
  const bool safe = domain == Domain::obj || domain == Domain::mem;
  run_errand(safe);
  if (!safe) thread.ticks |= ticks_to_glance;  // the next one may be
}

// Is the block of `size` bytes, just subtracted from the countdown, to be recorded? See core/sampler.h.
bool is_marked(ThreadState& thread, std::size_t size, Domain domain) noexcept {
  if (interval_bytes <= 1) {
    thread.countdown = -1;
    // The clock is dearer than the rest of a look.
    if ((++thread.ticks & ticks_to_glance) == 0) glance(thread, domain);
    return true;
  }
  ++thread.ticks;
  const std::int64_t passed = thread.armed - thread.countdown;
  thread.remaining -= passed;
  count_asked(thread, passed);
  const bool recorded = thread.remaining < 0 || size >= exact_bytes;
  if (recorded) {
    thread.drawn_with = thread.mean;
    draw(thread);
    glance(thread, domain);
  }
  arm(thread);
  return recorded;
}

// The uncommon beginnings of a look: nothing is recorded, the thread is new, more than one interpreter.
__attribute__((noinline)) bool enter_first(ThreadState& thread, Locking& locking) noexcept {
  if (thread.busy != 0) return false;
  const Activity now = activity.load(std::memory_order_acquire);
  if (now == Activity::off) {
    thread.countdown = thread.armed = idle_bytes;
    return false;
  }
  if (now == Activity::many_interpreters) locking = Locking::none;
  thread.busy = 1;
  if (thread.phase == 0) {
    const int error = errno;
    register_thread(thread);
    draw(thread);
    thread.armed = thread.countdown = 0;
    errno = error;
  }
  return true;
}

// Common beginning of every look: false if the event is none of ours.
inline bool enter(ThreadState& thread, Locking& locking) noexcept {
  const bool usual =
      thread.busy == 0 && thread.phase != 0 && activity.load(std::memory_order_acquire) == Activity::on;
  if (__builtin_expect(!usual, 0)) return enter_first(thread, locking);
  thread.busy = 1;
  return true;
}

// After its end, when other libraries clean up, a thread tells what it holds event by event.
__attribute__((noinline)) void leave_late(ThreadState& thread) noexcept {
  recorder.thread_holds(thread.thread, thread.held);
  thread.held = 0;
}

inline void leave(ThreadState& thread) noexcept {
  thread.busy = 0;
  if (__builtin_expect(thread.phase == 2, 0)) leave_late(thread);
}

StackId stack_here(ThreadState& thread, Domain domain, Locking& locking) noexcept {
  StackId stack = 0;
  if (interpreter.stack != nullptr && thread.phase == 1) stack = interpreter.stack(thread, locking);
  if (domain == Domain::native || domain == Domain::mapping) {
    const int error = errno;
    stack = native_stack(thread, stack);
    errno = error;
  }
  return stack;
}

}  // namespace

void filter_add(std::uint64_t address) noexcept {
  std::uint8_t& entry = filter_entry(address);
  std::uint8_t count = __atomic_load_n(&entry, __ATOMIC_RELAXED);
  while (count != 255 && !__atomic_compare_exchange_n(&entry, &count, static_cast<std::uint8_t>(count + 1),
                                                      true, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

// A saturated entry stays: how many blocks it stands for is no longer known.
void filter_remove(std::uint64_t address) noexcept {
  std::uint8_t& entry = filter_entry(address);
  std::uint8_t count = __atomic_load_n(&entry, __ATOMIC_RELAXED);
  while (count != 255 && count != 0 &&
         !__atomic_compare_exchange_n(&entry, &count, static_cast<std::uint8_t>(count - 1), true,
                                      __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {
  }
}

void allocated(ThreadState& thread, void* address, std::size_t size, Domain domain,
               Locking locking) noexcept {
  if (address == nullptr || !enter(thread, locking)) return;
  if (is_marked(thread, size, domain)) {
    const StackId stack = stack_here(thread, domain, locking);
    const auto where = reinterpret_cast<std::uintptr_t>(address);
    if (interval_bytes > 1) filter_add(where);
    if (recorder.allocated(where, size, domain, stack, thread.thread, locking, thread.drawn_with))
      ++thread.held;
  }
  leave(thread);
}

void relabel(ThreadState& thread, void* address, Locking locking) noexcept {
  if (!enter(thread, locking)) return;
  const auto where = reinterpret_cast<std::uintptr_t>(address);
  if (recorder.is_recorded(where)) {
    const StackId stack = stack_here(thread, Domain::obj, locking);
    recorder.relabelled(where, stack, thread.thread, locking);
  }
  leave(thread);
}

void freed(ThreadState& thread, void* address, Locking locking) noexcept {
  if (address == thread.python) thread.python = nullptr;
  if (address == nullptr || !enter(thread, locking)) return;
  const auto where = reinterpret_cast<std::uintptr_t>(address);
  if (__builtin_expect(
          (may_be_code(address) || is_remembered_state(address)) && interpreter.code_freed != nullptr, 0))
    interpreter.code_freed(address);
  if (recorder.freed(where, thread.thread, locking)) {
    --thread.held;
    if (interval_bytes > 1) filter_remove(where);
  } else if (interval_bytes <= 1) {
    recorder.ledger().header().unknown_frees.fetch_add(1, std::memory_order_relaxed);
  }
  leave(thread);
}

bool lift(ThreadState& thread, void* address, BlockRow& block) noexcept {
  Locking locking = Locking::none;
  if (address == nullptr || !enter(thread, locking)) return false;
  const bool recorded = recorder.lift(reinterpret_cast<std::uintptr_t>(address), block);
  leave(thread);
  return recorded;
}

void settle(ThreadState& thread, const BlockRow& block, bool moved, Locking locking) noexcept {
  if (!enter(thread, locking)) return;
  if (moved) {
    recorder.count_free(block, thread.thread, locking);
    --thread.held;
    if (interval_bytes > 1) filter_remove(block.address);
  } else {
    recorder.remember(block);
  }
  leave(thread);
}

void chunk_taken(ThreadState& thread, void* address, std::size_t size, ChunkKind kind) noexcept {
  Locking locking = Locking::none;
  if (!enter(thread, locking)) return;
  recorder.refresh();
  const Domain domain = kind == ChunkKind::mapping ? Domain::mapping : Domain::obj;
  const StackId stack = stack_here(thread, domain, locking);
  recorder.chunk_taken(reinterpret_cast<std::uintptr_t>(address), size, kind, stack, thread.thread);
  leave(thread);
}

void chunk_released(ThreadState& thread, void* address, std::size_t size) noexcept {
  Locking locking = Locking::none;
  if (!enter(thread, locking)) return;
  recorder.chunk_released(reinterpret_cast<std::uintptr_t>(address), size);
  leave(thread);
}

bool begin_note(ThreadState& thread, StackId& stack, Locking locking) noexcept {
  if (!enter(thread, locking)) return false;
  recorder.refresh();
  stack = stack_here(thread, Domain::obj, locking);
  return true;
}

void end_note(ThreadState& thread) noexcept {
  leave(thread);
}

void buffer_acquired(ThreadState& thread, const Export& about) noexcept {
  Locking locking = Locking::interpreter;
  if (!enter(thread, locking)) return;
  BufferRow row{};
  row.view = reinterpret_cast<std::uintptr_t>(about.view);
  row.exporter = reinterpret_cast<std::uintptr_t>(about.exporter);
  row.bytes = about.bytes;
  row.stack = interpreter.stack(thread, locking);
  row.type = about.type(about.about);
  row.weight = about.on_stack && about.bytes < small_buffer_bytes ? one_in : 1;
  row.thread = thread.thread;
  row.on_stack = about.on_stack ? 1 : 0;
  if ((++thread.ticks & 7) == 0) recorder.refresh();
  if (recorder.buffer_acquired(row)) {
    ++thread.held;
    thread.stack_views += row.on_stack;
  }
  leave(thread);
}

void buffer_released(ThreadState& thread, const void* view, const void* exporter, bool near) noexcept {
  Locking locking = Locking::interpreter;
  if (!enter(thread, locking)) return;
  BufferRow row;
  if (recorder.buffer_released(reinterpret_cast<std::uintptr_t>(view),
                               reinterpret_cast<std::uintptr_t>(exporter), thread.thread, row)) {
    --thread.held;
    if (row.on_stack != 0 && row.thread == thread.thread) --thread.stack_views;
  } else {
    BufferTotals& totals = recorder.buffer_totals();
    __atomic_fetch_add(near && small_buffer_bytes != 0 ? &totals.released : &totals.unknown, 1,
                       __ATOMIC_RELAXED);
  }
  leave(thread);
}

void begin(FreeLists free_lists, const char* python) noexcept {
  Ledger ledger = process_ledger();
  if (!ledger || recording()) return;
  Header& header = ledger.header();
  ThreadState& thread = thread_state;
  thread.busy = 1;
  header.pid.store(prim::process_id());
  header.free_lists = free_lists;
  strncpy(header.python, python, sizeof header.python - 1);
  header.began_unix_s = prim::unix_seconds();
  header.began_rss_anon_bytes = prim::anonymous_bytes();
  header.began_monotonic_ns = prim::coarse_ns();
  interval_bytes = header.config.interval_bytes;
  exact_bytes = header.config.exact_bytes;
  small_buffer_bytes = interval_bytes > 1 ? exact_bytes : 0;
  exit_key_made = pthread_key_create(&exit_key, thread_ended) == 0;
  recorder.attach(ledger);
  recorder.thread_named(static_cast<std::uint64_t>(pthread_self()), "MainThread");
  if (interval_bytes <= 1) memset(heap_filter, 255, sizeof heap_filter);
  thread.phase = 0;
  thread.countdown = -1;
  header.phase.store(Phase::recording, std::memory_order_release);
  activity.store(Activity::on, std::memory_order_release);
  thread.busy = 0;
}

void fail(const char* problem) noexcept {
  Ledger ledger = process_ledger();
  if (!ledger) return;
  strncpy(ledger.header().problem, problem, sizeof ledger.header().problem - 1);
  ledger.header().phase.store(Phase::failed, std::memory_order_release);
}

bool has_ledger() noexcept {
  return static_cast<bool>(process_ledger());
}

Parent::Parent(Header& header) noexcept
    : id_(static_cast<pid_t>(header.parent.load())), ours_(getppid() == id_) {}

bool Parent::gone() const noexcept {
  if (ours_) return getppid() != id_;
  return kill(id_, 0) != 0 && errno == ESRCH;
}

const char* request_dump(std::uint32_t reason, std::uint64_t timeout_ns) noexcept {
  Ledger ledger = process_ledger();
  if (!ledger || !recording()) return nullptr;
  Header& header = ledger.header();
  if (header.parent.load() == nobody) return nullptr;
  const Parent parent(header);
  // One dump answers all who wait, and before tear-down is the stronger reason.
  if (reason == reason_exit) header.request_reason.store(reason);
  const std::uint32_t ticket = header.request.fetch_add(1) + 1;
  const auto* request = reinterpret_cast<const std::uint32_t*>(&header.request);
  const auto* answer = reinterpret_cast<const std::uint32_t*>(&header.answer);
  prim::wake_all(request);
  const std::uint64_t began = prim::monotonic_ns();
  std::uint64_t walked = began;  // until when; at exit it does not count, since nobody can ask again
  for (;;) {
    const std::uint32_t answered = header.answer.load(std::memory_order_acquire);
    if (static_cast<std::int32_t>(answered - ticket) >= 0) return header.answer_path;
    if (look_after_copy() && reason == reason_exit) walked = prim::monotonic_ns();
    if (parent.gone() || prim::monotonic_ns() >= walked + timeout_ns) return nullptr;
    prim::wait_while(answer, answered, 200'000'000);
  }
}

}  // namespace leakscope::hook

// What leakscope._core finds by name inside a recorded program.
extern "C" {
__attribute__((visibility("default"))) int leakscope_is_recording() {
  return leakscope::hook::recording() ? 1 : 0;
}
// For a process that looks at its own ledger: where it is, and its file or -1.
__attribute__((visibility("default"))) void* leakscope_own_ledger(int* file) {
  *file = leakscope::hook::ledger_file();
  return leakscope::hook::recording() ? &leakscope::hook::process_ledger().header() : nullptr;
}
// What the calling thread allocates between +1 and -1 is not recorded: the observer is no part of what it observes.
__attribute__((visibility("default"))) void leakscope_unrecorded(int change) {
  leakscope::hook::thread_state.busy = static_cast<std::uint8_t>(leakscope::hook::thread_state.busy + change);
}
__attribute__((visibility("default"))) const char* leakscope_request_dump(unsigned long long timeout_ns) {
  return leakscope::hook::request_dump(leakscope::reason_request, timeout_ns);
}
}
