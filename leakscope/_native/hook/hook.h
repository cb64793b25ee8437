// What every hook shares: the state of a thread, the decision whether an event is recorded, and the forwarding to the
// recorder. The fast paths are inline and short; whatever is not "subtract, compare, jump" is in hook.cpp.
//
// Rules for everything below this line (NOTES.md has the reasons): never allocate from the C or Python heap, never
// take a lock of the interpreter, never throw, never run the program's code, never keep a lock over a call into the
// real allocator.
#pragma once

#include <stdint.h>

#include "../core/recorder.h"

namespace leakscope::hook {

struct StackCache;

// Zero means: nothing happened in this thread yet. Only trivial members: the C library frees memory after C++
// destructors ran.
struct ThreadState {
  std::int64_t countdown;  // bytes until the next event needs a look; below zero: now
  std::int64_t armed;      // what the countdown started from
  std::int64_t remaining;  // bytes to the next mark, counted from when the countdown was armed
  std::uint64_t mean,
      drawn_with;  // mean distance of marks that `remaining` was drawn with, and the gap before
  std::uint64_t random;
  StackCache* cache;
  void* python;              // the interpreter's state of this thread when last asked for; null: not known
  std::uint64_t last_block;  // newest recorded or passed block of the object domain
  const void*
      forgotten;      // block whose record an outer domain has just taken; it is on its way to the raw domain
  std::int64_t held;  // recorded blocks taken, less those given back; see core/thread_table.h
  const void* fallen_block;  // the last that fell through to the raw domain and was recorded there
  std::uint32_t fallen;      // counts requests that fell through to the raw domain
  std::uint32_t ticks;
  ThreadIndex thread;
  std::uint8_t busy;           // inside the recorder, or inside an outer recorded call: forward only
  std::uint8_t phase;          // 0 new, 1 registered, 2 ended
  std::uint8_t raw_domain;     // domain + 1 of the request that is falling through to raw
  const void* asked_view;      // Py_buffer that an outer call of the buffer protocol is filling
  const void* released_view;   // ... is giving back
  std::uint32_t buffer_ticks;  // Py_buffers in local variables of C code, of which a part is recorded
  std::uint32_t stack_views;   // of these, recorded and not released yet

