// Columns in the area: the stream first, since it grows while it is written, the others behind it once they are complete.
#pragma once

#include "../core/heap_area.h"
#include "../core/mapped.h"

namespace leakscope::python {

class HeapColumns {
 public:
  HeapColumns(HeapArea& area, std::uint64_t bytes) noexcept
      : area_(area), base_(reinterpret_cast<std::uint8_t*>(&area)), end_(base_ + bytes) {
    area_.column_count = 0;
    at_ = stream_ = base_ + aligned(sizeof(HeapArea));
  }

  // Where the next byte of the stream goes; the caller moves it on after reserve().
  std::uint8_t*& at() noexcept { return at_; }
  bool reserve(std::size_t bytes) noexcept { return static_cast<std::size_t>(end_ - at_) >= bytes; }
  std::uint64_t stream_bytes() const noexcept { return static_cast<std::uint64_t>(at_ - stream_); }
  void end_stream(const char* name) noexcept { enter(name, "u1", stream_, stream_bytes()); }

  template <class T>
  void add(const char* name, const char* dtype, Mapped<T>& column) noexcept {
    std::uint8_t* begin = base_ + aligned(static_cast<std::uint64_t>(at_ - base_));
    const std::size_t bytes = column.size() * sizeof(T);
    if (column.failed() || begin > end_ || static_cast<std::size_t>(end_ - begin) < bytes) {
      failed_ = true;
      return;
    }
    if (bytes != 0) std::memcpy(begin, column.data(), bytes);
    at_ = begin + bytes;
    enter(name, dtype, begin, column.size());
  }
  bool failed() const noexcept { return failed_; }

 private:
  static constexpr std::uint64_t aligned(std::uint64_t offset) noexcept {
    return (offset + 63) & ~std::uint64_t{63};
  }
  void enter(const char* name, const char* dtype, const std::uint8_t* begin, std::uint64_t items) noexcept {
    if (area_.column_count == heap_columns_most) {
      failed_ = true;
      return;
    }
    HeapColumn& column = area_.columns[area_.column_count++];
    std::memset(static_cast<void*>(&column), 0, sizeof column);
    std::strncpy(column.name, name, sizeof column.name - 1);
    std::memcpy(column.dtype, dtype, 2);
    column.offset = static_cast<std::uint64_t>(begin - base_);
    column.items = items;
  }

  HeapArea& area_;
  std::uint8_t *base_, *end_, *stream_, *at_;
  bool failed_ = false;
};

}  // namespace leakscope::python
