// Any bytes as a scribbler: they say where to write what over a small ledger, exact or sampled, that is then read as
// the parent reads it. The ledger stands between walls, so a read outside crashes; a dump's ids must lead somewhere.
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>

#include "drawn_heap.h"
#include "reader_promises.h"
#include "recorder.h"
#include "scratch_ledger.h"

namespace {

using namespace leakscope;        // NOLINT: the subject
using namespace leakscope::test;  // NOLINT

constexpr std::size_t section_count = 14;

// A ledger with some of everything. Its pages are mapped anew, privately, for each input: what the last one wrote is
// gone, and the file behind them stays as it is.
class Template {
 public:
  explicit Template(std::uint64_t interval_bytes) : scratch_(interval_bytes, Room::small) {
    const auto recorder = std::make_unique<Recorder>();
    recorder->attach(scratch_.ledger());
    fill(*recorder);
    draw_heap(scratch_.ledger().heap(), 50);
    const Header& header = scratch_.header();
    sections_ = {{{0, sizeof(Header)},
                  header.threads,
                  header.string_index,
                  header.string_bytes,
                  header.frames,
                  header.nodes,
                  header.counters[0],
                  header.counters[1],
                  header.block_rows,
                  header.chunk_rows,
                  header.shadow_bases,
                  header.shadow_regions,
                  scratch_.directory_at(0x7F0000000000),
                  header.heap}};
  }

  [[nodiscard]] ScratchLedger& renewed() {
    if (::mmap(scratch_.base(), scratch_.bytes(), PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, scratch_.fd(), 0) == MAP_FAILED)
      std::abort();
    return scratch_;
  }
  [[nodiscard]] const Section& section(std::size_t at) const { return sections_[at]; }

 private:
  static void fill(Recorder& recorder) {
    for (std::uint64_t thread = 1; thread <= 3; ++thread) recorder.thread_started(thread, thread, "worker");
    StackTrie& trie = recorder.trie();
    StackId stack = 0;
    for (std::int32_t depth = 1; depth <= 20; ++depth) {
      Frame frame{};
      frame.function = trie.string("function " + std::to_string(depth));
      frame.file = trie.string(depth % 5 == 0 ? "/nowhere/library.so" : "/nowhere/module.py");
      frame.line = depth;
      frame.kind = depth % 5 == 0 ? FrameKind::native : FrameKind::python;
      frame.offset = depth % 5 == 0 ? 0x1000 : 0;
      stack = trie.child(depth == 11 ? 0 : stack, trie.frame(frame));
    }
    for (std::uint64_t at = 1; at <= 40; ++at) {
      const std::uint64_t address = 0x7F0000000000 + (at % 2 << 20) + at * 4096 + (at % 5 == 0 ? 8 : 0);
      recorder.allocated(address, at * at * 3, static_cast<Domain>(at % 4), static_cast<StackId>(at % 20),
                         static_cast<ThreadIndex>(at % 3), Locking::none);
    }
    recorder.chunk_taken(0x7E0000000000, 1u << 20, ChunkKind::arena, 3, 1);
    recorder.chunk_taken(0x7E0010000000, 32u << 20, ChunkKind::mapping, 4, 2);
  }

  ScratchLedger scratch_;
  std::array<Section, section_count> sections_{};
};

// Takes numbers off the input; zeros when it is used up.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  [[nodiscard]] bool empty() const { return at_ >= size_; }
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    for (std::size_t byte = 0; byte < bytes; ++byte)
      value |= std::uint64_t{at_ < size_ ? data_[at_++] : std::uint8_t{0}} << (8 * byte);
    return value;
  }

 private:
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
};

}  // namespace

// First byte: which ledger, with the descriptor or without, sections put right again or not. Then each time a section
// and a length, an offset, and so many bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static Template exact_ledger(exact), sampled_ledger(sampled);
  Input input(data, size);
  const std::uint64_t flags = input.number(1);
  Template& chosen = (flags & 1) == 0 ? exact_ledger : sampled_ledger;
  const ScratchLedger& scratch = chosen.renewed();
  Header& header = scratch.header();
  std::array<std::byte, sections_bytes> good;
  std::memcpy(good.data(), &header.threads, good.size());
  while (!input.empty()) {
    const std::uint64_t what = input.number(1);
    const Section& section = chosen.section((what >> 4) % section_count);
    const std::uint64_t bytes = what % 8 + 1, offset = input.number(what % 16 < 8 ? 2 : 4),
                        value = input.number(bytes);
    if (offset >= section.bytes) continue;
    std::memcpy(scratch.base() + section.offset + offset, &value, std::min(bytes, section.bytes - offset));
  }
  header.magic = ledger_magic;
  header.layout = ledger_layout;
  header.header_bytes = sizeof(Header);
  if ((flags & 2) != 0) {
    std::memcpy(&header.threads, good.data(), good.size());
    header.file_bytes = scratch.bytes();
  }
  if (!is_sound(header, scratch.bytes())) return 0;
  const std::string broken =
      read_everything(LedgerReader(scratch.ledger(), (flags & 12) == 0 ? -1 : scratch.fd()));
  if (!broken.empty()) std::abort();
  const HeapReader heap(scratch.ledger(), scratch.fd());
  const HeapFacts facts = heap.facts();
  DumpColumns graph;
  if (heap.add_columns(facts, graph).empty() && !broken_graph(graph, facts).empty()) std::abort();
  return 0;
}
