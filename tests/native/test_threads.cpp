// Eight threads at one recorder, none under the interpreter's lock: blocks of their own at interleaved addresses,
// blocks handed to a neighbour who frees them, stacks, chunks and names. At the end every sum must be right. Run
// under a thread sanitizer this is the test that the tables' rules for who may write what are kept.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "ledger_reader.h"
#include "recorder_twin.h"
#include "scratch_ledger.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

constexpr std::size_t workers = 8;
constexpr std::uint64_t places = 2'000;  // per thread
constexpr StackId stacks = 64;
constexpr std::uint64_t heap = 0x7F0000000000;
constexpr std::uint64_t mappings = 0x7E0000000000;

// Blocks on their way from one thread to another, as in a queue of jobs.
class Letterbox {
 public:
  void put(std::uint64_t address) {
    const std::lock_guard guard(lock_);
    addresses_.push_back(address);
  }
  std::vector<std::uint64_t> take_all() {
    const std::lock_guard guard(lock_);
    return std::exchange(addresses_, {});
  }

 private:
  std::mutex lock_;
  std::vector<std::uint64_t> addresses_;
};

// What one thread did, by its own account.
struct Tally {
  std::uint64_t alloc_bytes = 0, alloc_blocks = 0, free_bytes = 0, free_blocks = 0, foreign_blocks = 0,
                surprises = 0;
  std::array<std::int64_t, stacks> live_bytes{};
};

struct Shared {
  Recorder& recorder;
  LedgerConfig config;
  std::array<Letterbox, workers> letterboxes;
  std::array<Tally, workers> tallies;
  std::array<std::array<StackId, 100>, workers> paths;
};

class Worker {
 public:
  Worker(Shared& shared, std::size_t number)
      : shared_(shared), number_(number), random_(number + 1), tally_(shared.tallies[number]) {}

