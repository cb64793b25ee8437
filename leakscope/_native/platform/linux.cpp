#ifdef __linux__
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "prim.h"

// Memory is mapped and unmapped by raw system calls: the recorder itself interposes mmap() and munmap().
namespace leakscope::prim {
namespace {

void* raw_mmap(void* address, std::size_t bytes, int protection, int flags, int fd) noexcept {
  const int error = errno;
  const long result = syscall(SYS_mmap, address, bytes, protection, flags, fd, 0L);
  errno = error;
  return result == -1 ? nullptr : reinterpret_cast<void*>(result);
}

constexpr std::size_t told_bytes = 1u << 20;
OwnMapping* own_mappings = nullptr;
int own_mapping_count = 0;

// Puts `fresh` in the place of `old`, wherever that stands.
void tell(std::uint64_t old, std::uint64_t fresh, std::uint64_t bytes) noexcept {
  for (int at = 0; at < own_mapping_count; ++at) {
    std::uint64_t seen = old;
    if (!own_mappings[at].address.compare_exchange_strong(seen, fresh, std::memory_order_relaxed)) continue;
    own_mappings[at].bytes.store(bytes, std::memory_order_relaxed);
    return;
  }
}

std::uint64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<std::uint64_t>(now.tv_nsec);
}

}  // namespace

void* map_memory(std::size_t bytes) noexcept {
  void* memory =
      raw_mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1);
  if (bytes >= told_bytes && memory != nullptr) tell(0, reinterpret_cast<std::uintptr_t>(memory), bytes);
  return memory;
}

void tell_mappings(OwnMapping* places, int count) noexcept {
  own_mappings = places;
  own_mapping_count = count;
}

void unmap_memory(void* memory, std::size_t bytes) noexcept {
  if (bytes >= told_bytes) tell(reinterpret_cast<std::uintptr_t>(memory), 0, 0);
  syscall(SYS_munmap, memory, bytes);
}

int create_shared(const char* label, std::uint64_t bytes) noexcept {
  const int fd = static_cast<int>(syscall(SYS_memfd_create, label, 1u /* MFD_CLOEXEC */));
  if (fd < 0) return -1;
  if (ftruncate(fd, static_cast<off_t>(bytes)) != 0) {
    const int error = errno;
    close(fd);
    errno = error;
    return -1;
  }
  return fd;
}

void* map_shared(int fd, std::uint64_t bytes, void* address) noexcept {
  const int flags = MAP_SHARED | MAP_NORESERVE | (address != nullptr ? MAP_FIXED : 0);
  return raw_mmap(address, bytes, PROT_READ | PROT_WRITE, flags, fd);
}

bool replace_by_private(void* address, std::uint64_t bytes) noexcept {
  return raw_mmap(address, bytes, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1) != nullptr;
}

void unmap_shared(void* address, std::uint64_t bytes) noexcept {
  syscall(SYS_munmap, address, bytes);
}

std::int64_t segment_bytes(const char* name) noexcept {
  char path[300];
  const int length = snprintf(path, sizeof path, "/dev/shm/%s", name);
  struct stat found {};
  if (length <= 0 || length >= static_cast<int>(sizeof path) || stat(path, &found) != 0) return -1;
  return found.st_size;
}

std::uint64_t file_bytes(int fd) noexcept {
  struct stat status {};
  return fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_size) : 0;
}

bool next_data(int fd, std::uint64_t& begin, std::uint64_t& end) noexcept {
  const off_t data = lseek(fd, static_cast<off_t>(begin), SEEK_DATA);
  if (data < 0) return false;
  const off_t hole = lseek(fd, data, SEEK_HOLE);
  if (hole < 0) return false;
  begin = static_cast<std::uint64_t>(data);
  end = static_cast<std::uint64_t>(hole);
  return true;
}

bool has_memory(const void* address) noexcept {
  unsigned char resident = 0;
  const auto page = reinterpret_cast<std::uintptr_t>(address) & ~std::uintptr_t{4095};
  return mincore(reinterpret_cast<void*>(page), 4096, &resident) == 0 && (resident & 1) != 0;
}

bool give_back(int fd, std::uint64_t offset, std::uint64_t bytes) noexcept {
  return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(offset),
                   static_cast<off_t>(bytes)) == 0;
}

std::uint64_t resident_bytes(int fd) noexcept {
  struct stat status {};
  return fstat(fd, &status) == 0 ? static_cast<std::uint64_t>(status.st_blocks) * 512 : 0;
}

