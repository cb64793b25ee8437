// Buffers of Python's as spans.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <span>

namespace leakscope::python {

// A contiguous buffer of Python's, let go at the end of the scope. If arguments do not parse, the parser has let go.
class Buffer {
 public:
  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { PyBuffer_Release(&view_); }

  Py_buffer* view() { return &view_; }
  template <class Item>
  [[nodiscard]] std::span<const Item> items() const {
    return {static_cast<const Item*>(view_.buf), static_cast<std::size_t>(view_.len) / sizeof(Item)};
  }
  template <class Item>
  [[nodiscard]] std::span<Item> filled() {
    return {static_cast<Item*>(view_.buf), static_cast<std::size_t>(view_.len) / sizeof(Item)};
  }

 private:
  Py_buffer view_{};
};

}  // namespace leakscope::python
