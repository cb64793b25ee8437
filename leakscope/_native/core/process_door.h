// A living process behind the door that walkers read through, until so much processor time is spent.
#pragma once

#include "../platform/prim.h"
#include "../platform/remote.h"
#include "memory_door.h"

namespace leakscope {

struct ProcessDoor {
  ProcessDoor(int pid, double timeout_s)
      : remote(pid), until_ns(prim::thread_cpu_ns() + static_cast<std::uint64_t>(timeout_s * 1e9)) {}

  MemoryDoor door() noexcept {
    return {this,
            [](void* look, std::uint64_t address, void* into, std::size_t bytes) noexcept {
              return static_cast<ProcessDoor*>(look)->remote.read(address, into, bytes);
            },
            [](void* look, std::uint64_t first, std::uint64_t stride, std::size_t count, void* into,
               std::size_t bytes) noexcept {
              return static_cast<ProcessDoor*>(look)->remote.gather(first, stride, count, into, bytes);
            },
            [](void* look, std::uint64_t begin, std::uint64_t end) noexcept {
              return static_cast<ProcessDoor*>(look)->remote.pages(begin, end).resident;
            },
            [](void* look) noexcept { return static_cast<ProcessDoor*>(look)->goes_on(); }};
  }
  [[nodiscard]] bool goes_on() const noexcept { return prim::thread_cpu_ns() < until_ns; }

  prim::Remote remote;
  std::uint64_t until_ns;
};

}  // namespace leakscope
