// Pools in the ledger: what lends memory piece by piece, its handles, and who releases what whom acquired. Rows are plain
// data; pool_books.h writes them inside the program, pool_reader.h reads them in the parent.
#pragma once

#include <cstdint>

#include "types.h"

namespace leakscope {

// What is told of a handle. `undone`: the release before did not happen, it raised. The first six are column `touch.kind`.
enum class PoolEvent : std::uint8_t {
  acquired = 0,
  retained = 1,
  released = 2,
  touched = 3,
  handed_off = 4,
  collected = 5,
  undone = 6
};
inline constexpr int pool_event_count = 7;

// Something happens to the handle object at `handle`. `amount` references are retained or released at once; none are acquired
// by an object that nobody tells the collection of, so that one at this address before it must be gone. `forgiving`: what
// happens to a handle that was released is no fault, since its pool itself does it.
struct PoolNews {
  std::uint32_t pool;
  PoolEvent event;
  bool forgiving;
  std::uint64_t handle, size;
  std::int32_t amount;
  StringId name = 0;  // of an acquisition; a segment of shared memory has one
};

// `back`: released, and its object is still known, so that it is noticed if somebody uses it now.
enum class HandleState : std::uint8_t {
  nothing = 0,
  held = 1,
  back = 2,
  dropped = 3,
  released_twice = 4,
  used_after = 5
};

inline constexpr std::uint32_t pool_limit = 256;
inline constexpr std::uint32_t pools_of_parent = 64;  // the last rows: what the parent sees from outside
inline constexpr std::uint32_t handle_limit = 1u << 18;
inline constexpr std::uint32_t fault_limit =
    1u << 14;  // of these rows at most so many are about what went wrong
inline constexpr std::uint32_t cross_limit = 1u << 20;
inline constexpr std::uint8_t shared_memory_kind =
    3;  // of pools whose handles are segments, found by their names
inline constexpr std::uint64_t unknown_bytes = ~std::uint64_t{0};

struct PoolRow {
  char name[96];     // UTF-8, zero terminated, perhaps cut; empty: the row is free
  char source[160];  // the same
  std::uint64_t held_bytes, used_bytes, peak_bytes;  // unknown_bytes: no_thread tells
  std::uint64_t acquired, released;
  std::uint32_t chunks;
  std::uint32_t sequence;  // odd while the row is being written
  std::uint8_t kind;       // column `pool.kind`
  std::uint8_t pad[7];
};

struct TouchRow {
  StackId stack;
  Moment time;
  ThreadIndex thread;
  PoolEvent kind;
  std::uint8_t pad;
};

// A handle, or what went wrong with several at the same places; then what it says of one is said of the first.
struct HandleRow {
  static constexpr std::uint32_t first_touches = 2, last_touches = 6,
                                 kept_touches = first_touches + last_touches;

  std::uint32_t sequence;  // odd while the row is being written
  HandleState state;
  std::uint8_t pad;
  std::uint16_t pool;
  std::uint64_t serial, address, size;
  std::uint64_t handles, bytes;
  std::int32_t count;
  std::uint32_t releases;
  std::uint32_t touches;  // since the acquisition, more than are kept
  std::uint32_t next;     // chain of the free rows
  std::uint32_t missing;  // row of the cross table that counts it as not released
  StackId stack;
  Moment born, last;
  StringId name;  // of a segment of shared memory
  StackId place,
      second_place;        // of what went wrong: where it was released or last touched; where it happened
  ThreadIndex thread, by;  // who acquired it; of what went wrong: who did that
  TouchRow touch[kept_touches];  // the first few, then a ring of the last ones
};

inline constexpr ThreadIndex no_thread = 0xffff;

struct CrossRow {
  std::uint64_t handles, bytes;
  StackId stack;
  std::uint16_t pool;
  ThreadIndex acquired_by, released_by;  // `no_thread` in the second: not released
  std::uint16_t used;                    // 0: the row is free
};

// Where the touch number `touch` (from 0) of a handle lies in its row.
inline std::uint32_t touch_place(std::uint32_t touch) noexcept {
  constexpr std::uint32_t first = HandleRow::first_touches;
  return touch < first ? touch : first + (touch - first) % HandleRow::last_touches;
}

}  // namespace leakscope
