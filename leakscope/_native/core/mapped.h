// Memory for the walk: fresh mappings only, since a clone of a process with threads may find the C library's heap locked
// for good. Nothing is given back one by one; a failure to map is remembered and told once, at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "../platform/prim.h"

namespace leakscope {

// An array that grows. Elements are plain data.
template <class T>
class Mapped {
 public:
  Mapped() = default;
  ~Mapped() {
    if (data_ != nullptr) prim::unmap_memory(data_, room_ * sizeof(T));
  }
  Mapped(const Mapped&) = delete;
  Mapped& operator=(const Mapped&) = delete;

  bool reserve(std::size_t count) noexcept {
    if (count <= room_) return true;
    std::size_t room = room_ == 0 ? (65536 / sizeof(T) + 1) : room_;
    while (room < count) room *= 2;
    T* data = static_cast<T*>(prim::map_memory(room * sizeof(T)));
    if (data == nullptr) {
      failed_ = true;
      return false;
    }
    if (data_ != nullptr) {
      std::memcpy(static_cast<void*>(data), data_, count_ * sizeof(T));
      prim::unmap_memory(data_, room_ * sizeof(T));
    }
    data_ = data;
    room_ = room;
    return true;
  }
  bool push(const T& value) noexcept {
    if (count_ == room_ && !reserve(count_ + 1)) return false;
    data_[count_++] = value;
    return true;
  }
  T pop() noexcept { return data_[--count_]; }
  // Within the room there is; what was never written is zero.
  void resize(std::size_t count) noexcept { count_ = count; }

  T* data() noexcept { return data_; }
  T& operator[](std::size_t at) noexcept { return data_[at]; }
  std::size_t size() const noexcept { return count_; }
  std::size_t room() const noexcept { return room_; }
  bool failed() const noexcept { return failed_; }

 private:
  T* data_ = nullptr;
  std::size_t count_ = 0, room_ = 0;
  bool failed_ = false;
};

// Things that must not move.
class Arena {
 public:
  Arena() = default;
  ~Arena() {
    while (newest_ != nullptr) {
      Piece* older = newest_->older;
      prim::unmap_memory(newest_, piece_bytes);
      newest_ = older;
    }
  }
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  // At most a few kilobytes; nullptr if there is no memory.
  void* take(std::size_t bytes) noexcept {
    bytes = (bytes + 15) & ~std::size_t{15};
    if (newest_ == nullptr || used_ + bytes > piece_bytes) {
      Piece* piece = static_cast<Piece*>(prim::map_memory(piece_bytes));
      if (piece == nullptr) return nullptr;
      piece->older = newest_;
      newest_ = piece;
      used_ = 16;
    }
    void* place = reinterpret_cast<char*>(newest_) + used_;
    used_ += bytes;
    return place;
  }

 private:
  struct Piece {
    Piece* older;
  };
  static constexpr std::size_t piece_bytes = 1u << 20;
  Piece* newest_ = nullptr;
  std::size_t used_ = 0;
};

// From words to small numbers, by open addressing; a word may be any 64-bit value but 0.
class WordIndex {
 public:
  // Where the number of `word` is or is to be written; nullptr without memory. A new place holds `absent`.
  std::uint32_t* place(std::uint64_t word) noexcept {
    if (2 * (used_ + 1) > capacity_ && !grow()) return nullptr;
    Slot& slot = find(word);
    if (slot.word == 0) {
      slot = {word, absent};
      ++used_;
    }
    return &slot.number;
  }
  ~WordIndex() {
    if (slots_ != nullptr) prim::unmap_memory(slots_, capacity_ * sizeof(Slot));
  }
  WordIndex() = default;
  WordIndex(const WordIndex&) = delete;
  WordIndex& operator=(const WordIndex&) = delete;

  static constexpr std::uint32_t absent = 0xFFFFFFFF;

 private:
  struct Slot {
    std::uint64_t word;
    std::uint32_t number;
  };
  Slot& find(std::uint64_t word) noexcept {
    std::size_t at = (word * 0x9E3779B97F4A7C15ULL) >> 20 & (capacity_ - 1);
    while (slots_[at].word != 0 && slots_[at].word != word) at = (at + 1) & (capacity_ - 1);
    return slots_[at];
  }
  bool grow() noexcept {
    const std::size_t old_capacity = capacity_;
    Slot* old = slots_;
    const std::size_t capacity = old_capacity == 0 ? 4096 : 2 * old_capacity;
    Slot* slots = static_cast<Slot*>(prim::map_memory(capacity * sizeof(Slot)));
    if (slots == nullptr) return false;
    slots_ = slots;
    capacity_ = capacity;
    for (std::size_t at = 0; at < old_capacity; ++at)
      if (old[at].word != 0) find(old[at].word) = old[at];
    if (old != nullptr) prim::unmap_memory(old, old_capacity * sizeof(Slot));
    return true;
  }
  Slot* slots_ = nullptr;
  std::size_t capacity_ = 0, used_ = 0;
};

}  // namespace leakscope
