#include "codes.h"

#include <cstring>
#include <string_view>

#include "../core/location_table.h"

namespace leakscope::python {

std::atomic<std::uint32_t> codes_freed{0};

std::size_t to_utf8(PyObject* text, char* into, std::size_t room) noexcept {
  if (text == nullptr || !PyUnicode_Check(text)) return 0;
  const Py_ssize_t length = PyUnicode_GET_LENGTH(text);
  const int kind = static_cast<int>(PyUnicode_KIND(text));
  const void* data = PyUnicode_DATA(text);
  std::size_t at = 0;
  for (Py_ssize_t index = 0; index < length && at + 4 <= room; ++index) {
    const auto c = static_cast<std::uint32_t>(PyUnicode_READ(kind, data, index));
    if (c < 0x80) {
      into[at++] = static_cast<char>(c);
    } else if (c < 0x800) {
      into[at++] = static_cast<char>(0xC0 | (c >> 6));
      into[at++] = static_cast<char>(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
      into[at++] = static_cast<char>(0xE0 | (c >> 12));
      into[at++] = static_cast<char>(0x80 | ((c >> 6) & 0x3F));
      into[at++] = static_cast<char>(0x80 | (c & 0x3F));
    } else {
      into[at++] = static_cast<char>(0xF0 | (c >> 18));
      into[at++] = static_cast<char>(0x80 | ((c >> 12) & 0x3F));
      into[at++] = static_cast<char>(0x80 | ((c >> 6) & 0x3F));
      into[at++] = static_cast<char>(0x80 | (c & 0x3F));
    }
  }
  return at;
}

namespace {

using hook::StackCache;

// Instruction pointers of one code object, as position() tells them.
struct Range {
  std::uintptr_t begin, end;
  bool holds(const void* position) const noexcept {
    const auto at = reinterpret_cast<std::uintptr_t>(position);
    return at >= begin && at < end;
  }
};

struct Code {
  const void* address;  // null: the row is free, `file` chains to the next free one
  StringId function;
  StringId file;
  Range range;
  LineCursor lines;
};

constexpr std::uint32_t code_limit = 1u << 20;
SpinLock code_lock;
Code* codes;
std::uint32_t code_high = 1, free_code = 0;
HashIndex code_index;

// The newest ranges that went; a cache further behind forgets everything.
constexpr std::uint32_t range_count = 64;
Range freed_ranges[range_count];

// Instruction to frame, direct mapped.
struct Known {
  const void* position;
  FrameId frame;
};
constexpr std::uint32_t known_count = 2048;
Known known[known_count];

std::uint64_t hash_of(const void* address) noexcept {
  return mixed(reinterpret_cast<std::uintptr_t>(address));
}

StringId intern(PyObject* text) noexcept {
  char bytes[1024];
  return hook::recorder.trie().string({bytes, to_utf8(text, bytes, sizeof bytes)});
}

std::uint8_t& code_page_of(const void* address) noexcept {
  return hook::code_page[(reinterpret_cast<std::uintptr_t>(address) >> 12) & (hook::code_pages - 1)];
}

std::uint32_t add_code(PyCodeObject* code) noexcept {
  std::uint32_t row = free_code;
  if (row != 0) {
    free_code = codes[row].file;
  } else {
    if (code_high >= code_limit) return 0;
    row = code_high++;
  }
  std::uintptr_t begin = 0, end = 0;
  position_range(code, begin, end);
  codes[row] = {code,
                intern(name_of(code)),
                intern(code->co_filename),
                {begin, end},
                before_first(code->co_firstlineno)};
  if (!code_index.insert(hash_of(code), row, [](std::uint32_t at) { return hash_of(codes[at].address); })) {
    codes[row] = {nullptr, 0, free_code, {}, {}};
    free_code = row;
    return 0;
  }
  if (code_page_of(code) != 255) ++code_page_of(code);
  hook::filter_add(reinterpret_cast<std::uintptr_t>(code));
  return row;
}

void note_freed(Range range) noexcept {
  const std::uint32_t count = codes_freed.load(std::memory_order_relaxed);
  freed_ranges[count % range_count] = range;
  codes_freed.store(count + 1, std::memory_order_release);
}

// What went from one count to another. Most positions are in none of its ranges, nor between them.
class Freed {
 public:
  Freed(std::uint32_t from, std::uint32_t to) noexcept : from_(from), to_(to) {
    for (std::uint32_t at = from; at != to; ++at) {
      const Range& range = freed_ranges[at % range_count];
      if (range.begin == range.end) continue;
      if (all_.begin == all_.end) all_ = range;
      if (range.begin < all_.begin) all_.begin = range.begin;
      if (range.end > all_.end) all_.end = range.end;
    }
  }
  bool holds(const void* position) const noexcept {
    if (__builtin_expect(!all_.holds(position), 1)) return false;
    for (std::uint32_t at = from_; at != to_; ++at)
      if (freed_ranges[at % range_count].holds(position)) return true;
    return false;
  }

 private:
  std::uint32_t from_, to_;
  Range all_{0, 0};
};

// A short range is asked for each of its instructions, a long one of each entry.
void forget_known(Range range) noexcept {
  constexpr std::uintptr_t step = PY_VERSION_HEX < 0x030B0000 ? 1 : sizeof(_Py_CODEUNIT);
  if (range.end - range.begin < step * known_count / 4) {
    for (std::uintptr_t at = range.begin & ~(step - 1); at < range.end; at += step) {
      Known& entry = known[hash_of(reinterpret_cast<const void*>(at)) & (known_count - 1)];
      if (range.holds(entry.position)) entry.position = nullptr;
    }
    return;
  }
  for (Known& entry : known)
    if (range.holds(entry.position)) entry.position = nullptr;
}

int line_of(PyCodeObject* code, LineCursor& cursor, int offset) noexcept {
#if PY_VERSION_HEX < 0x030B0000
  (void)cursor;
  return PyCode_Addr2Line(code, offset);
#else
  if (offset < 0 || !PyBytes_Check(code->co_linetable)) return code->co_firstlineno;
  return line_at(cursor, reinterpret_cast<const std::uint8_t*>(PyBytes_AS_STRING(code->co_linetable)),
                 static_cast<std::size_t>(PyBytes_GET_SIZE(code->co_linetable)), code->co_firstlineno,
                 offset);
#endif
}

}  // namespace

void prepare_codes() noexcept {
  codes = static_cast<Code*>(prim::map_memory(sizeof(Code) * code_limit));
}

FrameId frame_id(const RawFrame* frame) noexcept {
  const void* at = position(frame);
  SpinGuard guard(code_lock);
  Known& entry = known[hash_of(at) & (known_count - 1)];
  if (entry.position == at) return entry.frame;
  PyCodeObject* code = code_of(frame);
  if (code == nullptr || !PyCode_Check(code) || codes == nullptr) return 0;
  std::uint32_t row =
      code_index.find(hash_of(code), [&](std::uint32_t id) { return codes[id].address == code; });
  if (row == 0) row = add_code(code);
  if (row == 0) return 0;
  Frame names{};
  names.function = codes[row].function;
  names.file = codes[row].file;
  names.line = line_of(code, codes[row].lines, byte_offset(frame, code));
  if (names.line < 0) names.line = 0;
  const FrameId found = hook::recorder.trie().frame(names);
  entry = {at, found};
  return found;
}

void code_freed(const void* address) noexcept {
  SpinGuard guard(code_lock);
  if (hook::is_remembered_state(address)) {
    hook::state_place(address).store(nullptr, std::memory_order_relaxed);
    note_freed({0, 0});
    return;
  }
  const std::uint32_t row = code_index.take(
      hash_of(address), [&](std::uint32_t at) { return codes[at].address == address; },
      [](std::uint32_t at) { return hash_of(codes[at].address); });
  if (row == 0) return;
  const Range range = codes[row].range;
  codes[row] = {nullptr, 0, free_code, {}, {}};
  free_code = row;
  if (code_page_of(address) != 255) --code_page_of(address);
  hook::filter_remove(reinterpret_cast<std::uintptr_t>(address));
  forget_known(range);
  note_freed(range);
}

void catch_up(StackCache& cache) noexcept {
  SpinGuard guard(code_lock);
  const std::uint32_t count = codes_freed.load(std::memory_order_relaxed);
  if (count - cache.codes_freed > range_count) {
    std::memset(cache.steps, 0, sizeof cache.steps);
    cache.count = 0;
  } else {
    const Freed freed(cache.codes_freed, count);
    for (StackCache::Step& step : cache.steps)
      if (freed.holds(step.position)) step.position = nullptr;
    for (std::uint32_t entry = 0; entry < cache.count; ++entry)
      if (freed.holds(cache.entries()[entry].position)) cache.count = entry;
  }
  cache.codes_freed = count;
}

void lock_codes() noexcept {
  code_lock.lock();
}
void unlock_codes() noexcept {
  code_lock.unlock();
}

}  // namespace leakscope::python
