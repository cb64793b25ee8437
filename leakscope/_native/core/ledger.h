// The ledger: one shared memory file per process, written by the recorder inside the program and read by the parent
// at any time, also after the program was killed.
//
//   offset  section
//   0       Header            configuration, counters, sizes of the sections
//           ThreadRow[]       who asks
//           strings           bytes, and (offset, length) per string
//           Frame[]  Node[]   the trie of stacks
//           Counters[2][]     per node: [0] updated under the interpreter's lock, [1] atomically
//           BlockRow[]        live blocks, dense, in no order
//           ChunkRow[]        arenas and mappings
//           PoolRow[] HandleRow[] CrossRow[]     pools, see pool_rows.h
//           BufferRow[]       outstanding exports of the buffer protocol, dense, in no order
//           BufferCounters[]  per node
//           HeapArea          the object graph on its way out of the program, see heap_area.h
//           shadow            exact recording only: 8 bytes per 16 bytes of heap, see shadow_table.h
//
// The file is sparse: sections have room for far more than is ever used, and cost what was touched; that is why hash
// indices over these rows live in the writer's private memory (hash_index.h), where they can grow. Nothing in it is
// trusted by the reader: indices are checked against the sections' sizes, since the writer may have died half-way or
// scribbled over it (it lies in a stranger's address space).
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "../platform/prim.h"
#include "heap_area.h"
#include "pool_rows.h"
#include "types.h"

namespace leakscope {

struct Section {
  std::uint64_t offset;
  std::uint64_t bytes;
};

struct LedgerConfig {
  std::uint64_t interval_bytes = 1;   // mean distance of marks; 1 is exact
  std::uint64_t exact_bytes = 65536;  // blocks this large are always recorded
  std::uint32_t max_frames = 64;      // verified and shown; deeper frames are trusted to be unchanged
  std::uint32_t max_stacks = 1u << 22;
  std::uint32_t heap = 1;                 // dumps have the object graph
  std::uint32_t heap_values = 0;          // with the texts of keys and small values
  std::uint32_t buffers = 0;              // the buffer protocol is watched
  std::uint64_t chunk_bytes = 16u << 20;  // a mapping of this size is counted as a large one
};

enum class HeapWish : std::uint32_t {
  none = 0,
  wanted = 1,     // by the parent
  claimed = 2,    // by the program: a thread of ours is on its way to the interpreter's lock
  withdrawn = 3,  // by the parent: that took too long
};
enum class HeapOwner : std::uint32_t { nobody = 0, wish = 1, request = 2 };

// All of the buffer protocol, whether its stack was asked for or not.
struct BufferTotals {
  std::uint64_t acquired, released, foreign;
  std::uint64_t
      unseen_releases;     // acquired from types whose releases nobody sees: they have no function for it
  std::uint64_t unknown;   // released, but not known to have been acquired
  std::uint64_t replaced;  // acquired into a Py_buffer whose last export was never seen released
  std::uint64_t dropped;   // no room
  std::uint64_t refused_types;  // could not be watched
};
// An interpreter has one to four arenas when it comes to the user's code.
inline constexpr int early_arena_limit = 64;
// The recorder's private memory in large mappings: tables of code, hash indices, the walk's own.
inline constexpr int own_mapping_limit = 32;

struct DomainTotals {
  std::uint64_t alloc_bytes, alloc_blocks, free_bytes, free_blocks;
};

// How the work went on: so many blocks had been asked for at a moment. A short run has little else that tells when it
// was at work. Whoever refreshes the clock writes them; when all rows are taken every second one goes, and new ones
// come half as often. A reader that comes in between may see rows out of order, and leaves those out.
struct WorkRow {
  std::atomic<Moment> moment;
  std::uint32_t pad;
  std::atomic<std::uint64_t> blocks;  // in 1/256
};
inline constexpr std::uint32_t work_rows = 512;

// Where everything lies. Fixed when a ledger is laid out: a reader takes a copy once is_sound() has checked it.
struct Sections {
  Section threads, string_index, string_bytes, frames, nodes, counters[2];
  Section block_rows, chunk_rows, pool_rows, handle_rows, cross_rows, buffer_rows, buffer_counters, heap,
      shadow_directory, shadow_bases, shadow_regions;
};

struct Header : Sections {
  std::uint64_t magic;
  std::uint32_t layout;  // of this struct and the sections; both sides must agree
  std::uint32_t header_bytes;
  std::uint64_t file_bytes;
  LedgerConfig config;

