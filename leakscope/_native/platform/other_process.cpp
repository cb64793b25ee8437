// Which memory another process has, as the kernel tells those that may trace it: its parent, as a rule.
#ifdef __linux__
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "prim.h"

namespace leakscope::prim {
namespace {

// One line of the map: "begin-end perms offset device inode   path".
bool parse(const char* line, const char* without, MemoryRange& range) noexcept {
  unsigned long long begin = 0, end = 0;
  char permissions[8] = {};
  if (sscanf(line, "%llx-%llx %7s", &begin, &end, permissions) != 3) return false;
  if (permissions[0] != 'r' || permissions[1] != 'w' || strstr(line, without) != nullptr) return false;
  range = {begin, end, strstr(line, " [heap]") != nullptr};
  return true;
}

}  // namespace

std::size_t writable_memory(std::uint32_t process, const char* without, MemoryRange* into,
                            std::size_t most) noexcept {
  char path[64], buffer[8192];
  snprintf(path, sizeof path, "/proc/%u/maps", process);
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return 0;
  std::size_t found = 0, filled = 0;
  for (;;) {
    const ssize_t more = read(fd, buffer + filled, sizeof buffer - 1 - filled);
    if (more <= 0) break;
    filled += static_cast<std::size_t>(more);
    buffer[filled] = 0;
    char* line = buffer;
    for (char* end = strchr(line, '\n'); end != nullptr && found < most; end = strchr(line, '\n')) {
      *end = 0;
      if (parse(line, without, into[found])) ++found;
      line = end + 1;
    }
    filled = strlen(line);
    if (found == most || filled == sizeof buffer - 1) break;
    memmove(buffer, line, filled + 1);
  }
  close(fd);
  return found;
}

}  // namespace leakscope::prim
#endif
