#ifndef __linux__
// Systems without a recorder: dumps are read and analysed there, so the little that the core asks for when it reads
// is here, and everything about shared memory and processes says no.
#include <chrono>
#include <cstdlib>

#include "prim.h"

namespace leakscope::prim {

void* map_memory(std::size_t bytes) noexcept {
  return std::calloc(bytes, 1);
}
void tell_mappings(OwnMapping*, int) noexcept {}
void unmap_memory(void* memory, std::size_t) noexcept {
  std::free(memory);
}
int create_shared(const char*, std::uint64_t) noexcept {
  return -1;
}
void* map_shared(int, std::uint64_t, void*) noexcept {
  return nullptr;
}
bool replace_by_private(void*, std::uint64_t) noexcept {
  return false;
}
void unmap_shared(void*, std::uint64_t) noexcept {}
std::int64_t segment_bytes(const char*) noexcept {
  return -1;
}
std::uint64_t file_bytes(int) noexcept {
  return 0;
}
bool next_data(int, std::uint64_t&, std::uint64_t&) noexcept {
  return false;
}
bool has_memory(const void*) noexcept {
  return false;
}
bool give_back(int, std::uint64_t, std::uint64_t) noexcept {
  return false;
}
std::size_t writable_memory(std::uint32_t, const char*, MemoryRange*, std::size_t) noexcept {
  return 0;
}
std::uint64_t resident_bytes(int) noexcept {
  return 0;
}
bool is_writable(void*, std::size_t) noexcept {
  return false;
}
bool is_readable(const void*, std::size_t) noexcept {
  return false;
}

std::uint64_t monotonic_ns() noexcept {
  return static_cast<std::uint64_t>(
      std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count());
}
std::uint64_t coarse_ns() noexcept {
  return monotonic_ns();
}
std::uint64_t thread_cpu_ns() noexcept {
  return monotonic_ns();
}
double unix_seconds() noexcept {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}
std::uint64_t random_seed() noexcept {
  return monotonic_ns() | 1;
}
std::uint32_t process_id() noexcept {
  return 0;
}
std::uint64_t thread_id() noexcept {
  return 0;
}
void thread_name(char* into, std::size_t bytes) noexcept {
  if (bytes > 0) into[0] = 0;
}
std::uint64_t physical_bytes() noexcept {
  return 0;
}
std::uint64_t anonymous_bytes() noexcept {
  return 0;
}
void wait_while(const std::uint32_t*, std::uint32_t, std::uint64_t) noexcept {}
void wake_all(const std::uint32_t*) noexcept {}
bool hand_over(const char*, int) noexcept {
  return false;
}

}  // namespace leakscope::prim
#endif
