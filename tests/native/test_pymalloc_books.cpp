#include <doctest/doctest.h>

#include <algorithm>
#include <random>

#include "drawn_memory.h"
#include "pymalloc_books.h"

using namespace leakscope;

namespace {

constexpr std::uint64_t arena = 0x7F0000000000, mib = 1u << 20;

struct Pool {
  std::uint32_t count, padding;
  std::uint64_t pointers[3];
  std::uint32_t arena, size_class, next_offset, last_offset;
};

Pool pool_of(std::uint32_t size_class, std::uint32_t count, std::uint32_t pool_bytes) {
  const std::uint32_t block = (size_class + 1) * 16, room = (pool_bytes - 48) / block;
  const std::uint32_t touched = std::min(room, count + 2);
  return {count, 0, {1, 2, 3}, 7, size_class, 48 + touched * block, pool_bytes - block};
}

void put(DrawnMemory& memory, std::uint64_t address, const Pool& pool) {
  std::memcpy(memory.at(address, sizeof pool), &pool, sizeof pool);
}

}  // namespace

TEST_CASE("blocks in use, free ones beside them and empty pools add up, as a twin counts them") {
  std::mt19937 random(4);
  for (const std::uint64_t bytes : {mib, std::uint64_t{256} << 10}) {
    for (const std::uint64_t shift : {0u, 4096u, 12288u}) {
      const std::uint64_t pool_bytes = bytes == mib ? 16384 : 4096;
      DrawnMemory memory;
      memory.add(arena + shift, bytes);
      const std::uint64_t first = (arena + shift + pool_bytes - 1) / pool_bytes * pool_bytes;
      std::uint64_t used = 0, free = 0, run = 0, longest = 0;
      std::uint32_t in_use = 0;
      for (std::uint64_t pool = first; pool + pool_bytes <= arena + shift + bytes; pool += pool_bytes) {
        const std::uint32_t size_class = static_cast<std::uint32_t>(random() % 32),
                            block = (size_class + 1) * 16;
        const std::uint32_t room = static_cast<std::uint32_t>(pool_bytes - 48) / block;
        const std::uint32_t count = random() % 3 == 0 ? 0 : static_cast<std::uint32_t>(random() % (room + 1));
        if (count > 0 || random() % 2 == 0)
          put(memory, pool, pool_of(size_class, count, static_cast<std::uint32_t>(pool_bytes)));
        run = count == 0 ? run + pool_bytes : 0;
        longest = std::max(longest, run);
        used += count * block;
        free += count == 0 ? pool_bytes : (room - count) * block;
        in_use += count > 0 ? 1 : 0;
      }
      const ArenaBooks books = arena_books(memory.door(), arena + shift, bytes);
      REQUIRE(books.sound);
      CHECK(books.used == used);
      CHECK(books.free == free);
      CHECK(books.largest_free == longest);
      CHECK(books.pools_used == in_use);
    }
  }
}

TEST_CASE("memory that is no arena is not taken for one") {
  DrawnMemory memory;
  memory.add(arena, mib);
  CHECK(arena_books(memory.door(), arena, mib).pools_used == 0);  // zeros: nothing says that it is one
  std::mt19937 random(5);
  for (std::uint64_t at = 0; at < mib; at += 8) memory.put(arena + at, random());
  CHECK_FALSE(arena_books(memory.door(), arena, mib).sound);
  CHECK_FALSE(arena_books(memory.door(), arena + mib, mib).sound);
  CHECK_FALSE(arena_books(memory.door(), arena, 100).sound);
  CHECK_FALSE(arena_books(memory.door(), ~std::uint64_t{0} - 100, mib).sound);
}

TEST_CASE("a pool whose fields contradict each other makes the arena unknown") {
  const auto books_with = [](const Pool& pool) {
    DrawnMemory memory;
    memory.add(arena, mib);
    put(memory, arena, pool_of(3, 10, 16384));
    put(memory, arena + 16384, pool);
    return arena_books(memory.door(), arena, mib);
  };
  const Pool sound = pool_of(1, 5, 16384);
  CHECK(books_with(sound).sound);
  Pool pool = sound;
  pool.count = 511;
  CHECK_FALSE(books_with(pool).sound);
  pool = sound, pool.size_class = 32;
  CHECK_FALSE(books_with(pool).sound);
  pool = sound, pool.arena = 8;
  CHECK_FALSE(books_with(pool).sound);
  pool = sound, pool.next_offset += 16;
  CHECK_FALSE(books_with(pool).sound);
  pool = sound, pool.last_offset -= 16;
  CHECK_FALSE(books_with(pool).sound);
  pool = sound, pool.count = 0, pool.size_class = 77;
  CHECK_FALSE(books_with(pool).sound);
}
