// Rows of threads that are used again: against a twin that knows of every block whose thread it is, and what a dump
// says that is read while it happens.
#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "recorder.h"
#include "scratch_ledger.h"
#include "thread_rows.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

struct Fixture {
  ScratchLedger scratch{exact};
  std::unique_ptr<Recorder> recorder = std::make_unique<Recorder>();
  std::uint64_t started = 0;

  Fixture() {
    scratch.header().node_count = 8;
    recorder->attach(scratch.ledger());
  }
  Recorder* operator->() const { return recorder.get(); }
  // The numbers of a thread say which one it is.
  ThreadIndex start() {
    ++started;
    return recorder->thread_started(started, started + 100'000,
                                    ("thread " + std::to_string(started)).c_str());
  }
  // Threads that stay, until so many rows are left.
  void fill(std::uint32_t left) {
    while (scratch.header().thread_count.load() + left < other_threads) start();
  }
  [[nodiscard]] std::string name(std::uint32_t row) const { return scratch.ledger().threads()[row].name; }
};

constexpr std::uint64_t somewhere = 0x7E0000000000;

TEST_CASE("a thread has the name it was started with, or the one it was given before") {
  Fixture f;
  f->thread_named(77, "early bird");
  f->thread_named(78, "other bird");
  CHECK(f->thread_started(1, 76, "python") == 0);
  CHECK(f->thread_started(2, 77, "python") == 1);
  CHECK(f->thread_started(3, 77, "python") == 2);  // an identity used again: the name was another's
  CHECK(f.name(0) == "python");
  CHECK(f.name(1) == "early bird");
  CHECK(f.name(2) == "python");
}

TEST_CASE("of names that come before their threads the last 64 are kept") {
  Fixture f;
  for (std::uint64_t thread = 1; thread <= 65; ++thread) f->thread_named(thread, "worker");
  CHECK(f->thread_started(1, 1, "python") == 0);
  CHECK(f->thread_started(2, 2, "python") == 1);
  CHECK(f.name(0) == "python");
  CHECK(f.name(1) == "worker");
}

TEST_CASE("a name goes to the newest living thread of its identity") {
  Fixture f;
  CHECK(f->thread_started(1, 99, "first") == 0);
  f->thread_ended(0, 0);
  CHECK(f->thread_started(2, 99, "second") == 1);
  f->thread_named(99, "renamed");
  CHECK(f.name(0) == "first");
  CHECK(f.name(1) == "renamed");
  CHECK(f.scratch.ledger().threads()[0].ended != 0);
  CHECK(f.scratch.ledger().threads()[1].ended == 0);
}

TEST_CASE("a long name is cut between two characters") {
  Fixture f;
  f->thread_started(1, 1, std::string(60, 'x').c_str());
  CHECK(f.name(0) == std::string(39, 'x'));
  f->thread_named(1, (std::string(38, 'x') + "\xC3\xA4").c_str());  // an a with dots, half of which would fit
  CHECK(f.name(0) == std::string(38, 'x'));
  f->thread_named(1, (std::string(37, 'x') + "\xC3\xA4").c_str());
  CHECK(f.name(0) == std::string(37, 'x') + "\xC3\xA4");
}

TEST_CASE("after a fork only the calling thread goes on, under its new id") {
  Fixture f;
  for (std::uint64_t thread = 0; thread < 3; ++thread) f->thread_started(10 + thread, 100 + thread, "t");
  f->thread_forked(1, 55);
  const ThreadRow* rows = f.scratch.ledger().threads();
  CHECK(rows[0].ended != 0);
  CHECK(rows[1].ended == 0);
  CHECK(rows[1].native_id == 55);
  CHECK(rows[2].ended != 0);
}

// Started one after the other until one has a row of its own: a look goes over a part of the rows only.
ThreadIndex start_until_found(Fixture& f) {
  for (int attempt = 0; attempt < 17; ++attempt)
    if (const ThreadIndex row = f.start(); row != other_threads) return row;
  return other_threads;
}

TEST_CASE("when all rows are taken, that of a thread that ended and holds nothing is used again") {
  Fixture f;
  f.fill(1);
  const ThreadIndex last = f.start();
  CHECK(start_until_found(f) == other_threads);
  f->allocated(0x1000, 40, Domain::obj, 1, last, Locking::interpreter);
  CHECK(f->freed(0x1000, last, Locking::interpreter));
  f->thread_ended(last, 0);
  CHECK(start_until_found(f) == last);
  CHECK(f.name(last) == "thread " + std::to_string(f.started));
  CHECK(f.scratch.ledger().threads()[last].ended == 0);
  CHECK(f.scratch.header().reused_threads.load() == 1);
  CHECK(start_until_found(f) == other_threads);
}

TEST_CASE(
    "a row stays for a block, a lifted block and a mapping of its thread until somebody gives them back") {
  Fixture f;
  f.fill(1);
  const ThreadIndex last = f.start();
  f->allocated(0x1000, 40, Domain::obj, 1, last, Locking::interpreter);
  f->chunk_taken(somewhere, 1u << 16, ChunkKind::mapping, 1, last);
  f->thread_ended(last, 1);
  CHECK(start_until_found(f) == other_threads);
  BlockRow block{};
  CHECK(f->lift(0x1000, block));
  block.address = 0x1000;
  CHECK(start_until_found(f) == other_threads);
  f->remember(block);
  CHECK(f->freed(0x1000, 3, Locking::none));
  CHECK(start_until_found(f) == other_threads);
  f->chunk_released(somewhere + 4096, 4096);  // two are left of it
  f->chunk_released(somewhere, 4096);
  CHECK(start_until_found(f) == other_threads);
  f->chunk_released(somewhere, 1u << 16);
  CHECK(start_until_found(f) == last);
}