bool is_readable(const void* address, std::size_t bytes) noexcept {
  char copy[64];
  if (bytes > sizeof copy) bytes = sizeof copy;
  const iovec into{copy, bytes};
  const iovec from{const_cast<void*>(address), bytes};
  const long got = syscall(SYS_process_vm_readv, getpid(), &into, 1ul, &from, 1ul, 0ul);
  // Where the call itself is forbidden (seccomp), nothing is known: trust the headers we were built with.
  return got == static_cast<long>(bytes) || (got < 0 && errno != EFAULT);
}

bool is_writable(void* address, std::size_t bytes) noexcept {
  char copy[64];
  if (bytes > sizeof copy) bytes = sizeof copy;
  memcpy(copy, address, bytes);
  const iovec from{copy, bytes};
  const iovec into{address, bytes};
  const int error = errno;
  const long put = syscall(SYS_process_vm_writev, getpid(), &from, 1ul, &into, 1ul, 0ul);
  bool done = put == static_cast<long>(bytes);
  // Where the call itself is forbidden, what comes out of a pipe is written by the kernel as well.
  int pipe[2];
  if (put < 0 && errno != EFAULT && pipe2(pipe, O_CLOEXEC) == 0) {
    done = write(pipe[1], copy, bytes) == static_cast<ssize_t>(bytes) &&
           read(pipe[0], address, bytes) == static_cast<ssize_t>(bytes);
    close(pipe[0]);
    close(pipe[1]);
  }
  errno = error;
  return done;
}

std::uint64_t monotonic_ns() noexcept {
  return clock_ns(CLOCK_MONOTONIC);
}
std::uint64_t coarse_ns() noexcept {
  return clock_ns(CLOCK_MONOTONIC_COARSE);
}
std::uint64_t thread_cpu_ns() noexcept {
  return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
double unix_seconds() noexcept {
  return static_cast<double>(clock_ns(CLOCK_REALTIME)) * 1e-9;
}

std::uint64_t random_seed() noexcept {
  std::uint64_t seed = 0;
  if (syscall(SYS_getrandom, &seed, sizeof seed, GRND_NONBLOCK) != static_cast<long>(sizeof seed))
    seed = monotonic_ns() * 0x9E3779B97F4A7C15ULL ^ thread_id();
  return seed | 1;
}

std::uint32_t process_id() noexcept {
  return static_cast<std::uint32_t>(syscall(SYS_getpid));
}
std::uint64_t thread_id() noexcept {
  return static_cast<std::uint64_t>(syscall(SYS_gettid));
}

void thread_name(char* into, std::size_t bytes) noexcept {
  char name[16] = {};
  prctl(PR_GET_NAME, name, 0, 0, 0);
  if (bytes == 0) return;
  const std::size_t length = strnlen(name, sizeof name);
  const std::size_t kept = length < bytes ? length : bytes - 1;
  memcpy(into, name, kept);
  into[kept] = 0;
}

std::uint64_t physical_bytes() noexcept {
  const long pages = sysconf(_SC_PHYS_PAGES), bytes = sysconf(_SC_PAGESIZE);
  return pages > 0 && bytes > 0 ? static_cast<std::uint64_t>(pages) * static_cast<std::uint64_t>(bytes) : 0;
}

std::uint64_t anonymous_bytes() noexcept {
  const int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  char text[128] = {};
  const ssize_t got = read(fd, text, sizeof text - 1);
  close(fd);
  unsigned long size = 0, resident = 0, shared = 0;
  if (got <= 0 || sscanf(text, "%lu %lu %lu", &size, &resident, &shared) != 3 || shared > resident) return 0;
  return (resident - shared) * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

void wait_while(const std::uint32_t* word, std::uint32_t value, std::uint64_t timeout_ns) noexcept {
  const timespec timeout{static_cast<time_t>(timeout_ns / 1'000'000'000u),
                         static_cast<long>(timeout_ns % 1'000'000'000u)};
  syscall(SYS_futex, word, FUTEX_WAIT, value, &timeout, nullptr, 0);
}

void wake_all(const std::uint32_t* word) noexcept {
  syscall(SYS_futex, word, FUTEX_WAKE, 0x7fffffff, nullptr, nullptr, 0);
}

bool hand_over(const char* path, int fd) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::size_t length = strlen(path);
  if (length == 0 || length >= sizeof address.sun_path) return false;
  memcpy(address.sun_path, path, length);
  const int connection = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
  if (connection < 0) return false;
  bool done = false;
  if (connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
    std::uint32_t pid = process_id();
    iovec part{&pid, sizeof pid};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(rights), &fd, sizeof fd);
    done = sendmsg(connection, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof pid);
  }
  close(connection);
  return done;
}

}  // namespace leakscope::prim
#endif