  // Written by the recorder, read by the parent.
  std::atomic<Phase> phase;
  std::atomic<std::uint32_t> pid;
  char python[16];
  char problem[200];
  double began_unix_s;
  std::uint64_t began_monotonic_ns;
  std::uint64_t began_rss_anon_bytes;
  FreeLists free_lists;

  std::atomic<std::uint32_t> thread_count, string_count, frame_count, node_count, block_high, chunk_high;
  std::atomic<std::uint32_t> pool_count, handle_high, cross_high;
  std::atomic<std::uint32_t> shadow_region_count;
  std::atomic<std::uint64_t> string_used;

  std::atomic<std::uint64_t> dropped_stacks, dropped_blocks, dropped_threads, reused_threads, unknown_frees,
      collisions, truncated_stacks, tracer_lost, foreign_blocks, dropped_handles, dropped_crosses;
  DomainTotals totals[2][domain_count];  // [0] under the interpreter's lock, [1] atomically
  BufferTotals buffers;
  std::atomic<std::uint32_t> buffer_high;
  std::atomic<std::uint64_t> live_arenas, arena_bytes, live_mappings, mapping_bytes, large_mappings;
  // Mappings that look like arenas of pymalloc, from before recording: address + log2 of the size; 0: none.
  std::atomic<std::uint64_t> early_arenas[early_arena_limit];
  prim::OwnMapping own_mappings[own_mapping_limit];

  std::atomic<std::uint32_t> work_count;
  WorkRow work[work_rows];

  // The program asks for a dump: it raises `request` and waits on `answer`; both are futexes.
  std::atomic<std::uint32_t> parent;  // process id of the reader, or `nobody`
  std::atomic<std::uint32_t> request_reason;
  std::atomic<std::uint32_t> request;
  std::atomic<std::uint32_t> answer;
  char answer_path[1024];

  // The object graph: the parent may wish for one, and a request may come with one. Whoever finds the area empty and
  // takes it is its owner until the parent has emptied it again.
  std::atomic<HeapWish> heap_wish;
  std::atomic<HeapOwner> heap_owner;
  std::atomic<std::uint32_t>
      request_heap;  // the request wants a graph: it is in the area, or heap_problem says why not
  std::atomic<std::uint32_t> heap_copy;  // process id of the copy that walks; 0: none, or reaped
  char heap_problem[200];
  std::atomic<std::uint32_t>
      wake_signal;  // makes a program hear the wish that does nothing else; 0: there is none
};

// No other process reads the ledger: nobody can be asked for a dump.
inline constexpr std::uint32_t nobody = 0;

// Why the program asks for a dump.
inline constexpr std::uint32_t reason_request = 0;  // it called leakscope.dump()
inline constexpr std::uint32_t reason_exit = 1;     // it is about to tear down its modules

inline constexpr std::uint64_t ledger_magic = 0x4b534c5245474445ULL;
inline constexpr std::uint32_t ledger_layout = 6;

// Sizes of all sections for a configuration; fills everything a fresh ledger needs. `base` is zeroed memory of at
// least sizeof(Header) bytes.
void lay_out(Header& header, const LedgerConfig& config) noexcept;

// Does a mapped file of `bytes` bytes hold a ledger whose sections lie inside it? The one check that lets a reader
// use Ledger's accessors.
bool is_sound(const Header& header, std::uint64_t bytes) noexcept;

// Typed access to the sections of a mapped ledger.
class Ledger {
 public:
  Ledger() = default;
  explicit Ledger(void* base) noexcept : Ledger(base, *static_cast<Header*>(base)) {}
  // With sections that nobody else can change; they must outlive the ledger.
  Ledger(void* base, const Sections& sections) noexcept
      : base_(static_cast<std::byte*>(base)), sections_(&sections) {}
  explicit operator bool() const noexcept { return base_ != nullptr; }

