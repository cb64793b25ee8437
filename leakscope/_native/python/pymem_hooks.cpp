// How CPython's domains nest, and what each hook must therefore do:
//
//   PyMem_Malloc / PyObject_Malloc ── pymalloc ── 1 to 512 bytes: from an arena         recorded here
//                                         └────── else: PyMem_RawMalloc ── malloc()     recorded by the raw hook,
//                                                                                       under the outer domain's name
//   PyMem_RawMalloc ── malloc()                     our raw hook calls the real malloc, past our interposed one
//
// PYTHONMALLOC, -X dev and tracers put other functions in between, so nothing of this is assumed: probe() asks each
// allocator. One that ends in malloc with the same address is "direct"; one that keeps small requests has a `limit`
// above which requests fall through to raw; anything else is "wrapped": recorded here, deaf below.
#include "pymem_hooks.h"

#include "../hook/forward.h"
#include "frames.h"
#include "stacks.h"

namespace leakscope::python {
namespace {

using namespace hook;

enum class Shape { wrapped, direct, falls_through };

struct Below {
  PyMemAllocatorEx allocator;
  std::size_t limit;  // falls_through: larger requests, and those of no bytes, are seen by the raw hook

  bool falls(std::size_t size) const noexcept { return size - 1 >= limit; }
};
Below below[3];  // by Domain: raw, mem, obj

template <Domain D>
constexpr Locking lock_of = D == Domain::raw ? Locking::none : Locking::interpreter;

template <Domain D>
constexpr Below& under = below[static_cast<int>(D)];

// The object domain's newest block, so that the object tracer can tell new objects from recycled ones.
template <Domain D>
inline void* noted(ThreadState& thread, void* block) noexcept {
#if PY_VERSION_HEX >= 0x030D0000
  if (D == Domain::obj) thread.last_block = reinterpret_cast<std::uintptr_t>(block);
#else
  (void)thread;
#endif
  return block;
}

// ---- raw, ending in malloc ----------------------------------------------------------------------------------------

struct Origin {
  Domain domain;
  Locking locking;
};

inline Origin taken_origin(ThreadState& thread) noexcept {
  const std::uint8_t outer = thread.raw_domain;
  thread.raw_domain = 0;
  if (outer == 0) return {Domain::raw, Locking::none};
  return {static_cast<Domain>(outer - 1), Locking::interpreter};
}

__attribute__((noinline)) void* raw_look(ThreadState& thread, void* block, std::size_t size) noexcept {
  ++thread.fallen;
  thread.fallen_block = block;
  const Origin origin = taken_origin(thread);
  allocated(thread, block, size, origin.domain, origin.locking);
  return block;
}

void* direct_raw_malloc(void*, std::size_t size) {
  ThreadState& thread = thread_state;
  if (!due(thread, size)) {
    thread.raw_domain = 0;
    return real.malloc(size + (size == 0));
  }
  return raw_look(thread, real.malloc(size + (size == 0)), size);
}

void* direct_raw_calloc(void*, std::size_t count, std::size_t size) {
  ThreadState& thread = thread_state;
  if (count == 0 || size == 0) count = size = 1;
  if (!due(thread, count * size)) {
    thread.raw_domain = 0;
    return real.calloc(count, size);
  }
  return raw_look(thread, real.calloc(count, size), count * size);
}

void* direct_raw_realloc(void*, void* block, std::size_t size) {
  ThreadState& thread = thread_state;
  if (size == 0) size = 1;
  const bool look = due(thread, size);
  const Origin origin = taken_origin(thread);
  if (!look && !may_be_recorded(block)) return real.realloc(block, size);
  void* moved = realloc_recorded(thread, block, size, origin.domain, origin.locking,
                                 [](void* old, std::size_t bytes) { return real.realloc(old, bytes); });
  ++thread.fallen;
  return moved;
}

void direct_raw_free(void*, void* block) {
  if (may_be_recorded(block)) {
    ThreadState& thread = thread_state;
    if (thread.forgotten != block) freed(thread, block, Locking::none);
    thread.forgotten = nullptr;
  }
  real.free(block);
}

// ---- a domain that falls through to raw above its limit -----------------------------------------------------------

// Out of line, so that the common way needs no stack frame.
template <Domain D>
__attribute__((noinline)) void* looked_malloc(ThreadState& thread, std::size_t size) noexcept {
  const std::uint32_t fallen = thread.fallen;
  void* block = under<D>.allocator.malloc(under<D>.allocator.ctx, size);
  // No arena to be had: then it fell after all, and was recorded there.
  if (__builtin_expect(thread.fallen == fallen, 1)) allocated(thread, block, size, D, lock_of<D>);
  return noted<D>(thread, block);
}

template <Domain D>
__attribute__((noinline)) void looked_free(void* block) noexcept {
  ThreadState& thread = thread_state;
  freed(thread, block, lock_of<D>);
  thread.forgotten = block;
  under<D>.allocator.free(under<D>.allocator.ctx, block);
  thread.forgotten = nullptr;
}

template <Domain D>
void* layered_malloc(void* context, std::size_t size) {
  ThreadState& thread = thread_state;
  Below& next = under<D>;
  (void)context;
  if (next.falls(size)) {
    thread.raw_domain = static_cast<std::uint8_t>(D) + 1;
    return noted<D>(thread, next.allocator.malloc(next.allocator.ctx, size));
  }
  if (due(thread, size)) return looked_malloc<D>(thread, size);
  return noted<D>(thread, next.allocator.malloc(next.allocator.ctx, size));
}

template <Domain D>
void* layered_calloc(void*, std::size_t count, std::size_t size) {
  ThreadState& thread = thread_state;
  Below& next = under<D>;
  const std::size_t bytes = count * size;  // the interpreter has checked for overflow
  if (next.falls(bytes)) {
    thread.raw_domain = static_cast<std::uint8_t>(D) + 1;
    return noted<D>(thread, next.allocator.calloc(next.allocator.ctx, count, size));
  }
  if (!due(thread, bytes)) return noted<D>(thread, next.allocator.calloc(next.allocator.ctx, count, size));
  void* block = next.allocator.calloc(next.allocator.ctx, count, size);
  allocated(thread, block, bytes, D, lock_of<D>);
  return noted<D>(thread, block);
}

template <Domain D>
void* layered_realloc(void*, void* block, std::size_t size) {
  ThreadState& thread = thread_state;
  Below& next = under<D>;
  // Above the limit the raw hook subtracts the size from the countdown, here it would be a second time.
  const bool look = next.falls(size) ? thread.countdown < 0 : due(thread, size);
  thread.raw_domain = next.falls(size) ? static_cast<std::uint8_t>(D) + 1 : 0;
  if (!look && !may_be_recorded(block)) {
    void* moved = next.allocator.realloc(next.allocator.ctx, block, size);
    thread.raw_domain = 0;
    return noted<D>(thread, moved);
  }
  void* moved = realloc_recorded(thread, block, size, D, lock_of<D>, [&next](void* old, std::size_t bytes) {
    return next.allocator.realloc(next.allocator.ctx, old, bytes);
  });
  thread.raw_domain = 0;
  return noted<D>(thread, moved);
}

template <Domain D>
void layered_free(void*, void* block) {
  Below& next = under<D>;
  if (may_be_recorded(block)) return looked_free<D>(block);
  next.allocator.free(next.allocator.ctx, block);
}

// ---- the same in exact recording: each block is recorded, so nothing is asked before ------------------------------

template <Domain D>
__attribute__((noinline)) void* fallen_malloc(std::size_t size) noexcept {
  ThreadState& thread = thread_state;
  thread.raw_domain = static_cast<std::uint8_t>(D) + 1;
  return noted<D>(thread, under<D>.allocator.malloc(under<D>.allocator.ctx, size));
}

template <Domain D>
void* exact_malloc(void*, std::size_t size) {
  Below& next = under<D>;
  if (next.falls(size)) return fallen_malloc<D>(size);
  tick(thread_state);
  void* block = next.allocator.malloc(next.allocator.ctx, size);
  return record_small<D>(thread_state, noted<D>(thread_state, block), size);
}

template <Domain D>
void* exact_calloc(void* context, std::size_t count, std::size_t size) {
  Below& next = under<D>;
  if (next.falls(count * size)) return layered_calloc<D>(context, count, size);
  tick(thread_state);
  void* block = next.allocator.calloc(next.allocator.ctx, count, size);
  return record_small<D>(thread_state, noted<D>(thread_state, block), count * size);
}

template <Domain D>
void exact_free(void*, void* block) {
  ThreadState& thread = thread_state;
  Below& next = under<D>;
  // What fell is forgotten on both ways down, and a code object takes its lines with it.
  const auto may_go = [&](std::uint64_t size) {
    return size <= next.limit && (size < sizeof(PyCodeObject) || !hook::may_be_code(block));
  };
  const bool usual = thread.ready() && hook::activity.load(std::memory_order_acquire) == Activity::on;
  if (__builtin_expect(
          !usual || !recorder.freed_small(reinterpret_cast<std::uintptr_t>(block), D, thread.thread, may_go),
          0))
    return looked_free<D>(block);
  --thread.held;
  next.allocator.free(next.allocator.ctx, block);
}

// ---- a domain of unknown shape: recorded here, deaf below ---------------------------------------------------------

struct Deaf {
  explicit Deaf(ThreadState& thread) noexcept : thread_(thread) { ++thread_.busy; }
  ~Deaf() { --thread_.busy; }
  Deaf(const Deaf&) = delete;
  Deaf& operator=(const Deaf&) = delete;
  ThreadState& thread_;
};

template <Domain D>
Origin wrapped_origin(ThreadState& thread) noexcept {
  if (D == Domain::raw) return taken_origin(thread);
  return {D, lock_of<D>};
}

template <Domain D>
void* wrapped_malloc(void*, std::size_t size) {
  ThreadState& thread = thread_state;
  const Origin origin = wrapped_origin<D>(thread);
  void* block;
  {
    Deaf deaf(thread);
    block = under<D>.allocator.malloc(under<D>.allocator.ctx, size);
  }
  if (D == Domain::raw) ++thread.fallen;
  if (due(thread, size)) allocated(thread, block, size, origin.domain, origin.locking);
  return noted<D>(thread, block);
}

template <Domain D>
void* wrapped_calloc(void*, std::size_t count, std::size_t size) {
  ThreadState& thread = thread_state;
  const Origin origin = wrapped_origin<D>(thread);
  void* block;
  {
    Deaf deaf(thread);
    block = under<D>.allocator.calloc(under<D>.allocator.ctx, count, size);
  }
  if (D == Domain::raw) ++thread.fallen;
  if (due(thread, count * size)) allocated(thread, block, count * size, origin.domain, origin.locking);
  return noted<D>(thread, block);
}

template <Domain D>
void* wrapped_realloc(void*, void* block, std::size_t size) {
  ThreadState& thread = thread_state;
  const Origin origin = wrapped_origin<D>(thread);
  due(thread, size);
  void* moved = realloc_recorded(thread, block, size, origin.domain, origin.locking,
                                 [&thread](void* old, std::size_t bytes) {
                                   Deaf deaf(thread);
                                   return under<D>.allocator.realloc(under<D>.allocator.ctx, old, bytes);
                                 });
  if (D == Domain::raw) ++thread.fallen;
  return noted<D>(thread, moved);
}

template <Domain D>
void wrapped_free(void*, void* block) {
  ThreadState& thread = thread_state;
  if (may_be_recorded(block)) freed(thread, block, lock_of<D>);
  Deaf deaf(thread);
  under<D>.allocator.free(under<D>.allocator.ctx, block);
}

// ---- finding out ---------------------------------------------------------------------------------------------------

struct Trial {
  bool arrived;  // the request was seen further down
  bool same;     // with the same address
};

Trial attempt(const PyMemAllocatorEx& allocator, std::size_t size) noexcept {
  ThreadState& thread = thread_state;
  const ThreadState before = thread;
  thread.countdown =
      -1;  // every hook and interposed function on the way takes its slow path, where it leaves a trace
  thread.last_block = 0;
  void* block = allocator.malloc(allocator.ctx, size);
  const Trial trial{thread.fallen != before.fallen,
                    thread.last_block == reinterpret_cast<std::uintptr_t>(block)};
  allocator.free(allocator.ctx, block);
  const std::uint32_t fallen = thread.fallen;
  thread = before;
  thread.fallen = fallen;
  return trial;
}

Shape probe(Below& next) noexcept {
  constexpr std::size_t small = 512, step = 8, lowest = 256;
  const Trial tiny = attempt(next.allocator, 24);
  if (tiny.arrived) return tiny.same ? Shape::direct : Shape::wrapped;
  next.limit = SIZE_MAX;
  if (!attempt(next.allocator, 4096).arrived) return Shape::falls_through;  // keeps requests of any size
  for (std::size_t size = small; size >= lowest; size -= step) {
    if (attempt(next.allocator, size).arrived) continue;
    next.limit = size;
    return Shape::falls_through;
  }
  return Shape::wrapped;
}

template <Domain D>
void install(PyMemAllocatorDomain domain) noexcept {
  Below& next = under<D>;
  PyMem_GetAllocator(domain, &next.allocator);
  PyMemAllocatorEx hook{};
  switch (probe(next)) {
    case Shape::falls_through:
      hook = {&next, layered_malloc<D>, layered_calloc<D>, layered_realloc<D>, layered_free<D>};
      if (D != Domain::raw && next.limit < ShadowTable::long_size &&
          process_ledger().header().config.interval_bytes <= 1)
        hook = {&next, exact_malloc<D>, exact_calloc<D>, layered_realloc<D>, exact_free<D>};
      break;
    case Shape::direct:
      if (D == Domain::raw) {
        hook = {&next, direct_raw_malloc, direct_raw_calloc, direct_raw_realloc, direct_raw_free};
        break;
      }
      [[fallthrough]];
    case Shape::wrapped:
      hook = {&next, wrapped_malloc<D>, wrapped_calloc<D>, wrapped_realloc<D>, wrapped_free<D>};
      break;
  }
  PyMem_SetAllocator(domain, &hook);
}

// ---- arenas --------------------------------------------------------------------------------------------------------

PyObjectArenaAllocator arenas_below;

// The same allocator also serves the interpreter's frame stacks from 3.11 on, in other sizes.
bool is_arena(std::size_t size) noexcept {
  return size == std::size_t{1} << 20 || size == std::size_t{256} << 10;
}

void* arena_alloc(void*, std::size_t size) {
  ThreadState& thread = thread_state;
  void* arena;
  {
    Deaf deaf(thread);
    arena = arenas_below.alloc(arenas_below.ctx, size);
  }
  if (arena != nullptr && recording())
    chunk_taken(thread, arena, size, is_arena(size) ? ChunkKind::arena : ChunkKind::mapping);
  return arena;
}

void arena_free(void*, void* arena, std::size_t size) {
  ThreadState& thread = thread_state;
  if (recording()) chunk_released(thread, arena, size);
  Deaf deaf(thread);
  arenas_below.free(arenas_below.ctx, arena, size);
}

}  // namespace

void install_allocator_hooks() noexcept {
  install<Domain::raw>(PYMEM_DOMAIN_RAW);
  install<Domain::mem>(PYMEM_DOMAIN_MEM);
  install<Domain::obj>(PYMEM_DOMAIN_OBJ);
  PyObject_GetArenaAllocator(&arenas_below);
  PyObjectArenaAllocator hook{nullptr, arena_alloc, arena_free};
  PyObject_SetArenaAllocator(&hook);
}

}  // namespace leakscope::python
