// What each stack holds at chosen moments: against a twin of plain numbers, on a random life.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "live_counts.h"
#include "recorder.h"
#include "scratch_ledger.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

constexpr StackId stacks = 150;

struct Fixture {
  ScratchLedger scratch{exact};
  Recorder recorder;
  Random random;
  std::map<std::uint64_t, std::pair<StackId, std::uint64_t>> live;  // by address: stack and size
  std::uint64_t next = 0x10000;

  explicit Fixture(std::uint64_t seed) : random(seed) {
    recorder.attach(scratch.ledger());
    recorder.thread_started(1, 2, "main");
    for (StackId stack = 1; stack < stacks; ++stack) add_stack();
  }
  void add_stack() {
    Frame frame{};
    frame.line = static_cast<std::int32_t>(scratch.header().node_count.load()) + 1;
    recorder.trie().child(0, recorder.trie().frame(frame));
  }
  StackId newest() const { return scratch.header().node_count.load() - 1; }

  void step() {
    for (int turn = 0; turn < 40; ++turn) {
      if (live.empty() || between(random, 0, 2) != 0) {
        const StackId stack = static_cast<StackId>(between(random, 1, newest()));
        const std::uint64_t size = between(random, 1, 3000);
        const Locking locking = between(random, 0, 1) == 0 ? Locking::interpreter : Locking::none;
        REQUIRE(recorder.allocated(next, size, Domain::obj, stack, 0, locking));
        live[next] = {stack, size};
        next += 4096;
      } else {
        auto at = live.begin();
        std::advance(at, static_cast<std::ptrdiff_t>(between(random, 0, live.size() - 1)));
        REQUIRE(recorder.freed(at->first, 0, Locking::interpreter));
        live.erase(at);
      }
    }
  }
  std::vector<LiveCounts::Held> now(std::size_t room) const {
    std::vector<LiveCounts::Held> held(room);
    for (const auto& [address, block] : live) {
      held[block.first].blocks += 1;
      held[block.first].bytes += static_cast<std::int64_t>(block.second);
    }
    return held;
  }
};

using Twin = std::vector<std::vector<LiveCounts::Held>>;

LiveCounts::Held least(const LiveCounts::Held& a, const LiveCounts::Held& b) {
  return {std::min(a.blocks, b.blocks), std::min(a.bytes, b.bytes)};
}

void check(const LiveCounts& counts, const Twin& twin) {
  const auto slots = static_cast<std::uint32_t>(twin.size());
  std::map<StackId, std::vector<LiveCounts::Held>> found;
  counts.for_each_changed(
      slots, [&](StackId stack, const LiveCounts::Held* held) { found[stack].assign(held, held + slots); });
  for (StackId stack = 0; stack < twin[0].size(); ++stack) {
    std::vector<LiveCounts::Held> expected;
    for (const auto& slot : twin) expected.push_back(slot[stack]);
    const bool changed = std::any_of(expected.begin(), expected.end(),
                                     [&](const LiveCounts::Held& held) { return held != expected[0]; });
    CHECK(found.contains(stack) == changed);
    if (changed) CHECK(found[stack] == expected);
  }
}

}  // namespace

TEST_CASE("slots hold what every stack held when they were marked, also of stacks that came later") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Fixture life(seed);
    LiveCounts counts(life.scratch.ledger(), 8);
    REQUIRE(counts.has_room());
    Twin twin;
    for (std::uint32_t slot = 0; slot < 8; ++slot) {
      life.step();
      if (slot % 3 == 2) life.add_stack();
      counts.mark(slot, false);
      twin.push_back(life.now(stacks + 4));
    }
    check(counts, twin);
  }
}

TEST_CASE("folding and halving keep the least of what was seen") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Fixture life(seed);
    LiveCounts counts(life.scratch.ledger(), 4);
    Twin twin(4);
    for (std::uint32_t slot = 0; slot < 4; ++slot) {
      for (int moment = 0; moment < 3; ++moment) {
        life.step();
        counts.mark(slot, moment > 0);
        auto now = life.now(stacks);
        if (moment > 0) std::transform(now.begin(), now.end(), twin[slot].begin(), now.begin(), least);
        twin[slot] = now;
      }
    }
    check(counts, twin);

    counts.halve();
    Twin half(2);
    for (std::size_t to = 0; to < 2; ++to) {
      half[to].resize(stacks);
      std::transform(twin[2 * to].begin(), twin[2 * to].end(), twin[2 * to + 1].begin(), half[to].begin(),
                     least);
    }
    check(counts, half);
  }
}

TEST_CASE("a mark that is taken again forgets what the slot held") {
  Fixture life(1);
  LiveCounts counts(life.scratch.ledger(), 2);
  life.step();
  counts.mark(0, false);
  life.step();
  counts.mark(1, false);
  counts.mark(0, false);

  int changed = 0;
  counts.for_each_changed(2, [&](StackId, const LiveCounts::Held*) { ++changed; });
  CHECK(changed == 0);
}
