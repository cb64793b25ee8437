// Memory of a process that is not there: bytes at an address, behind the door that walkers read through.
#pragma once

#include <cstring>
#include <map>
#include <vector>

#include "memory_door.h"

struct DrawnMemory {
  std::map<std::uint64_t, std::vector<unsigned char>> pieces;
  std::uint64_t reads = 0, most_reads = ~std::uint64_t{0};

  void add(std::uint64_t address, std::size_t bytes) { pieces[address].resize(bytes); }

  unsigned char* at(std::uint64_t address, std::size_t bytes) {
    auto after = pieces.upper_bound(address);
    if (after == pieces.begin()) return nullptr;
    auto& [begin, content] = *std::prev(after);
    const std::uint64_t offset = address - begin;
    return offset <= content.size() && bytes <= content.size() - offset ? content.data() + offset : nullptr;
  }

  void put(std::uint64_t address, std::uint64_t word) { std::memcpy(at(address, 8), &word, 8); }
  std::uint64_t word(std::uint64_t address) {
    std::uint64_t found;
    std::memcpy(&found, at(address, 8), 8);
    return found;
  }

  leakscope::MemoryDoor door() {
    return {this,
            [](void* memory, std::uint64_t address, void* into, std::size_t bytes) noexcept {
              return static_cast<DrawnMemory*>(memory)->read(address, into, bytes);
            },
            [](void* memory, std::uint64_t first, std::uint64_t stride, std::size_t count, void* into,
               std::size_t bytes) noexcept {
              for (std::size_t at = 0; at < count; ++at)
                if (!static_cast<DrawnMemory*>(memory)->read(first + at * stride,
                                                             static_cast<char*>(into) + at * bytes, bytes))
                  return false;
              return true;
            },
            [](void*, std::uint64_t begin, std::uint64_t end) noexcept { return end - begin; },
            [](void* memory) noexcept {
              const auto* drawn = static_cast<DrawnMemory*>(memory);
              return drawn->reads < drawn->most_reads;
            }};
  }

  bool read(std::uint64_t address, void* into, std::size_t bytes) noexcept {
    ++reads;
    const unsigned char* found = at(address, bytes);
    if (found != nullptr) std::memcpy(into, found, bytes);
    return found != nullptr;
  }
};
