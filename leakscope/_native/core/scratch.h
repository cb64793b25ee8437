// Working memory of the graph kernels: not initialised, gone at the end of the scope or earlier, and its absence is a
// plain answer instead of an exception.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <type_traits>

namespace leakscope {

template <class T>
class Scratch {
  static_assert(std::is_trivially_default_constructible_v<T>, "what is not initialised must not mind");

 public:
  explicit Scratch(std::size_t items) noexcept : items_(new (std::nothrow) T[items]) {}

  // False if there was no memory.
  explicit operator bool() const noexcept { return items_ != nullptr; }
  [[nodiscard]] T* get() const noexcept { return items_.get(); }
  T& operator[](std::size_t at) const noexcept { return items_[at]; }
  // When memory is dead decides the peak, so it is said and not left to the scope.
  void release() noexcept { items_.reset(); }

 private:
  std::unique_ptr<T[]> items_;
};

}  // namespace leakscope
