// The books about pools: what they say after any history is what plain maps say, and what is read back is whole.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <thread>
#include <tuple>
#include <vector>

#include "ledger_reader.h"
#include "reader_promises.h"
#include "recorder.h"
#include "scratch_ledger.h"

using namespace leakscope;
using namespace leakscope::test;

namespace {

constexpr std::uint64_t size_of(std::uint64_t handle) {
  return 64 * (handle % 5);
}

PoolNews news(PoolEvent event, std::uint64_t handle, std::int32_t amount = 1, bool forgiving = false) {
  return {0, event, forgiving, handle, size_of(handle), amount};
}

// Handles as one would keep them without thinking of cost.
class Twin {
 public:
  using Key = std::tuple<StackId, ThreadIndex, ThreadIndex>;
  struct Life {
    bool held;
    std::int32_t count;
    StackId stack;
    ThreadIndex thread;
  };

  void happened(PoolEvent event, std::uint64_t handle, StackId stack, ThreadIndex thread) {
    const auto found = lives.find(handle);
    if (event == PoolEvent::acquired) {
      if (found != lives.end() && found->second.held) return;
      lives[handle] = {true, 1, stack, thread};
      crossed[{stack, thread, no_thread}] += 1;
      return;
    }
    if (found == lives.end()) return;
    Life& life = found->second;
    if (event == PoolEvent::collected) {
      dropped += life.held ? 1 : 0;
      lives.erase(found);
    } else if (!life.held) {
      twice += event == PoolEvent::released ? 1 : 0;
      used += event == PoolEvent::retained || event == PoolEvent::touched ? 1 : 0;
    } else if (event == PoolEvent::retained) {
      ++life.count;
    } else if (event == PoolEvent::released && --life.count == 0) {
      life.held = false;
      crossed[{life.stack, life.thread, no_thread}] -= 1;
      crossed[{life.stack, life.thread, thread}] += 1;
    }
  }

  std::map<std::uint64_t, Life> lives;
  std::map<Key, std::int64_t> crossed;
  std::uint64_t dropped = 0, twice = 0, used = 0;
};

std::uint64_t handles_of(const DumpColumns& dump, std::uint8_t state) {
  const auto states = column<std::uint8_t>(dump, "handle.state");
  const auto handles = column<std::uint64_t>(dump, "handle.handles");
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < states.size(); ++at) sum += states[at] == state ? handles[at] : 0;
  return sum;
}

struct Books {
  ScratchLedger scratch{LedgerConfig{}};
  Recorder recorder;
  Books() {
    recorder.attach(scratch.ledger());
    for (std::uint64_t at = 0; at < 4; ++at) recorder.thread_started(100 + at, 1000 + at, "worker");
    for (std::int32_t line = 1; line < 40; ++line) {
      Frame frame{};
      frame.line = line;
      recorder.trie().child(0, recorder.trie().frame(frame));
    }
    recorder.pools().open("buffers", "app:Buffer", 0);
  }
  void happened(PoolEvent event, std::uint64_t handle, StackId stack = 1, ThreadIndex thread = 0) {
    recorder.pools().happened(news(event, handle), stack, thread, 5);
  }
  DumpColumns dump() { return LedgerReader(scratch.ledger(), scratch.fd()).dump(); }
};

}  // namespace

TEST_CASE("after any history the books say what plain maps say") {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    Books books;
    Twin twin;
    std::mt19937 random(seed);
    constexpr PoolEvent events[] = {PoolEvent::acquired,   PoolEvent::acquired, PoolEvent::retained,
                                    PoolEvent::released,   PoolEvent::released, PoolEvent::touched,
                                    PoolEvent::handed_off, PoolEvent::collected};
    for (int step = 0; step < 5000; ++step) {
      const PoolEvent event = events[random() % std::size(events)];
      const std::uint64_t handle = 0x1000 + 16 * (random() % 60);
      const auto stack = static_cast<StackId>(1 + random() % 30);
      const auto thread = static_cast<ThreadIndex>(random() % 4);
      books.happened(event, handle, stack, thread);
      twin.happened(event, handle, stack, thread);
    }
    const DumpColumns dump = books.dump();

    CHECK(broken_promise(dump) == "");
    std::uint64_t held = 0, held_bytes = 0;
    for (const auto& [handle, life] : twin.lives) {
      held += life.held ? 1 : 0;
      held_bytes += life.held ? size_of(handle) : 0;
    }
    CHECK(handles_of(dump, 0) + handles_of(dump, 4) == held);
    CHECK(handles_of(dump, 1) == twin.dropped);
    CHECK(handles_of(dump, 2) == twin.twice);
    CHECK(handles_of(dump, 3) == twin.used);
    CHECK(column<double>(dump, "pool.used_bytes") == std::vector<double>{static_cast<double>(held_bytes)});
    std::map<Twin::Key, std::int64_t> crossed;
    const auto stack = column<std::uint32_t>(dump, "cross.stack");
    const auto by = column<std::uint32_t>(dump, "cross.acquired_by"),
               to = column<std::uint32_t>(dump, "cross.released_by");
    const auto handles = column<std::uint64_t>(dump, "cross.handles");
    for (std::size_t at = 0; at < stack.size(); ++at) {
      const ThreadIndex released_by = to[at] == ~0u ? no_thread : static_cast<ThreadIndex>(to[at]);
      crossed[{stack[at], static_cast<ThreadIndex>(by[at]), released_by}] =
          static_cast<std::int64_t>(handles[at]);
    }
    std::erase_if(twin.crossed, [](const auto& row) { return row.second == 0; });
    CHECK(crossed == twin.crossed);
  }
}

