// The trie of stacks: equal paths are one node, ids stay, and a full table gives the blocks to a caller.
#include <doctest/doctest.h>

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "scratch_ledger.h"
#include "stack_trie.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

struct Fixture {
  ScratchLedger scratch{exact};  // 1,024 nodes, 256 frames and strings, 16 KiB of text
  StackTrie trie;
  Fixture() { trie.attach(scratch.ledger()); }
  std::uint64_t dropped() const { return scratch.header().dropped_stacks.load(); }
};

Frame frame_of(StringId function, StringId file, std::int32_t line, std::uint64_t offset = 0) {
  Frame frame{};
  frame.function = function;
  frame.file = file;
  frame.line = line;
  frame.kind = offset == 0 ? FrameKind::python : FrameKind::native;
  frame.offset = offset;
  return frame;
}

// A frame that no other number gives.
FrameId numbered(StackTrie& trie, std::int32_t number) {
  return trie.frame(frame_of(0, 0, number + 1));
}

}  // namespace

TEST_CASE("equal strings are one row, and the empty one is row 0") {
  Fixture f;
  CHECK(f.trie.string("") == 0);
  const StringId first = f.trie.string("first");
  const StringId second = f.trie.string("second");
  CHECK(first == 1);
  CHECK(second == 2);
  CHECK(f.trie.string(std::string("first")) == first);
  const std::string zero("fir\0st", 6);
  CHECK(f.trie.string(zero) == 3);
  CHECK(f.trie.string("fir") == 4);
  CHECK(f.trie.string(zero) == 3);
  CHECK(f.scratch.header().string_count.load() == 5);
}

TEST_CASE("of a long string the first 4,096 bytes are kept") {
  Fixture f;
  const std::string longest(4096, 'x');
  const StringId id = f.trie.string(longest);
  CHECK(f.trie.string(longest + "tail") == id);
  CHECK(f.trie.string(longest.substr(1)) != id);
  CHECK(f.scratch.header().string_used.load() == 4096 + 4095);
}

TEST_CASE("frames differ by each of their fields") {
  Fixture f;
  std::set<FrameId> ids;
  const std::vector<Frame> frames = {frame_of(1, 2, 3),     frame_of(9, 2, 3),  frame_of(1, 9, 3),
                                     frame_of(1, 2, 9),     frame_of(1, 2, -3), frame_of(1, 2, 3, 16),
                                     frame_of(1, 2, 3, 32), frame_of(2, 1, 3),  frame_of(0, 0, 0)};
  for (const Frame& frame : frames) ids.insert(f.trie.frame(frame));
  CHECK(ids.size() == frames.size());
  CHECK_FALSE(ids.contains(0));
  for (const Frame& frame : frames) CHECK(ids.contains(f.trie.frame(frame)));
  CHECK(f.scratch.header().frame_count.load() == frames.size() + 1);
}

TEST_CASE("equal paths are one node, whatever the order they come in") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    Fixture f;
    std::map<std::vector<FrameId>, StackId> twin{{{}, 0}};
    for (int step = 0; step < 3'000; ++step) {
      std::vector<FrameId> path;
      StackId at = 0;
      const std::uint64_t depth = between(random, 0, 6);
      for (std::uint64_t level = 0; level < depth; ++level) {
        path.push_back(numbered(f.trie, static_cast<std::int32_t>(between(random, 0, 2))));
        const StackId parent = at;
        at = f.trie.child(parent, path.back());
        REQUIRE(at > parent);
        REQUIRE(f.scratch.ledger().nodes()[at].parent == parent);
        REQUIRE(f.scratch.ledger().nodes()[at].frame == path.back());
        const auto [known, is_new] = twin.emplace(path, at);
        REQUIRE(known->second == at);
      }
      if (twin.size() > 900) break;
    }
    std::set<StackId> ids;
    for (const auto& [path, id] : twin) ids.insert(id);
    CHECK(ids.size() == twin.size());
    CHECK(f.scratch.header().node_count.load() == twin.size());
    CHECK(f.dropped() == 0);
  }
}

TEST_CASE("a full trie gives blocks to the caller and counts it") {
  Fixture f;
  const FrameId frame = numbered(f.trie, 0), other = numbered(f.trie, 1);
  StackId deepest = 0;
  for (int depth = 1; depth < 1024; ++depth) {
    const StackId next = f.trie.child(deepest, frame);
    REQUIRE(next == static_cast<StackId>(depth));
    deepest = next;
  }
  CHECK(f.dropped() == 0);
  CHECK(f.trie.child(deepest, frame) == deepest);
  CHECK(f.trie.child(5, other) == 5);
  CHECK(f.trie.child(0, other) == 0);
  CHECK(f.dropped() == 3);
  CHECK(f.trie.child(5, frame) == 6);  // what is there is still found
  CHECK(f.dropped() == 3);
  CHECK(f.scratch.header().node_count.load() == 1024);
}

TEST_CASE("a full frame table gives frame 0 and counts it") {
  Fixture f;
  for (std::int32_t number = 0; number < 255; ++number)
    REQUIRE(numbered(f.trie, number) == static_cast<FrameId>(number) + 1);
  CHECK(numbered(f.trie, 255) == 0);
  CHECK(numbered(f.trie, 256) == 0);
  CHECK(f.dropped() == 2);
  CHECK(numbered(f.trie, 17) == 18);
  CHECK(f.dropped() == 2);
}

TEST_CASE("a full string table gives the empty string and counts it") {
  Fixture f;
  for (int number = 1; number < 256; ++number)
    REQUIRE(f.trie.string(std::to_string(number)) == static_cast<StringId>(number));
  CHECK(f.trie.string("one too many") == 0);
  CHECK(f.dropped() == 1);
  CHECK(f.trie.string("42") == 42);
}

TEST_CASE("when the text is full, what still fits is kept") {
  Fixture f;
  for (const char fill : {'a', 'b', 'c'}) CHECK(f.trie.string(std::string(4096, fill)) != 0);
  CHECK(f.trie.string(std::string(4000, 'd')) != 0);
  CHECK(f.trie.string(std::string(97, 'e')) == 0);
  CHECK(f.dropped() == 1);
  CHECK(f.trie.string(std::string(96, 'e')) != 0);
  CHECK(f.trie.string("e") == 0);
  CHECK(f.dropped() == 2);
}

TEST_CASE("a ledger has room for 1,024 stacks at least and 2^24 at most") {
  auto* header = static_cast<Header*>(prim::map_memory(sizeof(Header)));
  REQUIRE(header != nullptr);
  lay_out(*header, config_of(exact, 1));
  CHECK(header->config.max_stacks == 1024);
  CHECK(is_sound(*header, header->file_bytes));
  CHECK_FALSE(is_sound(*header, header->file_bytes - 1));
  lay_out(*header, config_of(sampled, 0xFFFFFFFF));
  CHECK(header->config.max_stacks == 1u << 24);
  CHECK(header->shadow_regions.bytes == 0);
  CHECK(is_sound(*header, header->file_bytes));
  prim::unmap_memory(header, sizeof(Header));
}
