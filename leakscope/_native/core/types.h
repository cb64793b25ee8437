// The glossary of the core: ids, rows and how they nest.
//
//   stack ── a node of a trie; its path to the root is a call stack, innermost frame first
//     └─ frame ── function, file, line; Python or native
//   block ── what an allocator handed out: address, size, stack, thread, domain, birth
//   chunk ── what an allocator took from below: a pymalloc arena, a mapping; the other kinds are found from outside
//   thread ── whoever asked; its index lives in each block
//
// Everything here lies in shared memory that outlives the program, so rows are plain data, ids are indices and no
// row holds a pointer that anyone follows.
#pragma once

#include <cstdint>

namespace leakscope {

enum class Domain : std::uint8_t { raw = 0, mem = 1, obj = 2, native = 3, mapping = 4 };
inline constexpr int domain_count = 5;
inline constexpr const char* domain_names[domain_count] = {"raw", "mem", "obj", "native", "mapping"};

enum class ChunkKind : std::uint8_t { arena = 0, mapping = 1, heap = 2, shared = 3, pool = 4 };
inline constexpr int chunk_kind_count = 5;
inline constexpr const char* chunk_kind_names[chunk_kind_count] = {"arena", "mapping", "heap", "shared",
                                                                   "pool"};

enum class FrameKind : std::uint8_t { python = 0, native = 1 };

using StackId = std::uint32_t;   // node of the trie; 0 is the root: nobody's Python code was running
using FrameId = std::uint32_t;   // row of the frame table; 0 is "no frame"
using StringId = std::uint32_t;  // row of the string table; 0 is ""
using ThreadIndex = std::uint16_t;
using Moment =
    std::uint32_t;  // thousandths of a second since recording began: 49 days, then for ever the last
inline constexpr double moment_seconds = 0.001, microsecond_seconds = 0.000'001;

inline constexpr ThreadIndex thread_limit = 1u << 14;  // 14 bits of a slot
inline constexpr ThreadIndex other_threads =
    thread_limit - 1;                             // shared by those that came when all were taken
inline constexpr StackId stack_limit = 1u << 24;  // 24 bits of a slot

// Phases of the recorder inside the program; the parent shows them.
enum class Phase : std::uint32_t {
  waiting = 0,  // the interpreter has not come to the user's code
  recording = 1,
  not_python = 2,  // the process never loaded an interpreter
  failed = 3,      // see Header::problem
};

enum class FreeLists : std::uint32_t { untouched = 0, drained = 1, traced = 2 };

struct Frame {
  StringId function;
  StringId file;
  std::int32_t line;  // 0 unknown
  FrameKind kind;
  std::uint8_t pad[3];
  std::uint64_t offset;  // native: address minus load base of the library
};

struct Node {
  StackId parent;
  FrameId frame;
};

// What happened at a stack since the beginning. Blocks are counted in 1/256, so that sampled estimates keep their
// fraction: a 32 KiB block at a mean of 64 KiB stands for 2.54 blocks.
struct Counters {
  std::uint64_t alloc_bytes;
  std::uint64_t alloc_blocks;
  std::uint64_t free_bytes;
  std::uint64_t free_blocks;
  std::uint64_t foreign_blocks;  // freed by another thread than the one that allocated
};
inline constexpr std::uint64_t one_block = 256;

// A live block of the table by address (sampled blocks, large blocks, odd addresses).
struct BlockRow {
  std::uint64_t address;  // 0: the row is free
  std::uint64_t size;
  std::uint64_t weight;  // bytes the row stands for
  StackId stack;
  ThreadIndex thread;
  Domain domain;
  std::uint8_t pad;
  Moment born;
  std::uint32_t next;      // chain of the free rows
  std::uint32_t sequence;  // odd while the row is being written
  std::uint32_t born_us;   // millionths of a second after `born`: a short run has few thousandths
};

struct ChunkRow {
  std::uint64_t address;  // 0: the row is free
  std::uint64_t size;
  StackId stack;
  ThreadIndex thread;
  ChunkKind kind;
  std::uint8_t pad;
  Moment born;
  std::uint32_t sequence;
};

// An outstanding export: memory that an object has handed out through the buffer protocol and not got back.
struct BufferRow {
  std::uint64_t view;      // address of the Py_buffer; 0: the row is free
  std::uint64_t exporter;  // the object whose release function will be called
  std::uint64_t bytes;
  StackId stack;
  StringId type;         // of the exporter
  std::uint32_t weight;  // exports that the row stands for
  Moment born;
  ThreadIndex thread;
  std::uint8_t on_stack;  // the Py_buffer is a local variable of C code
  std::uint8_t pad;
  std::uint32_t next;      // chain of the free rows
  std::uint32_t sequence;  // odd while the row is being written
  std::uint32_t pad2;
};

// What was acquired at a stack since the beginning, as far as stacks were asked for.
struct BufferCounters {
  std::uint64_t acquired;
  std::uint64_t released;
  std::uint64_t foreign;  // released by another thread than the one that acquired
};

struct ThreadRow {
  std::uint64_t pthread;     // what Python calls ident
  std::uint32_t native_id;   // kernel's thread id; 0: unused
  std::uint32_t generation;  // grows by 2 with each thread that has the row; odd while it is being written
  Moment started;
  Moment ended;   // 0: alive
  char name[40];  // UTF-8, zero terminated, perhaps cut
};

// One live block as read back from the ledger.
struct Block {
  std::uint64_t address;
  std::uint64_t size;
  double weight;
  StackId stack;
  ThreadIndex thread;
  Domain domain;
  double born_s;
};

}  // namespace leakscope