TEST_CASE("a block that another thread made into an object of its own does not keep the row") {
  Fixture f;
  f.fill(1);
  const ThreadIndex last = f.start();
  f->allocated(0x1000, 40, Domain::obj, 1, last, Locking::interpreter);
  CHECK(f->relabelled(0x1000, 2, 5, Locking::interpreter));
  f->thread_ended(last, 1);
  CHECK(start_until_found(f) == last);
}

TEST_CASE("rows of threads that a fork or another's identity ended are not used again") {
  Fixture f;
  f.fill(2);
  const ThreadIndex twin = f->thread_started(1, 77, "one");
  CHECK(f->thread_started(2, 77, "two") == twin + 1);
  CHECK(f.scratch.ledger().threads()[twin].ended != 0);
  f->thread_forked(0, 4711);
  CHECK(start_until_found(f) == other_threads);
}

// Blocks by address, as a map; threads count as the hook does: what they record less what they give back.
class Life {
 public:
  explicit Life(std::uint64_t seed) : random_(seed) { f.fill(40); }

  void step() {
    const std::uint64_t event = between(random_, 0, 99);
    if (event < 8) return start();
    if (event < 16) return end();
    if (running_.empty()) return;
    const std::uint64_t place = between(random_, 1, 300);
    const ThreadIndex thread = any();
    if (blocks_.contains(place)) {
      REQUIRE(f->freed(place * 64, thread, Locking::none));
      blocks_.erase(place);
      --running_[thread];
    } else {
      REQUIRE(f->allocated(place * 64, 40, Domain::mem, 1, thread, Locking::none));
      blocks_[place] = {thread, f.name(thread)};
      ++running_[thread];
    }
  }
  // Every block's thread still has its name.
  void check() const {
    for (const auto& entry : blocks_) REQUIRE(f.name(entry.second.first) == entry.second.second);
  }
  Fixture f;

 private:
  ThreadIndex any() {
    auto at = running_.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(between(random_, 0, running_.size() - 1)));
    return at->first;
  }
  void start() {
    const ThreadIndex row = f.start();
    if (row == other_threads) return;
    for (const auto& entry : blocks_) REQUIRE(entry.second.first != row);
    REQUIRE(running_.emplace(row, 0).second);
  }
  void end() {
    if (running_.empty()) return;
    const ThreadIndex thread = any();
    f->thread_ended(thread, running_[thread]);
    running_.erase(thread);
  }

  Random random_;
  std::map<ThreadIndex, std::int64_t> running_;
  std::map<std::uint64_t, std::pair<ThreadIndex, std::string>> blocks_;
};

TEST_CASE("no row is used again while a block names it, whatever threads do with each other's blocks") {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    CAPTURE(seed);
    Life life(seed);
    for (int step = 0; step < 8'000; ++step) life.step();
    life.check();
    CHECK(life.f.scratch.header().reused_threads.load() > 5);
  }
}

TEST_CASE("a dump knows the thread before and the one after, each by its own name") {
  Fixture f;
  f.fill(2);
  const ThreadIndex row = f.start(), other = f.start();
  ThreadRows rows(f.scratch.ledger());
  std::vector<std::uint32_t> tokens = {rows.token(row), rows.token(other)};
  f->thread_ended(row, 0);
  REQUIRE(start_until_found(f) == row);
  tokens.push_back(rows.token(row));
  rows.finish();
  rows.resolve(tokens);
  REQUIRE(tokens.size() == 3);
  CHECK(std::string(rows.rows()[tokens[0]].name) == "thread 16382");
  CHECK(std::string(rows.rows()[tokens[1]].name) == "thread 16383");
  CHECK(tokens[2] == row);
  CHECK(std::string(rows.rows()[row].name) == f.name(row));
}

TEST_CASE("a thread that came and went while a dump was read has no name in it") {
  Fixture f;
  f.fill(1);
  const ThreadIndex row = f.start();
  ThreadRows rows(f.scratch.ledger());
  f->thread_ended(row, 0);
  REQUIRE(start_until_found(f) == row);
  std::vector<std::uint32_t> tokens = {rows.token(row)};
  f->thread_ended(row, 0);
  REQUIRE(start_until_found(f) == row);
  rows.finish();
  rows.resolve(tokens);
  CHECK(tokens[0] == rows.nameless());
}

TEST_CASE("a thread that started while a dump was read has its own row") {
  Fixture f;
  f.start();
  ThreadRows rows(f.scratch.ledger());
  const ThreadIndex late = f.start();
  std::vector<std::uint32_t> tokens = {rows.token(late), rows.token(other_threads), rows.token(500)};
  rows.finish();
  rows.resolve(tokens);
  CHECK(tokens == std::vector<std::uint32_t>{late, 0, 0});
}

}  // namespace
