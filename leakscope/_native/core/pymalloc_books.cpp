#include "pymalloc_books.h"

#include <algorithm>
#include <span>

namespace leakscope {
namespace {

struct PoolHeader {
  std::uint32_t count;  // of blocks handed out
  std::uint32_t padding;
  std::uint64_t free_block, next, previous;
  std::uint32_t arena, size_class, next_offset, last_offset;
};
static_assert(sizeof(PoolHeader) == 48);

constexpr std::uint32_t size_classes = 32, never_used = 0xFFFF;
constexpr std::size_t most_pools = 256;
constexpr int tries = 3;  // a pool may be half made at the moment of the read

// With 256 KiB arenas, as of builds without the tree of addresses, pools are pages.
std::uint64_t pool_bytes(std::uint64_t arena_bytes) noexcept {
  return arena_bytes >= (1u << 20) ? 16384 : 4096;
}

bool is_empty(const PoolHeader& pool) noexcept {
  return pool.count == 0 && (pool.size_class < size_classes || pool.size_class == never_used);
}

// Does everything in the header of a pool in use agree with its class of sizes?
bool is_sound(const PoolHeader& pool, std::uint64_t bytes) noexcept {
  if (pool.size_class >= size_classes) return false;
  const std::uint64_t block = (pool.size_class + 1) * 16u, room = bytes - sizeof(PoolHeader);
  return pool.count <= room / block && pool.last_offset == bytes - block &&
         pool.next_offset >= sizeof(PoolHeader) && pool.next_offset <= bytes &&
         (pool.next_offset - sizeof(PoolHeader)) % block == 0;
}

ArenaBooks added_up(std::span<const PoolHeader> pools, std::uint64_t bytes) noexcept {
  ArenaBooks books;
  std::uint64_t run = 0;
  std::uint32_t arena = 0;
  for (const PoolHeader& pool : pools) {
    if (pool.count == 0) {
      if (!is_empty(pool)) return {};
      run += bytes;
      books.free += bytes;
      books.largest_free = std::max(books.largest_free, run);
      continue;
    }
    if (!is_sound(pool, bytes) || (books.pools_used > 0 && pool.arena != arena)) return {};
    const std::uint64_t block = (pool.size_class + 1) * 16u;
    arena = pool.arena;
    run = 0;
    ++books.pools_used;
    books.used += pool.count * block;
    books.free += ((bytes - sizeof(PoolHeader)) / block - pool.count) * block;
  }
  books.sound = true;
  return books;
}

}  // namespace

ArenaBooks arena_books(const MemoryDoor& door, std::uint64_t address, std::uint64_t bytes) noexcept {
  const std::uint64_t pool = pool_bytes(bytes), first = (address + pool - 1) / pool * pool;
  if (bytes < pool || first < address || first - address >= bytes) return {};
  const std::size_t count = (bytes - (first - address)) / pool;
  if (count == 0 || count > most_pools) return {};
  PoolHeader headers[most_pools];
  ArenaBooks books;
  for (int at = 0; at < tries && !books.sound; ++at) {
    if (!door.gather(door.context, first, pool, count, headers, sizeof(PoolHeader))) return {};
    books = added_up({headers, count}, pool);
  }
  return books;
}

}  // namespace leakscope
