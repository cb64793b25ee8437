#include "stacks.h"

#include "../hook/heap.h"
#include "codes.h"

namespace leakscope::python {
namespace {

using hook::StackCache;
using hook::ThreadState;

PyInterpreterState* main_interpreter;
std::uint32_t frame_limit = 64;  // frames compared with the last stack, and kept of one that is too deep
std::uint32_t walk_limit = StackCache::depth_limit;

// ---- stacks ------------------------------------------------------------------------------------------------------

__attribute__((noinline)) void make_step(StackCache::Step& step, const RawFrame* frame,
                                         StackId parent) noexcept {
  const FrameId id = frame_id(frame);
  step = {position(frame), parent, id == 0 ? parent : hook::recorder.trie().child(parent, id)};
}

// Too deep: forget the outer half, its nodes stay what they are.
__attribute__((noinline)) void forget_outer_half(StackCache& cache) noexcept {
  constexpr std::uint32_t half = StackCache::depth_limit / 2;
  for (std::uint32_t at = 0; at < half; ++at) cache.entries()[at] = cache.entries()[at + half];
  cache.count = half;
}

inline StackCache::Step& step_at(StackCache& cache, const void* position, StackId parent) noexcept {
  const std::uint64_t key =
      (reinterpret_cast<std::uintptr_t>(position) >> 1) + std::uint64_t{parent} * 0x9E3779B1u;
  return cache.steps[(key ^ (key >> 10)) & (StackCache::step_count - 1)];
}

inline void push(StackCache& cache, const RawFrame* frame) noexcept {
  if (__builtin_expect(cache.count == StackCache::depth_limit, 0)) forget_outer_half(cache);
  const void* at = position(frame);
  StackCache::Entry* parent = cache.chain + cache.count;
  StackCache::Step& step = step_at(cache, at, parent->node);
  if (__builtin_expect(step.position != at || step.parent != parent->node, 0))
    make_step(step, frame, parent->node);
  if (cache.count == 0) cache.behind_root = behind(frame);
  parent[1] = {frame, at, step.node};
  ++cache.count;
}

// Is nothing but what the interpreter puts there between a frame and the end? `next` is behind it.
inline bool ends_with(const StackCache& cache, const RawFrame* frame, const RawFrame* next) noexcept {
  if (next == nullptr) return true;
  return (next == cache.behind_root && behind(next) == nullptr) || caller(frame) == nullptr;
}

// Compares the cached chain from an entry down with the frames from `frame` on, to the root or (Bounded) to the entry
// `stop`, which is not looked at. Returns the first entry, from the root, that is not true any more; no_match if the
// chains are not the same frames.
constexpr const StackCache::Entry* no_match = nullptr;

template <bool Bounded>
inline const StackCache::Entry* verified_to(const StackCache& cache, const StackCache::Entry* stop,
                                            const StackCache::Entry* entry, const RawFrame* frame) noexcept {
  const StackCache::Entry* stale = entry + 1;
  for (;;) {
    if (__builtin_expect(entry->position != position(frame), 0)) stale = entry;
    --entry;
    if (Bounded && entry == stop) return stale;
    const RawFrame* next = behind(frame);
    // Entries hold Python frames only, so an equal pointer needs no second look. At the end no pointer is equal.
    if (__builtin_expect(entry->frame != next, 0)) {
      // Where the chain begins, so must the frames; unless its outer half was forgotten.
      if (!Bounded && entry == stop)
        return cache.count >= StackCache::depth_limit / 2 || ends_with(cache, frame, next) ? stale : no_match;
      next = caller(frame);
      if (entry->frame != next) return no_match;
    }
    frame = next;
  }
}

inline const StackCache::Entry* verified(const StackCache& cache, const StackCache::Entry* entry,
                                         const RawFrame* frame) noexcept {
  if (__builtin_expect(entry - cache.chain > static_cast<std::ptrdiff_t>(frame_limit), 0))
    return verified_to<true>(cache, entry - frame_limit, entry, frame);
  return verified_to<false>(cache, cache.chain, entry, frame);
}

inline StackCache::Entry* found_near_top(StackCache& cache, const RawFrame* frame) noexcept {
  constexpr std::uint32_t reach = 8;
  StackCache::Entry* lowest = cache.chain + (cache.count > reach ? cache.count - reach : 0);
  for (StackCache::Entry* entry = cache.chain + cache.count; entry > lowest; --entry)
    if (entry->frame == frame) return entry;
  return nullptr;
}

// The whole way to the root, keeping the entries that are still true from the root on. A stack too deep for that is
// cut to its innermost frames: recursions of any depth then share their stacks.
__attribute__((noinline)) StackId capture_all(StackCache& cache, const RawFrame* frame) noexcept {
  std::uint32_t walked = 0;
  for (; frame != nullptr && walked < walk_limit; frame = caller(frame)) cache.walked[walked++] = frame;
  if (frame != nullptr) {
    hook::recorder.ledger().header().truncated_stacks.fetch_add(1, std::memory_order_relaxed);
    cache.count = 0;
    if (walked > frame_limit) walked = frame_limit;
  }
  std::uint32_t same = 0;
  while (same < cache.count && same < walked) {
    const auto* candidate = static_cast<const RawFrame*>(cache.walked[walked - 1 - same]);
    const StackCache::Entry& entry = cache.entries()[same];
    if (entry.frame != candidate || entry.position != position(candidate)) break;
    ++same;
  }
  cache.count = same;
  for (std::uint32_t at = walked - same; at-- > 0;)
    push(cache, static_cast<const RawFrame*>(cache.walked[at]));
  return cache.node();
}

// From `entry`, which is `frame`'s, to the newest of the `walked` frames that came since.
inline StackId completed(StackCache& cache, StackCache::Entry* entry, const RawFrame* frame,
                         std::uint32_t walked, const RawFrame* newest_frame) noexcept {
  const StackCache::Entry* stale = verified(cache, entry, frame);
  if (__builtin_expect(stale == no_match, 0)) return capture_all(cache, newest_frame);
  cache.count = static_cast<std::uint32_t>(stale - cache.entries());
  for (; stale <= entry; ++stale) push(cache, static_cast<const RawFrame*>(stale->frame));
  while (walked > 0) push(cache, static_cast<const RawFrame*>(cache.walked[--walked]));
  return cache.node();
}

__attribute__((noinline)) StackId capture_new(StackCache& cache, const RawFrame* newest_frame) noexcept {
  std::uint32_t walked = 0;
  const RawFrame* frame = newest_frame;
  StackCache::Entry* entry = nullptr;
  while (frame != nullptr && walked < 64 && (entry = found_near_top(cache, frame)) == nullptr) {
    cache.walked[walked++] = frame;
    frame = caller(frame);
  }
  if (entry == nullptr) return capture_all(cache, newest_frame);
  return completed(cache, entry, frame, walked, newest_frame);
}

// Most allocations happen at almost the same stack as the one before. So: walk up from the newest frame to one that
// is near the top of the cached chain, then compare in lock step towards the root, and intern only what differs.
// Stopping at the first equal frame would be wrong: after a() calls helper() from two lines, helper's frame has the
// same address and instruction both times, and only the caller's position tells them apart. Beyond frame_limit frames
// the cache is trusted: a wrong root of so deep a stack is accepted, a wrong caller is not.
inline StackId capture(StackCache& cache, PyThreadState* state) noexcept {
  if (__builtin_expect(cache.codes_freed != codes_freed.load(std::memory_order_acquire), 0)) catch_up(cache);
  const RawFrame* frame = current(state);
  StackCache::Entry* top = cache.chain + cache.count;
  // A frame that was here before, at an instruction seen before, is Python's and has begun.
  if (top->frame != frame || top->position != position(frame)) {
    frame = newest(state);
    if (frame == nullptr) return 0;
    if (top->frame != frame) return capture_new(cache, frame);
  }
  return completed(cache, top, frame, 0, frame);
}

// Does this state of the calling thread have the interpreter's lock?
inline bool is_current(const PyThreadState* state) noexcept {
#if PY_VERSION_HEX >= 0x030C0000
  return state->_status.active != 0;
#else
  return state == _PyThreadState_UncheckedGet();
#endif
}

PyThreadState* thread_state_here(Locking locking) noexcept {
#if PY_VERSION_HEX >= 0x030D0000
  PyThreadState* found = PyThreadState_GetUnchecked();
  if (found != nullptr || locking == Locking::interpreter) return found;
#else
  if (locking == Locking::interpreter) return _PyThreadState_UncheckedGet();
#if PY_VERSION_HEX >= 0x030C0000  // thread-local from 3.12 on; before, the state of whoever holds the lock
  if (PyThreadState* found = _PyThreadState_UncheckedGet(); found != nullptr) return found;
#endif
#endif
  return PyGILState_GetThisThreadState();
}

}  // namespace

void prepare_stacks() noexcept {
  main_interpreter = PyInterpreterState_Main();
  frame_limit = hook::process_ledger().header().config.max_frames;
  if (frame_limit == 0) frame_limit = 1;
  // Between two samples the whole stack may have changed, so nothing saves the walk: it is bounded more tightly.
  constexpr std::uint32_t sampled_walk_limit = 512;
  if (hook::process_ledger().header().config.interval_bytes > 1)
    walk_limit = frame_limit > sampled_walk_limit ? frame_limit : sampled_walk_limit;
  if (walk_limit > StackCache::depth_limit) walk_limit = StackCache::depth_limit;
  prepare_codes();
}

StackId current_stack(ThreadState& thread, Locking& locking) noexcept {
  PyThreadState* state = thread_state_here(locking);
  if (state == nullptr) return 0;
  if (state->interp != main_interpreter) {
    hook::activity.store(hook::Activity::many_interpreters, std::memory_order_relaxed);
    locking = Locking::none;
  }
  StackCache* cache =
      __builtin_expect(thread.cache != nullptr, 1) ? thread.cache : hook::acquire_cache(thread);
  if (cache == nullptr) return 0;
  // Among what went since may be the state that was kept.
  if (__builtin_expect(cache->codes_freed != codes_freed.load(std::memory_order_acquire), 0))
    thread.python = nullptr;
  if (locking == Locking::interpreter && thread.python != state) {
    hook::remember_state(state);
    thread.python = state;
  }
  return capture(*cache, state);
}

// ---- exact recording's short way -----------------------------------------------------------------------------------

namespace {

// Is everything behind `frame`, which is that of `entry`, what it was, every frame and every instruction?
inline bool is_called_as_before(const StackCache& cache, const StackCache::Entry* entry,
                                const RawFrame* frame) noexcept {
  for (;;) {
    const RawFrame* next = behind(frame);
    --entry;
    if (__builtin_expect(entry->frame != next, 0)) {
      if (entry == cache.chain) return ends_with(cache, frame, next);
      if (next != nullptr && !is_python(next)) next = behind(next);  // one of these at most, as a rule
      if (__builtin_expect(entry->frame != next, 0)) {
        next = caller(frame);
        if (entry->frame != next) return false;
      }
    }
    frame = next;
    if (__builtin_expect(entry->position != position(frame), 0)) return false;
  }
}

// If the newest frame alone went on, to an instruction it was at before under the same caller, the stack is known: true,
// and the cache's newest node is its.
inline bool is_known(StackCache& cache, StackCache::Entry* top, const RawFrame* frame) noexcept {
  if (top->frame != frame || cache.count > frame_limit || !is_called_as_before(cache, top, frame))
    return false;
  const void* at = position(frame);
  if (top->position == at) return true;
  const StackId parent = top[-1].node;
  const StackCache::Step& step = step_at(cache, at, parent);
  if (step.position != at || step.parent != parent) return false;
  top->position = at;
  top->node = step.node;
  return true;
}

// Whatever the short way is not made for: a new thread, another interpreter, an address not seen before, an arena that
// could not be had, so that the block was recorded further down.
template <Domain D>
__attribute__((noinline)) void* record_long(ThreadState& thread, void* block, std::size_t size) noexcept {
  if (block == nullptr ||
      (thread.fallen_block == block && hook::recorder.is_recorded(reinterpret_cast<std::uintptr_t>(block))))
    return block;
  hook::allocated(thread, block, size, D, Locking::interpreter);
  return block;
}

// The stack is another one than that of the block before.
template <Domain D>
__attribute__((noinline)) void* record_elsewhere(ThreadState& thread, void* block,
                                                 std::size_t size) noexcept {
  thread.busy = 1;
  const StackId stack = capture(*thread.cache, static_cast<PyThreadState*>(thread.python));
  const bool done =
      hook::recorder.allocated_small(reinterpret_cast<std::uintptr_t>(block), size, D, stack, thread.thread);
  thread.busy = 0;
  if (__builtin_expect(!done, 0)) return record_long<D>(thread, block, size);
  ++thread.held;
  return block;
}

}  // namespace

void now_and_then(ThreadState& thread) noexcept {
  if (!thread.ready() || hook::activity.load(std::memory_order_acquire) != hook::Activity::on) return;
  const PyThreadState* state = thread_state_here(Locking::interpreter);
  if (state == nullptr || state->interp != main_interpreter) return;
  if ((thread.ticks & 63) == 0) hook::recorder.refresh();
  upkeep();
  // What is on its usual way here is never looked at by hook/hook.cpp, which asks for errands otherwise.
  if (__builtin_expect(!hook::has_errand(), 1)) return;
  thread.busy = 1;
  hook::run_errand(true);
  thread.busy = 0;
}

// Nothing is called on the usual way, so no register needs saving. The thread's state is the one that was last seen if
// that says that it has the lock; before it is asked, codes_freed tells whether its memory may be gone.
template <Domain D>
void* record_small(ThreadState& thread, void* block, std::size_t size) noexcept {
  const bool usual = thread.ready() && hook::activity.load(std::memory_order_acquire) == hook::Activity::on;
  auto* state = static_cast<PyThreadState*>(thread.python);
  if (__builtin_expect(!usual || state == nullptr, 0)) return record_long<D>(thread, block, size);
  StackCache& cache = *thread.cache;
  if (__builtin_expect(cache.codes_freed != codes_freed.load(std::memory_order_acquire) || !is_current(state),
                       0))
    return record_long<D>(thread, block, size);
  StackCache::Entry* top = cache.chain + cache.count;
  if (!is_known(cache, top, current(state))) return record_elsewhere<D>(thread, block, size);
  if (__builtin_expect(!hook::recorder.allocated_small(reinterpret_cast<std::uintptr_t>(block), size, D,
                                                       top->node, thread.thread),
                       0))
    return record_long<D>(thread, block, size);
  ++thread.held;
  return block;
}

template void* record_small<Domain::mem>(ThreadState& thread, void* block, std::size_t size) noexcept;
template void* record_small<Domain::obj>(ThreadState& thread, void* block, std::size_t size) noexcept;

}  // namespace leakscope::python