  const Sections& sections() const noexcept { return *sections_; }
  Header& header() const noexcept { return *reinterpret_cast<Header*>(base_); }
  ThreadRow* threads() const noexcept { return at<ThreadRow>(sections_->threads); }
  std::uint64_t* string_index() const noexcept { return at<std::uint64_t>(sections_->string_index); }
  char* string_bytes() const noexcept { return at<char>(sections_->string_bytes); }
  Frame* frames() const noexcept { return at<Frame>(sections_->frames); }
  Node* nodes() const noexcept { return at<Node>(sections_->nodes); }
  Counters* counters(int set) const noexcept { return at<Counters>(sections_->counters[set]); }
  BlockRow* block_rows() const noexcept { return at<BlockRow>(sections_->block_rows); }
  ChunkRow* chunk_rows() const noexcept { return at<ChunkRow>(sections_->chunk_rows); }
  PoolRow* pool_rows() const noexcept { return at<PoolRow>(sections_->pool_rows); }
  HandleRow* handle_rows() const noexcept { return at<HandleRow>(sections_->handle_rows); }
  CrossRow* cross_rows() const noexcept { return at<CrossRow>(sections_->cross_rows); }
  BufferRow* buffer_rows() const noexcept { return at<BufferRow>(sections_->buffer_rows); }
  BufferCounters* buffer_counters() const noexcept { return at<BufferCounters>(sections_->buffer_counters); }
  HeapArea& heap() const noexcept { return *at<HeapArea>(sections_->heap); }
  std::atomic<std::uint32_t>* shadow_directory() const noexcept { return atoms(sections_->shadow_directory); }
  std::uint64_t* shadow_bases() const noexcept { return at<std::uint64_t>(sections_->shadow_bases); }
  std::uint64_t* shadow_regions() const noexcept { return at<std::uint64_t>(sections_->shadow_regions); }

 private:
  template <class T>
  T* at(const Section& section) const noexcept {
    return reinterpret_cast<T*>(base_ + section.offset);
  }
  std::atomic<std::uint32_t>* atoms(const Section& section) const noexcept {
    return at<std::atomic<std::uint32_t>>(section);
  }

  std::byte* base_ = nullptr;
  const Sections* sections_ = nullptr;
};

// How many T fit into a section: the bound for every index that comes out of shared memory.
template <class T>
std::uint32_t capacity(const Section& section) noexcept {
  return static_cast<std::uint32_t>(section.bytes / sizeof(T));
}

// A lock for a few dozen instructions. Never held while anything outside the core is called.
class SpinLock {
 public:
  void lock() noexcept {
    while (flag_.exchange(true, std::memory_order_acquire)) {
      for (int spins = 0; flag_.load(std::memory_order_relaxed); ++spins) relax(spins);
    }
  }
  void unlock() noexcept { flag_.store(false, std::memory_order_release); }

 private:
  static void relax(int spins) noexcept;
  std::atomic<bool> flag_{false};
};

class SpinGuard {
 public:
  explicit SpinGuard(SpinLock& lock) noexcept : lock_(lock) { lock_.lock(); }
  ~SpinGuard() { lock_.unlock(); }
  SpinGuard(const SpinGuard&) = delete;
  SpinGuard& operator=(const SpinGuard&) = delete;

 private:
  SpinLock& lock_;
};

}  // namespace leakscope
