// Native frames of a request made by native code, by the unwind tables, up to the interpreter. The unwinder is the
// compiler's own; it takes no lock on the C libraries in use today (they publish libraries by _dl_find_object), and
// the recursive loader lock on older ones, which is why no lock of ours is held here.
#include <dlfcn.h>
#include <string.h>
#include <unwind.h>

#include "hook.h"

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
  Dl_info info{};
  Frame row{};
  row.kind = FrameKind::native;
  if (dladdr(reinterpret_cast<void*>(position), &info) != 0 && info.dli_fname != nullptr) {
    row.file = recorder.trie().string(info.dli_fname);
    row.offset = position - reinterpret_cast<std::uintptr_t>(info.dli_fbase);
  } else {
    row.offset = position;
  }
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

}  // namespace

StackId native_stack(StackId stack) noexcept {
  Positions positions{};
  find_own_code(positions);
  _Unwind_Backtrace(collect, &positions);
  for (int at = positions.count; at-- > 0;) {
    if (const FrameId frame = frame_at(positions.at[at]); frame != 0)
      stack = recorder.trie().child(stack, frame);
  }
  return stack;
}

void forget_libraries() noexcept {
  for (Known& entry : known) entry.position.store(0, std::memory_order_release);
}

}  // namespace leakscope::hook
