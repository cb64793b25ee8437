// Native frames of a request made by native code, by the unwind tables, up to the interpreter. The unwinder is the
// compiler's own; it takes no lock on the C libraries in use today (they publish libraries by _dl_find_object), and
// the recursive loader lock on older ones, which is why no lock of ours is held here.
#include <dlfcn.h>
#include <link.h>
#include <string.h>
#include <unwind.h>

#include "process.h"

#ifdef DLFO_STRUCT_HAS_EH_DBASE
#pragma weak _dl_find_object  // since glibc 2.35
#endif

namespace leakscope::hook {
namespace {

constexpr int frame_limit = 40;

struct Positions {
  std::uintptr_t at[frame_limit];
  int count = 0;
  std::uintptr_t own_begin, own_end;
};

_Unwind_Reason_Code collect(_Unwind_Context* context, void* argument) {
  auto& positions = *static_cast<Positions*>(argument);
  int before_call = 0;
  const std::uintptr_t position = _Unwind_GetIPInfo(context, &before_call);
  if (position == 0) return _URC_END_OF_STACK;
  if (position >= interpreter.code_begin && position < interpreter.code_end) return _URC_END_OF_STACK;
  if (position >= positions.own_begin && position < positions.own_end) return _URC_NO_REASON;
  // A return address may already belong to the next function; the byte before it is in the call.
  positions.at[positions.count++] = before_call != 0 ? position : position - 1;
  return positions.count < frame_limit ? _URC_NO_REASON : _URC_END_OF_STACK;
}

struct Library {
  const char* path;  // null: nobody's
  std::uintptr_t base;
};

// dladdr() would find the function too, by going over all symbols of the library.
Library library_at(std::uintptr_t position) noexcept {
  auto* address = reinterpret_cast<void*>(position);
#ifdef DLFO_STRUCT_HAS_EH_DBASE
  if (dl_find_object found{}; &_dl_find_object != nullptr && _dl_find_object(address, &found) == 0 &&
                              found.dlfo_link_map != nullptr && *found.dlfo_link_map->l_name != 0)
    return {found.dlfo_link_map->l_name, reinterpret_cast<std::uintptr_t>(found.dlfo_map_start)};
#endif
  Dl_info info{};
  if (dladdr(address, &info) == 0 || info.dli_fname == nullptr) return {nullptr, 0};
  return {info.dli_fname, reinterpret_cast<std::uintptr_t>(info.dli_fbase)};
}

// Code position to frame, direct mapped: a miss costs a look-up in the loader and the frame table.
struct Known {
  std::atomic<std::uintptr_t> position;
  std::atomic<FrameId> frame;
};
Known known[4096];

FrameId frame_at(std::uintptr_t position) noexcept {
  Known& entry = known[mixed(position) & 4095];
  if (entry.position.load(std::memory_order_acquire) == position) {
    const FrameId frame = entry.frame.load(std::memory_order_relaxed);
    if (entry.position.load(std::memory_order_acquire) == position) return frame;
  }
  const Library library = library_at(position);
  Frame row{};
  row.kind = FrameKind::native;
  if (library.path != nullptr) row.file = recorder.trie().string(library.path);
  row.offset = position - library.base;
  const FrameId frame = recorder.trie().frame(row);
  entry.position.store(0, std::memory_order_release);
  entry.frame.store(frame, std::memory_order_relaxed);
  entry.position.store(position, std::memory_order_release);
  return frame;
}

// Where this library's own code lies, from the linker's symbols: its frames are no part of anybody's stack.
extern "C" __attribute__((visibility("hidden"))) char __ehdr_start;
extern "C" __attribute__((visibility("hidden"))) char etext;

void find_own_code(Positions& positions) noexcept {
  positions.own_begin = reinterpret_cast<std::uintptr_t>(&__ehdr_start);
  positions.own_end = reinterpret_cast<std::uintptr_t>(&etext);
}

// ---- stacks unwound before ------------------------------------------------------------------------------------------
// Unwinding costs thousands of instructions, and a library that allocates in a loop shows the same stack each time. So
// a stack is recognised by where it lies and by every word of its newest part that points into code seen in earlier
// stacks: two stacks that differ in any return address there have different keys. (Words left over from calls that
// ended can only make equal stacks look different, which costs an unwinding.) Frames further out than this part are
// those of one and the same line of Python, and are taken to be the same.

constexpr int recognised_words = 128;
std::uint8_t seen_code[1u << 16];
std::atomic<std::uint64_t> library_epoch{1};

std::uint8_t& seen(std::uintptr_t position) noexcept {
  return seen_code[(position >> 12) & 0xffff];
}

// The interpreter's own frames lie beyond, so that much stack is there to be read.
__attribute__((no_sanitize("address"))) std::uint64_t key_of(const std::uintptr_t* words,
                                                             StackId stack) noexcept {
  std::uint64_t key = mixed(reinterpret_cast<std::uintptr_t>(words) ^ (std::uint64_t{stack} << 40)) ^
                      library_epoch.load(std::memory_order_relaxed);
  for (int at = 0; at < recognised_words; ++at) {
    const std::uintptr_t word = words[at];
    if (seen(word) != 0) key = (key ^ word) * 0x9E3779B97F4A7C15ULL + (key >> 29);
  }
  return key | 1;  // zero is an unused entry
}

StackId unwound(StackId stack) noexcept {
  Positions positions{};
  find_own_code(positions);
  _Unwind_Backtrace(collect, &positions);
  for (int at = positions.count; at-- > 0;) {
    seen(positions.at[at]) = 1;
    if (const FrameId frame = frame_at(positions.at[at]); frame != 0)
      stack = recorder.trie().child(stack, frame);
  }
  return stack;
}

}  // namespace

StackId native_stack(ThreadState& thread, StackId stack) noexcept {
  // Without Python code on the stack it may be a short one, and nothing is known of what lies beyond.
  if (stack == 0 || thread.cache == nullptr) return unwound(stack);
  const auto* words = static_cast<const std::uintptr_t*>(__builtin_frame_address(0));
  const std::uint64_t key = key_of(words, stack);
  StackCache::Unwound& known_stack = thread.cache->unwound[(key >> 20) & (StackCache::unwound_count - 1)];
  if (known_stack.key == key) return known_stack.node;
  const StackId found = unwound(stack);
  known_stack = {key_of(words, stack), found};  // the unwinding may have shown code not seen before
  return found;
}

void forget_libraries() noexcept {
  library_epoch.fetch_add(2, std::memory_order_relaxed);
  for (Known& entry : known) entry.position.store(0, std::memory_order_release);
}

}  // namespace leakscope::hook