  // Registered, not ended, and in no recorded call: one comparison.
  bool ready() const noexcept { return busy == 0 && phase == 1; }
};

// constinit: otherwise every access would first ask whether the variable needs constructing.
extern constinit thread_local ThreadState thread_state __attribute__((tls_model("initial-exec")));

// Which parts of the heap hold recorded blocks: a saturating count per 256 bytes of address, so that most frees are one
// load and a jump. In exact recording all entries are saturated.
inline constexpr std::uint64_t filter_entries = 1u << 20;
extern std::uint8_t heap_filter[filter_entries];

inline std::uint64_t filter_index(std::uintptr_t address) noexcept {
  return (address >> 8) & (filter_entries - 1);
}

inline bool may_be_recorded(const void* address) noexcept {
  return __builtin_expect(heap_filter[filter_index(reinterpret_cast<std::uintptr_t>(address))] != 0, 0);
}
void filter_add(std::uint64_t address) noexcept;
void filter_remove(std::uint64_t address) noexcept;

// True if the request needs a look: a mark is due, the block is large, or the thread is new.
inline bool due(ThreadState& thread, std::size_t size) noexcept {
  return __builtin_expect((thread.countdown -= static_cast<std::int64_t>(size)) < 0, 0);
}

// The parts that know Python, set by the python folder at start; null in a process without Python.
struct Interpreter {
  // Stack of the calling thread. `locking` interpreter: the caller holds the interpreter's lock.
  StackId (*stack)(ThreadState& thread, Locking& locking) noexcept;
  // A block is about to be freed that may be a code object, or is a thread's state.
  void (*code_freed)(const void* address) noexcept;
  // Locks of the python folder around fork.
  void (*before_fork)() noexcept;
  void (*after_fork)() noexcept;
  // In the child of a fork, before anything else runs there.
  void (*forked)() noexcept;
  // The parent wishes for the object graph, and the ledger's area is taken for it; see heap.h.
  void (*heap_wished)() noexcept;
  // Address range of the interpreter's own code, where native stacks end.
  std::uintptr_t code_begin, code_end;
};
extern Interpreter interpreter;
extern Recorder recorder;

// Whether anything is recorded. `many_interpreters`: for good once an interpreter beside the main one has asked for
// memory, since its lock may be another.
enum class Activity : std::uint8_t { off, on, many_interpreters };
extern std::atomic<Activity> activity;
inline bool recording() noexcept {
  return activity.load(std::memory_order_acquire) != Activity::off;
}

// Pages that hold code objects known to stacks, a bit more precise than the page filter in exact recording.
inline constexpr std::uint32_t code_pages = 1u << 16;
extern std::uint8_t code_page[code_pages];
inline bool may_be_code(const void* address) noexcept {
  return code_page[(reinterpret_cast<std::uintptr_t>(address) >> 12) & (code_pages - 1)] != 0;
}

// States of threads whose addresses the hooks keep; whoever frees one tells Interpreter::code_freed. Direct mapped: of
// two in the same place the older is not kept any more.
inline constexpr std::uint32_t most_states = 1024;
extern std::atomic<const void*> states[most_states];
inline std::atomic<const void*>& state_place(const void* address) noexcept {
  return states[(reinterpret_cast<std::uintptr_t>(address) >> 4) % most_states];
}
inline void remember_state(const void* address) noexcept {
  state_place(address).store(address, std::memory_order_relaxed);
}
inline bool is_remembered_state(const void* address) noexcept {
  return state_place(address).load(std::memory_order_relaxed) == address;
}

// A block was handed out after due() said so. Decides whether it is recorded, and does so.
void allocated(ThreadState& thread, void* address, std::size_t size, Domain domain, Locking locking) noexcept;
// The same as an unconditional record (a block that moved to another line without passing the allocator).
void relabel(ThreadState& thread, void* address, Locking locking) noexcept;
// A block that may_be_recorded() is about to be freed.
void freed(ThreadState& thread, void* address, Locking locking) noexcept;
// Around realloc of a block that may be recorded.
bool lift(ThreadState& thread, void* address, BlockRow& block) noexcept;
void settle(ThreadState& thread, const BlockRow& block, bool moved, Locking locking) noexcept;

// The buffer protocol, under an interpreter's lock; see python/buffer_hooks.cpp. Most Py_buffers are local variables of C
// code, gone with the call: of these one in so many is recorded, and all that are large. They lie in frames above the
// hook's; a release may come from a place that is some frames nearer.
inline constexpr std::uintptr_t frames_above = 16 << 10, frames_near = 8 << 10;
inline constexpr std::uint32_t one_in = 16;
extern std::uint64_t small_buffer_bytes;  // a buffer below this is small; 0: none is, each is recorded

struct Export {
  const void* view;  // the Py_buffer
  const void* exporter;
  std::uint64_t bytes;
  StringId (*type)(const void* about) noexcept;  // name of the exporter's type
  const void* about;
  bool on_stack;
};
void buffer_acquired(ThreadState& thread, const Export& about) noexcept;
void buffer_released(ThreadState& thread, const void* view, const void* exporter, bool near) noexcept;

void chunk_taken(ThreadState& thread, void* address, std::size_t size, ChunkKind kind) noexcept;
void chunk_released(ThreadState& thread, void* address, std::size_t size) noexcept;

// Around something of the program's own that is written down: the stack of the calling thread, which may be registered by
// that, and the clock. False: nothing is recorded here.
bool begin_note(ThreadState& thread, StackId& stack, Locking locking) noexcept;
void end_note(ThreadState& thread) noexcept;

// Starts recording into the ledger handed over in the environment. Called once, by the python folder.
void begin(FreeLists free_lists, const char* python) noexcept;
void fail(const char* problem) noexcept;
bool has_ledger() noexcept;
// The process that reads the ledger. One that ended leaves us to another one at once, even while it waits to be reaped;
// of a grandparent only its process id can be asked.
class Parent {
 public:
  explicit Parent(Header& header) noexcept;
  bool gone() const noexcept;

 private:
  int id_;
  bool ours_;
};
// Asks the parent for a dump and waits for it. Returns its path in the ledger, or nullptr.
const char* request_dump(std::uint32_t reason, std::uint64_t timeout_ns) noexcept;

// Native frames of the calling thread below `stack`, innermost last; `stack` itself if there are none.
StackId native_stack(ThreadState& thread, StackId stack) noexcept;
void forget_libraries() noexcept;

// The allocator below us, whoever it is (the C library's, or one preloaded after us).
struct RealAllocator {
  void* (*malloc)(std::size_t);
  void* (*calloc)(std::size_t, std::size_t);
  void* (*realloc)(void*, std::size_t);
  void (*free)(void*);
};
extern RealAllocator real;

}  // namespace leakscope::hook
