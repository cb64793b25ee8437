#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "heap.h"

namespace leakscope::hook {
namespace {

constexpr const char* ledger_variable = "LEAKSCOPE_LEDGER";
constexpr const char* socket_variable = "LEAKSCOPE_SOCKET";
constexpr const char* config_variable = "LEAKSCOPE_CONFIG";
constexpr const char* config_format = "%lu,%lu,%u,%u,%u,%u,%u,%u,%lu";
constexpr const char* pools_variable = "LEAKSCOPE_POOLS";
constexpr const char* own_variable = "LEAKSCOPE_OWN";
constexpr const char* own_format = "%lu,%lu,%u,%u";
constexpr const char* preload_variable = "LD_PRELOAD";
constexpr const char* preload_was_variable = "LEAKSCOPE_PRELOAD_WAS";

Ledger ledger;
std::uint64_t mapped_bytes = 0;
int kept_fd = -1;
char pools[8192];
char socket_path[108];
StackCache* free_caches = nullptr;
SpinLock cache_lock;

void restore_environment() noexcept {
  if (const char* was = getenv(preload_was_variable); was != nullptr && *was != 0) {
    setenv(preload_variable, was, 1);
  } else {
    unsetenv(preload_variable);
  }
  unsetenv(preload_was_variable);
  unsetenv(ledger_variable);
  unsetenv(socket_variable);
  unsetenv(own_variable);
  unsetenv(pools_variable);
}

bool map_ledger(int fd) noexcept {
  const std::uint64_t bytes = prim::file_bytes(fd);
  void* base = bytes >= sizeof(Header) ? prim::map_shared(fd, bytes, nullptr) : nullptr;
  if (base == nullptr) return false;
  const Ledger found{base};
  if (!is_sound(found.header(), bytes)) {
    prim::unmap_shared(base, bytes);
    return false;
  }
  ledger = found;
  prim::tell_mappings(found.header().own_mappings, own_mapping_limit);
  mapped_bytes = bytes;
  return true;
}

// A ledger of this process' own, for children that `--follow` follows, configured as the one at `like`.
int fresh_ledger(const LedgerConfig& config, std::uint32_t parent) noexcept {
  Header* layout = static_cast<Header*>(prim::map_memory(sizeof(Header)));
  if (layout == nullptr) return -1;
  lay_out(*layout, config);
  const int fd = prim::create_shared("leakscope", layout->file_bytes);
  if (fd >= 0) {
    layout->parent.store(parent);
    if (pwrite(fd, layout, sizeof(Header), 0) != static_cast<ssize_t>(sizeof(Header))) {
      close(fd);
      prim::unmap_memory(layout, sizeof(Header));
      return -1;
    }
  }
  prim::unmap_memory(layout, sizeof(Header));
  return fd;
}

// A process that reads its own ledger. The file stays open, far from the numbers that programs expect, so that somebody
// can be asked later to make a dump of it.
void record_for_itself(const char* text) noexcept {
  constexpr int far_away = 200;
  LedgerConfig config;
  const int read = sscanf(text, own_format, &config.interval_bytes, &config.exact_bytes, &config.max_frames,
                          &config.max_stacks);
  const int fd = read == 4 ? fresh_ledger(config, nobody) : -1;
  if (fd < 0) return;
  if (map_ledger(fd)) kept_fd = fcntl(fd, F_DUPFD_CLOEXEC, far_away);
  if (!ledger || kept_fd >= 0) {
    close(fd);
  } else {
    kept_fd = fd;
  }
}

// Programs started by this one make ledgers like ours.
void tell_descendants(const Header& header) noexcept {
  const LedgerConfig& config = header.config;
  char text[160];
  snprintf(text, sizeof text, config_format, config.interval_bytes, config.exact_bytes, config.max_frames,
           config.max_stacks, config.heap, config.heap_values, config.buffers, header.parent.load(),
           config.chunk_bytes);
  setenv(config_variable, text, 1);
}

// Writes [offset, offset + bytes) of our ledger to the same place in `fd`.
bool copy_range(int fd, std::uint64_t offset, std::uint64_t bytes) noexcept {
  const char* base = reinterpret_cast<const char*>(&ledger.header());
  while (bytes > 0) {
    const ssize_t done = pwrite(fd, base + offset, bytes, static_cast<off_t>(offset));
    if (done <= 0) return false;
    offset += static_cast<std::uint64_t>(done);
    bytes -= static_cast<std::uint64_t>(done);
  }
  return true;
}

// A ledger that begins as a copy of ours: what was live before a fork is live in the child too. Only what was used is
// copied, and no object graph. -1 if memory ran out.
int copy_ledger() noexcept {
  const Header& header = ledger.header();
  const int fd = prim::create_shared("leakscope", mapped_bytes);
  if (fd < 0) return -1;
  const std::uint64_t nodes = header.node_count.load();
  bool done =
      copy_range(fd, 0, sizeof(Header)) &&
      copy_range(fd, header.threads.offset, sizeof(ThreadRow) * header.thread_count.load()) &&
      copy_range(fd, header.string_index.offset, sizeof(std::uint64_t) * header.string_count.load()) &&
      copy_range(fd, header.string_bytes.offset, header.string_used.load()) &&
      copy_range(fd, header.frames.offset, sizeof(Frame) * header.frame_count.load()) &&
      copy_range(fd, header.nodes.offset, sizeof(Node) * nodes) &&
      copy_range(fd, header.counters[0].offset, sizeof(Counters) * nodes) &&
      copy_range(fd, header.counters[1].offset, sizeof(Counters) * nodes) &&
      copy_range(fd, header.block_rows.offset, sizeof(BlockRow) * header.block_high.load()) &&
      copy_range(fd, header.chunk_rows.offset, sizeof(ChunkRow) * header.chunk_high.load()) &&
      copy_range(fd, header.pool_rows.offset, sizeof(PoolRow) * header.pool_count.load()) &&
      copy_range(fd, header.handle_rows.offset, sizeof(HandleRow) * header.handle_high.load()) &&
      copy_range(fd, header.cross_rows.offset, sizeof(CrossRow) * header.cross_high.load());
  if (header.shadow_directory.bytes != 0) {
    const std::uint64_t regions = header.shadow_region_count.load();
    const std::uint64_t extents[3][2] = {
        {header.shadow_directory.offset, header.shadow_directory.bytes},
        {header.shadow_bases.offset, regions * sizeof(std::uint64_t)},
        {header.shadow_regions.offset, regions * 65536 * sizeof(std::uint64_t)}};
    const char* base = reinterpret_cast<const char*>(&header);
    for (const auto& [offset, bytes] : extents) {
      for (std::uint64_t at = 0; done && at < bytes; at += 4096) {
        if (prim::has_memory(base + offset + at))
          done = copy_range(fd, offset + at, bytes - at < 4096 ? bytes - at : 4096);
      }
    }
  }
  if (!done) {
    close(fd);
    return -1;
  }
  return fd;
}

void before_fork() {
  thread_state.busy += 1;
  if (!recording()) return;
  if (interpreter.before_fork != nullptr) interpreter.before_fork();
  recorder.before_fork();
}

void unlock_after_fork() noexcept {
  recorder.after_fork();
  if (interpreter.after_fork != nullptr) interpreter.after_fork();
}

void after_fork_in_parent() {
  if (recording()) unlock_after_fork();
  thread_state.busy -= 1;
}

// The child must never write into its parent's ledger: that stays mapped, but at private memory from now on. A
// followed child goes on in a copy of what was live, in a ledger of its own.
void after_fork_in_child() {
  ThreadState& thread = thread_state;
  if (ledger && recording()) {
    unlock_after_fork();
    if (interpreter.forked != nullptr) interpreter.forked();
    const int fd = socket_path[0] != 0 ? copy_ledger() : -1;
    void* base = &ledger.header();
    if (fd >= 0 && prim::map_shared(fd, mapped_bytes, base) != nullptr) {
      ledger.header().pid.store(prim::process_id());
      forget_heap();
      recorder.thread_forked(thread.thread, prim::thread_id());
      thread.random = prim::random_seed();
      prim::hand_over(socket_path, fd);
    } else {
      activity.store(Activity::off);
      memset(heap_filter, 0, sizeof heap_filter);
      prim::replace_by_private(base, mapped_bytes);
    }
    if (fd >= 0) close(fd);
    if (kept_fd >= 0) close(kept_fd);
    kept_fd = -1;
  }
  thread.busy = 0;
}

}  // namespace

StackCache* acquire_cache(ThreadState& thread) noexcept {
  if (thread.cache != nullptr) return thread.cache;
  {
    SpinGuard guard(cache_lock);
    if (free_caches != nullptr) {
      thread.cache = free_caches;
      free_caches = free_caches->next_free;
    }
  }
  if (thread.cache == nullptr) thread.cache = static_cast<StackCache*>(prim::map_memory(sizeof(StackCache)));
  if (thread.cache != nullptr) thread.cache->clear();
  return thread.cache;
}

void release_cache(ThreadState& thread) noexcept {
  if (thread.cache == nullptr) return;
  SpinGuard guard(cache_lock);
  thread.cache->next_free = free_caches;
  free_caches = thread.cache;
  thread.cache = nullptr;
}

Ledger process_ledger() noexcept {
  return ledger;
}

int ledger_file() noexcept {
  return kept_fd;
}

const char* wanted_pools() noexcept {
  return pools;
}

void adopt_environment() noexcept {
  const char* number = getenv(ledger_variable);
  const char* follow = getenv(socket_variable);
  const char* own = getenv(own_variable);
  if (number == nullptr && follow == nullptr) {
    // What starts the interpreter, a shell perhaps, hands the wish on.
    if (own == nullptr || !interpreter_present()) return;
    record_for_itself(own);
  }
  if (const char* text = getenv(pools_variable); text != nullptr) strncpy(pools, text, sizeof pools - 1);
  if (follow != nullptr) {
    strncpy(socket_path, follow, sizeof socket_path - 1);
    unsetenv(ledger_variable);  // the ledger is this process' alone; its children make their own
  }
  if (number != nullptr) {
    const int fd = atoi(number);
    if (fd > 2 && map_ledger(fd)) close(fd);
    if (ledger && follow != nullptr) tell_descendants(ledger.header());
  } else if (follow != nullptr && interpreter_present()) {
    LedgerConfig config;
    std::uint32_t parent = 0;
    if (const char* text = getenv(config_variable);
        text != nullptr && sscanf(text, config_format, &config.interval_bytes, &config.exact_bytes,
                                  &config.max_frames, &config.max_stacks, &config.heap, &config.heap_values,
                                  &config.buffers, &parent, &config.chunk_bytes) == 9) {
      const int fd = fresh_ledger(config, parent);
      if (fd >= 0) {
        if (map_ledger(fd)) prim::hand_over(socket_path, fd);
        close(fd);
      }
    }
  }
  if (follow == nullptr) restore_environment();
  if (ledger) pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

}  // namespace leakscope::hook