TEST_CASE("of many touches the first two and the last six are kept, in their order") {
  Books books;
  books.happened(PoolEvent::acquired, 0x1000);
  for (StackId stack = 2; stack < 32; ++stack) books.happened(PoolEvent::touched, 0x1000, stack);

  CHECK(column<std::uint32_t>(books.dump(), "touch.stack") ==
        std::vector<std::uint32_t>{2, 3, 26, 27, 28, 29, 30, 31});
}

TEST_CASE("a release that raised did not happen") {
  Books books;
  books.happened(PoolEvent::acquired, 0x1000);
  books.happened(PoolEvent::released, 0x1000, 2, 1);
  books.happened(PoolEvent::undone, 0x1000, 2, 1);
  const DumpColumns dump = books.dump();

  CHECK(handles_of(dump, 0) == 1);
  CHECK(column<std::uint64_t>(dump, "cross.handles") == std::vector<std::uint64_t>{1});
  CHECK(column<std::uint64_t>(dump, "pool.released") == std::vector<std::uint64_t>{0});
}

TEST_CASE("what a pool itself does to a handle that came back is no fault") {
  Books books;
  books.happened(PoolEvent::acquired, 0x1000);
  books.happened(PoolEvent::released, 0x1000);
  for (const PoolEvent event : {PoolEvent::touched, PoolEvent::retained, PoolEvent::released})
    CHECK(!books.recorder.pools().happened(news(event, 0x1000, 1, true), 1, 0, 5));
  books.happened(PoolEvent::handed_off, 0x1000);

  CHECK(column<std::uint8_t>(books.dump(), "handle.state").empty());
}

TEST_CASE("an object that nobody tells the collection of is gone when its address is lent again") {
  Books books;
  for (int round = 0; round < 3; ++round)
    books.recorder.pools().happened(news(PoolEvent::acquired, 0x1001, 0), 1, 0, 5);
  const DumpColumns dump = books.dump();

  CHECK(handles_of(dump, 0) == 1);
  CHECK(handles_of(dump, 1) == 2);
}

TEST_CASE("faults at the same places are one row, at other places another") {
  Books books;
  for (StackId place : {5u, 5u, 6u}) {
    books.happened(PoolEvent::acquired, 0x1000);
    books.happened(PoolEvent::released, 0x1000, 4);
    books.happened(PoolEvent::released, 0x1000, place);
    books.happened(PoolEvent::collected, 0x1000);
  }
  CHECK(column<std::uint64_t>(books.dump(), "handle.handles") == std::vector<std::uint64_t>{2, 1});
}

TEST_CASE("a table that is full counts what it misses, and its other rows stay right") {
  Books books;
  for (std::uint64_t at = 0; at < handle_limit + 100; ++at)
    books.happened(PoolEvent::acquired, 0x10000 + 16 * at);

  CHECK(books.scratch.ledger().header().dropped_handles.load() == 101);  // row 0 is none
  for (std::uint64_t at = 0; at < handle_limit + 100; ++at)
    books.happened(PoolEvent::released, 0x10000 + 16 * at);
  CHECK(column<std::uint64_t>(books.dump(), "pool.released") == std::vector<std::uint64_t>{handle_limit - 1});
}

TEST_CASE("threads that exchange handles and a reader never disagree") {
  Books books;
  std::vector<std::thread> threads;
  for (ThreadIndex thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&books, thread] {
      for (std::uint64_t round = 0; round < 3000; ++round) {
        const std::uint64_t handle = 0x1000 + 16 * (thread + 4 * (round % 50));
        for (const PoolEvent event : {PoolEvent::acquired, PoolEvent::touched, PoolEvent::released})
          books.happened(event, handle, 1 + thread, thread);
      }
    });
  }
#if !defined( \
    __SANITIZE_THREAD__)  // readers look again instead of locking, which the sanitizer takes for a race
  for (int times = 0; times < 20; ++times) CHECK(broken_promise(books.dump()) == "");
#endif
  for (std::thread& thread : threads) thread.join();
  const DumpColumns dump = books.dump();

  CHECK(column<std::uint64_t>(dump, "pool.released") == std::vector<std::uint64_t>{12'000});
  CHECK(column<std::uint64_t>(dump, "cross.handles") == std::vector<std::uint64_t>(4, 3000));
}
