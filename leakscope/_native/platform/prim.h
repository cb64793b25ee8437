// Everything the core and the hook ask of the operating system. Pre- and post-conditions stand here; one file per
// system implements it. None of these allocates from the C library's heap; mapping memory leaves errno alone.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace leakscope::prim {

// Private zeroed memory, page aligned; nullptr if there is none. Costs what is touched.
void* map_memory(std::size_t bytes) noexcept;
void unmap_memory(void* memory, std::size_t bytes) noexcept;
// From now on large mappings made by map_memory stand in `places` while they last, as long as there is room: whoever looks
// for memory that nobody accounts for can leave them out.
struct OwnMapping {
  std::atomic<std::uint64_t> address, bytes;  // address 0: free
};
void tell_mappings(OwnMapping* places, int count) noexcept;

// Shared memory file without a name: descriptor, or -1 with errno.
int create_shared(const char* label, std::uint64_t bytes) noexcept;
// Maps `bytes` of it for reading and writing; at `address` in place of what is there if that is not null.
void* map_shared(int fd, std::uint64_t bytes, void* address) noexcept;
// Replaces [address, address + bytes) by private zeroed memory, so that late writers reach nobody.
bool replace_by_private(void* address, std::uint64_t bytes) noexcept;
void unmap_shared(void* address, std::uint64_t bytes) noexcept;
std::uint64_t file_bytes(int fd) noexcept;
// The next part of the file at or after `begin` that has memory behind it, as [begin, end); false if there is none.
bool next_data(int fd, std::uint64_t& begin, std::uint64_t& end) noexcept;
// Does the page at `address` of a mapped shared file have memory behind it? (Reading it would give it some.)
bool has_memory(const void* address) noexcept;
// Gives the memory behind [offset, offset + bytes) of a shared file back: it reads as zeros from now on. False if not.
bool give_back(int fd, std::uint64_t offset, std::uint64_t bytes) noexcept;
// Bytes of the file that have memory behind them.
std::uint64_t resident_bytes(int fd) noexcept;

// Size of the named segment of shared memory; below zero if there is none of this name (any more).
std::int64_t segment_bytes(const char* name) noexcept;

// Can these bytes of our own memory be read without a fault?
bool is_readable(const void* address, std::size_t bytes) noexcept;

// Can they be written to? At most 64; asked for by writing what is there.
bool is_writable(void* address, std::size_t bytes) noexcept;

std::uint64_t monotonic_ns() noexcept;
// Cheap, a few milliseconds coarse.
std::uint64_t coarse_ns() noexcept;
// Processor time of the calling thread.
std::uint64_t thread_cpu_ns() noexcept;
double unix_seconds() noexcept;
std::uint64_t random_seed() noexcept;

std::uint32_t process_id() noexcept;
std::uint64_t thread_id() noexcept;
// The calling thread's name as the kernel knows it, zero terminated.
void thread_name(char* into, std::size_t bytes) noexcept;
// Memory of the machine in bytes; 0 if unknown.
std::uint64_t physical_bytes() noexcept;
// Anonymous resident memory of this process in bytes; 0 if unknown.
std::uint64_t anonymous_bytes() noexcept;

// Writable memory of another process.
struct MemoryRange {
  std::uint64_t begin, end;
  bool heap;  // the one that grows by sbrk
};
// The ranges in ascending order, those of files named like `without` left out; how many, 0 if it may not be looked at.
std::size_t writable_memory(std::uint32_t process, const char* without, MemoryRange* into,
                            std::size_t most) noexcept;

// Futex-like: waits until *word differs from `value`, at most timeout_ns; spurious returns are allowed.
void wait_while(const std::uint32_t* word, std::uint32_t value, std::uint64_t timeout_ns) noexcept;
void wake_all(const std::uint32_t* word) noexcept;

// Sends `fd` and the process id to the unix seqpacket socket at `path`; false if nobody took it.
bool hand_over(const char* path, int fd) noexcept;

}  // namespace leakscope::prim
