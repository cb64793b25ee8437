// The bytes of an object stream, a number at a time: what they are cannot be trusted, so each step says whether it was
// there. Knows no columns and no outputs; object_stream.cpp does.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "graph.h"
#include "varint.h"

namespace leakscope {

// Takes the stream apart from one place on. After a failure, `trouble` says what is wrong and `at` where.
class ObjectReader {
 public:
  ObjectReader(std::span<const std::uint8_t> stream, std::uint64_t from, std::uint64_t to) noexcept
      : begin_(stream.data()), at_(begin_ + from), end_(begin_ + to) {}

  bool fail(const char* trouble) noexcept {
    trouble_ = trouble;
    return false;
  }
  bool number(std::uint64_t& value) noexcept {
    return get_varint(at_, end_, value) || fail("a number does not end where it should");
  }
  // How many of something follow, each of `bytes` bytes at least.
  bool how_many(std::uint64_t& items, std::size_t bytes) noexcept {
    return number(items) && (items <= left() / bytes || fail("there is more of an object than of its block"));
  }
  bool skip(std::uint64_t numbers) noexcept {
    std::uint64_t value = 0;
    while (numbers-- > 0) {
      if (!number(value)) return false;
    }
    return true;
  }
  bool digest(std::uint32_t& value) noexcept {
    if (left() < sizeof value) return fail("a digest does not end where it should");
    std::memcpy(&value, at_, sizeof value);
    at_ += sizeof value;
    return true;
  }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] ReadError error() const noexcept {
    return damaged(trouble_, static_cast<std::int64_t>(at_ - begin_));
  }

 private:
  const std::uint8_t* begin_;
  const std::uint8_t* at_;
  const std::uint8_t* end_;
  const char* trouble_ = "";
};

// Part of a column that belongs to one block.
struct Range {
  std::uint64_t at, end;
};

// The range of block `block` of a column of positions whose last block ends with `total`. Checked beforehand.
inline Range range_of(std::span<const std::uint64_t> positions, std::size_t block,
                      std::uint64_t total) noexcept {
  return {positions[block], block + 1 < positions.size() ? positions[block + 1] : total};
}

}  // namespace leakscope
