#include "stacks.h"

#include "codes.h"

namespace leakscope::python {
namespace {

using hook::StackCache;
using hook::ThreadState;

PyInterpreterState* main_interpreter;
std::uint32_t frame_limit = 64;  // frames compared with the last stack, and kept of one that is too deep
std::uint32_t walk_limit = StackCache::depth_limit;

// ---- stacks ------------------------------------------------------------------------------------------------------

StackCache::Entry entry_for(StackCache& cache, const RawFrame* frame, StackId parent) noexcept {
  const void* at = position(frame);
  const std::uint64_t key = (reinterpret_cast<std::uintptr_t>(at) >> 1) + std::uint64_t{parent} * 0x9E3779B1u;
  StackCache::Step& step = cache.steps[(key ^ (key >> 10)) & (StackCache::step_count - 1)];
  if (step.position != at || step.parent != parent) {
    const FrameId id = frame_id(frame);
    step = {at, parent, id == 0 ? parent : hook::recorder.trie().child(parent, id)};
  }
  return {frame, at, step.node};
}

void push(StackCache& cache, const RawFrame* frame) noexcept {
  if (cache.count ==
      StackCache::depth_limit) {  // too deep: forget the outer half, its nodes stay what they are
    constexpr std::uint32_t half = StackCache::depth_limit / 2;
    for (std::uint32_t at = 0; at < half; ++at) cache.entries[at] = cache.entries[at + half];
    cache.count = half;
  }
  const StackId parent = cache.count == 0 ? 0 : cache.entries[cache.count - 1].node;
  cache.entries[cache.count] = entry_for(cache, frame, parent);
  ++cache.count;
}

// Compares the cached chain from entry `at` down with the frames from `frame` on, at most frame_limit of them.
// Returns how many entries, from the root, are still true; no_match if the chains are not the same frames.
constexpr std::uint32_t no_match = ~std::uint32_t{0};

inline std::uint32_t verified(const StackCache& cache, std::uint32_t at, const RawFrame* frame) noexcept {
  const StackCache::Entry* entry = cache.entries + at;
  const StackCache::Entry* valid = entry + 1;
  const StackCache::Entry* last = at < frame_limit ? cache.entries : entry - (frame_limit - 1);
  for (;;) {
    if (__builtin_expect(entry->position != position(frame), 0)) valid = entry;
    if (entry == last) break;
    const RawFrame* next = behind(frame);
    // Entries hold Python frames only and no null, so an equal pointer needs no second look.
    if (__builtin_expect((--entry)->frame != next, 0)) {
      next = caller(frame);
      if (entry->frame != next) return no_match;
    }
    frame = next;
  }
  // Where the chain begins, so must the frames; unless its outer half was forgotten, see push().
  if (entry == cache.entries && cache.count < StackCache::depth_limit / 2 && caller(frame) != nullptr)
    return no_match;
  return static_cast<std::uint32_t>(valid - cache.entries);
}

inline std::uint32_t found_near_top(const StackCache& cache, const RawFrame* frame) noexcept {
  constexpr std::uint32_t reach = 8;
  const std::uint32_t lowest = cache.count > reach ? cache.count - reach : 0;
  for (std::uint32_t at = cache.count; at > lowest; --at)
    if (cache.entries[at - 1].frame == frame) return at - 1;
  return no_match;
}

// The whole way to the root, keeping the entries that are still true from the root on. A stack too deep for that is
// cut to its innermost frames: recursions of any depth then share their stacks.
StackId capture_all(StackCache& cache, RawFrame* frame) noexcept {
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
    if (cache.entries[same].frame != candidate || cache.entries[same].position != position(candidate)) break;
    ++same;
  }
  cache.count = same;
  for (std::uint32_t at = walked - same; at-- > 0;)
    push(cache, static_cast<const RawFrame*>(cache.walked[at]));
  return cache.count == 0 ? 0 : cache.entries[cache.count - 1].node;
}

// Most allocations happen at almost the same stack as the one before. So: walk up from the newest frame to one that
// is near the top of the cached chain, then compare in lock step towards the root, and intern only what differs.
// Stopping at the first equal frame would be wrong: after a() calls helper() from two lines, helper's frame has the
// same address and instruction both times, and only the caller's position tells them apart. Beyond frame_limit frames
// the cache is trusted: a wrong root of so deep a stack is accepted, a wrong caller is not.
inline StackId capture(StackCache& cache, RawFrame* newest_frame) noexcept {
  if (__builtin_expect(cache.codes_freed != codes_freed.load(std::memory_order_acquire), 0)) catch_up(cache);
  std::uint32_t walked = 0;
  RawFrame* frame = newest_frame;
  std::uint32_t at = no_match;
  while (frame != nullptr && walked < 64 && (at = found_near_top(cache, frame)) == no_match) {
    cache.walked[walked++] = frame;
    frame = caller(frame);
  }
  if (at == no_match) return capture_all(cache, newest_frame);
  const std::uint32_t valid = verified(cache, at, frame);
  if (valid == no_match) return capture_all(cache, newest_frame);
  cache.count = valid;
  for (std::uint32_t stale = valid; stale <= at; ++stale)
    push(cache, static_cast<const RawFrame*>(cache.entries[stale].frame));
  while (walked > 0) push(cache, static_cast<const RawFrame*>(cache.walked[--walked]));
  return cache.entries[cache.count - 1].node;
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
  RawFrame* frame = newest(state);
  if (cache == nullptr || frame == nullptr) return 0;
  return capture(*cache, frame);
}

}  // namespace leakscope::python
