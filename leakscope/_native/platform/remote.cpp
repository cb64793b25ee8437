#include "remote.h"

#ifdef __linux__
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

namespace leakscope::prim {
namespace {

const std::uint64_t page_bytes = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
constexpr std::uint64_t is_present = std::uint64_t{1} << 63, is_swapped = std::uint64_t{1} << 62;
constexpr std::size_t most_pieces = 256;

}  // namespace

struct Remote::Piece {
  std::uint64_t address;
  char* into;
  std::size_t bytes;
};

Remote::Remote(int pid) noexcept : pid_(pid) {
  char path[40];
  snprintf(path, sizeof path, "/proc/%d/pagemap", pid);
  map_ = pid > 0 ? open(path, O_RDONLY | O_CLOEXEC) : -1;
}

Remote::~Remote() {
  if (map_ >= 0) close(map_);
}

Remote::Page Remote::page_at(std::uint64_t address) noexcept {
  const std::uint64_t number = address / page_bytes;
  if (number < first_ || number - first_ >= known_) {
    const ssize_t got = pread(map_, entries_, sizeof entries_, static_cast<off_t>(number * 8));
    first_ = number;
    known_ = got > 0 ? static_cast<std::size_t>(got) / 8 : 0;
    if (known_ == 0) return Page::unknown;  // the process is gone
  }
  const std::uint64_t entry = entries_[number - first_];
  return (entry & is_present) != 0 ? Page::present : (entry & is_swapped) != 0 ? Page::swapped : Page::absent;
}

bool Remote::copy(Piece* pieces, std::size_t count) noexcept {
  iovec there[most_pieces], here[most_pieces];
  std::size_t bytes = 0;
  for (std::size_t at = 0; at < count; ++at) {
    there[at] = {reinterpret_cast<void*>(pieces[at].address), pieces[at].bytes};
    here[at] = {pieces[at].into, pieces[at].bytes};
    bytes += pieces[at].bytes;
  }
  return bytes == 0 || process_vm_readv(pid_, here, count, there, count, 0) == static_cast<ssize_t>(bytes);
}

bool Remote::read(std::uint64_t address, void* into, std::size_t bytes) noexcept {
  return gather(address, 0, 1, into, bytes);
}

bool Remote::gather(std::uint64_t first, std::uint64_t stride, std::size_t count, void* into,
                    std::size_t bytes) noexcept {
  if (map_ < 0) return false;
  first_ = 1, known_ = 0;  // what was seen of the pages may be old by now
  Piece pieces[most_pieces];
  std::size_t used = 0;
  char* target = static_cast<char*>(into);
  for (std::size_t item = 0; item < count; ++item) {
    std::uint64_t address = first + item * stride;
    for (std::size_t left = bytes; left > 0;) {
      const std::uint64_t rest = page_bytes - address % page_bytes;
      const std::size_t part = left < rest ? left : static_cast<std::size_t>(rest);
      const Page page = page_at(address);
      if (page == Page::swapped || page == Page::unknown) return false;
      if (page == Page::absent) {
        memset(target, 0, part);
      } else if (used > 0 && pieces[used - 1].address + pieces[used - 1].bytes == address &&
                 pieces[used - 1].into + pieces[used - 1].bytes == target) {
        pieces[used - 1].bytes += part;
      } else {
        if (used == most_pieces) {
          if (!copy(pieces, used)) return false;
          used = 0;
        }
        pieces[used++] = {address, target, part};
      }
      address += part, target += part, left -= part;
    }
  }
  return copy(pieces, used);
}

Remote::Pages Remote::pages(std::uint64_t begin, std::uint64_t end) noexcept {
  Pages sum{0, 0};
  if (map_ < 0) return sum;
  for (std::uint64_t address = begin / page_bytes * page_bytes; address < end; address += page_bytes) {
    const Page page = page_at(address);
    if (page == Page::present) sum.resident += page_bytes;
    if (page == Page::swapped) sum.swapped += page_bytes;
  }
  return sum;
}

}  // namespace leakscope::prim
#else
namespace leakscope::prim {

Remote::Remote(int pid) noexcept : pid_(pid), map_(-1) {}
Remote::~Remote() = default;
bool Remote::read(std::uint64_t, void*, std::size_t) noexcept {
  return false;
}
bool Remote::gather(std::uint64_t, std::uint64_t, std::size_t, void*, std::size_t) noexcept {
  return false;
}
Remote::Pages Remote::pages(std::uint64_t, std::uint64_t) noexcept {
  return {0, 0};
}

}  // namespace leakscope::prim
#endif