  void live(int steps) {
    Recorder& recorder = shared_.recorder;
    if (number_ % 2 == 0) recorder.thread_named(5'000 + number_, "early");
    thread_ = recorder.thread_started(number_ + 1, 5'000 + number_, "worker");
    for (int step = 0; step < steps; ++step) {
      one_block();
      if (step % 64 == 0) receive();
      if (step % 128 == 0) chunk();
      if (step % 256 == 0) recorder.refresh();
      if (step % 512 == 0) recorder.thread_named(5'000 + (number_ + 1) % workers, "renamed");
    }
    for (std::size_t at = 0; at < shared_.paths[number_].size(); ++at) shared_.paths[number_][at] = path(at);
  }
  void end() {
    receive();
    for (std::uint64_t place = 0; place < places; place += 2) {
      if (held_[place] != 0) release(place);
    }
    for (std::size_t other = 0; other < workers; ++other)
      shared_.recorder.thread_named(5'000 + other, "ending");
    shared_.recorder.thread_ended(thread_, own_);
  }

 private:
  // Threads take turns within one region, so they race for its making; each seventh place is odd.
  [[nodiscard]] std::uint64_t address_of(std::uint64_t place) const {
    return heap + (place * workers + number_) * 4'096 + (place % 7 == 0 ? 8 : 0);
  }
  // Size and stack follow from the address, so that whoever frees knows them.
  static std::uint64_t size_of(std::uint64_t address) { return mixed(address) % 2'500; }
  static StackId stack_of(std::uint64_t address) { return static_cast<StackId>(mixed(address + 1) % stacks); }

  [[nodiscard]] std::uint64_t weight_of(std::uint64_t address) const {
    return Sampler::weight(size_of(address), shared_.config.interval_bytes, shared_.config.exact_bytes);
  }
  void count_free(std::uint64_t address, bool foreign) {
    const std::uint64_t weight = weight_of(address), blocks = Sampler::blocks(size_of(address), weight);
    tally_.free_bytes += weight;
    tally_.free_blocks += blocks;
    if (foreign) tally_.foreign_blocks += blocks;
    tally_.live_bytes[stack_of(address)] -= static_cast<std::int64_t>(weight);
  }
  void release(std::uint64_t place) {
    const std::uint64_t address = address_of(place);
    count_free(address, false);
    held_[place] = 0;
    tally_.surprises += !shared_.recorder.freed(address, thread_, Locking::none);
    --own_;
  }
  // Even places are this thread's, odd ones are the neighbour's to free, and used once.
  void one_block() {
    std::uint64_t place = between(random_, 0, places / 2 - 1) * 2;
    if (between(random_, 0, 9) == 0 && next_gift_ < places) {
      place = next_gift_;
      next_gift_ += 2;
    }
    if (held_[place] != 0) return release(place);
    const std::uint64_t address = address_of(place), weight = weight_of(address);
    tally_.surprises += shared_.recorder.is_recorded(address);
    shared_.recorder.allocated(address, size_of(address), Domain::mem, stack_of(address), thread_,
                               Locking::none);
    ++own_;
    tally_.alloc_bytes += weight;
    tally_.alloc_blocks += Sampler::blocks(size_of(address), weight);
    tally_.live_bytes[stack_of(address)] += static_cast<std::int64_t>(weight);
    if (place % 2 == 1) {
      shared_.letterboxes[(number_ + 1) % workers].put(address);
    } else {
      held_[place] = 1;
    }
  }
  void receive() {
    for (const std::uint64_t address : shared_.letterboxes[number_].take_all()) {
      count_free(address, true);
      tally_.surprises += !shared_.recorder.freed(address, thread_, Locking::none);
      --own_;
    }
  }
  void chunk() {
    const std::uint64_t address = mappings + (number_ << 30);
    shared_.recorder.chunk_taken(address, 1u << 16, ChunkKind::mapping, 1, thread_);
    shared_.recorder.chunk_released(address + 4'096, 4'096);
    shared_.recorder.chunk_released(address, 1u << 16);
  }
  // All threads make the same hundred paths at the same time.
  StackId path(std::size_t at) {
    Frame frame{};
    frame.function = shared_.recorder.trie().string("function " + std::to_string(at % 10));
    frame.line = static_cast<std::int32_t>(at / 10) + 1;
    const FrameId inner = shared_.recorder.trie().frame(frame);
    frame.line = 77;
    const FrameId outer = shared_.recorder.trie().frame(frame);
    return shared_.recorder.trie().child(shared_.recorder.trie().child(0, outer), inner);
  }

  Shared& shared_;
  std::size_t number_;
  Random random_;
  Tally& tally_;
  ThreadIndex thread_ = 0;
  std::int64_t own_ = 0;  // as the hook counts: taken less given back, whosever they were
  std::vector<char> held_ = std::vector<char>(places);
  std::uint64_t next_gift_ = 1;
};

template <class Do>
void in_threads(std::vector<Worker>& crew, Do&& task) {
  std::vector<std::thread> threads;
  for (Worker& worker : crew) threads.emplace_back([&worker, &task] { task(worker); });
  for (std::thread& thread : threads) thread.join();
}

Tally sum_of(const Shared& shared) {
  Tally sum;
  for (const Tally& one : shared.tallies) {
    sum.alloc_bytes += one.alloc_bytes;
    sum.alloc_blocks += one.alloc_blocks;
    sum.free_bytes += one.free_bytes;
    sum.free_blocks += one.free_blocks;
    sum.foreign_blocks += one.foreign_blocks;
    sum.surprises += one.surprises;
    for (std::size_t stack = 0; stack < stacks; ++stack) sum.live_bytes[stack] += one.live_bytes[stack];
  }
  return sum;
}

// The ledger, its live blocks and its stacks all say what the threads say.
void compare(const ScratchLedger& scratch, const Shared& shared) {
  const Tally known = sum_of(shared);
  CHECK(known.surprises == 0);
  const DomainTotals& total = scratch.header().totals[1][static_cast<int>(Domain::mem)];
  CHECK(total.alloc_bytes == known.alloc_bytes);
  CHECK(total.alloc_blocks == known.alloc_blocks);
  CHECK(total.free_bytes == known.free_bytes);
  CHECK(total.free_blocks == known.free_blocks);
  CHECK(scratch.header().foreign_blocks.load() == known.foreign_blocks);
  CHECK(scratch.header().dropped_blocks.load() == 0);
  CHECK(scratch.header().collisions.load() == 0);
  CHECK(scratch.header().live_mappings.load() == 0);
  CHECK(scratch.header().mapping_bytes.load() == 0);
  std::array<std::int64_t, stacks> live{};
  LedgerReader(scratch.ledger(), scratch.fd()).for_each_block([&](const Block& block) {
    live[block.stack] += static_cast<std::int64_t>(block.weight);
  });
  for (StackId stack = 0; stack < stacks; ++stack) {
    CAPTURE(stack);
    const Counters& counters = scratch.ledger().counters(1)[stack];
    CHECK(live[stack] == known.live_bytes[stack]);
    CHECK(static_cast<std::int64_t>(counters.alloc_bytes - counters.free_bytes) == known.live_bytes[stack]);
  }
}

void hammer(std::uint64_t interval_bytes) {
  const ScratchLedger scratch(interval_bytes);
  scratch.header().node_count = stacks;
  const auto recorder = std::make_unique<Recorder>();
  recorder->attach(scratch.ledger());
  Shared shared{*recorder, scratch.header().config, {}, {}, {}};
  std::vector<Worker> crew;
  for (std::size_t number = 0; number < workers; ++number) crew.emplace_back(shared, number);
  in_threads(crew, [](Worker& worker) { worker.live(20'000); });
  compare(scratch, shared);
  in_threads(crew, [](Worker& worker) { worker.end(); });
  compare(scratch, shared);
  const Tally known = sum_of(shared);
  CHECK(known.foreign_blocks > 0);
  CHECK(known.alloc_bytes == known.free_bytes);
  for (std::size_t number = 1; number < workers; ++number) CHECK(shared.paths[number] == shared.paths[0]);
  CHECK(std::set<StackId>(shared.paths[0].begin(), shared.paths[0].end()).size() == 100);
  CHECK(scratch.header().thread_count.load() == workers);
  for (std::size_t number = 0; number < workers; ++number)
    CHECK(scratch.ledger().threads()[number].ended != 0);
}

}  // namespace

TEST_CASE("eight threads at one exact recorder lose nothing") {
  hammer(exact);
}

TEST_CASE("eight threads at one sampled recorder lose nothing") {
  hammer(sampled);
}
