// Conversions only: spans in as pairs of u8, measures out as rows of f8, NaN where something could not be measured.

#include "chunk_bindings.h"

#include <limits>
#include <new>
#include <vector>

#include "../core/malloc_books.h"
#include "../core/process_door.h"
#include "../core/pymalloc_books.h"
#include "buffer.h"
#include "ledger_object.h"
#include "ledger_type.h"

namespace leakscope::python {
namespace {

constexpr double not_known = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t most_asked_bytes = std::uint64_t{64} << 30;

double number(std::uint64_t value) noexcept {
  return static_cast<double>(value);
}

PyObject* rows_of(const std::vector<double>& rows) {
  return PyBytes_FromStringAndSize(reinterpret_cast<const char*>(rows.data()),
                                   static_cast<Py_ssize_t>(rows.size() * sizeof(double)));
}

// Runs `measure`, which fills rows, without the interpreter's lock.
template <class Measure>
PyObject* measured(Measure measure) {
  std::vector<double> rows;
  bool done = false;
  Py_BEGIN_ALLOW_THREADS try {
    measure(rows);
    done = true;
  } catch (const std::bad_alloc&) {
  }
  Py_END_ALLOW_THREADS return done ? rows_of(rows) : PyErr_NoMemory();
}

void add_books(std::vector<double>& rows, const Books& books) {
  for (const std::uint64_t value : {books.used, books.free, books.largest_free})
    rows.push_back(books.sound ? number(value) : not_known);
}

PyObject* arenas_of(PyObject*, PyObject* arguments) {
  int pid = 0;
  double timeout_s = 0;
  Buffer given;
  if (!PyArg_ParseTuple(arguments, "iy*d", &pid, given.view(), &timeout_s)) return nullptr;
  const auto words = given.items<std::uint64_t>();
  return measured([&](std::vector<double>& rows) {
    ProcessDoor look(pid, timeout_s);
    const MemoryDoor door = look.door();
    for (std::size_t at = 0; at + 1 < words.size(); at += 2) {
      const ArenaBooks books = look.goes_on() ? arena_books(door, words[at], words[at + 1]) : ArenaBooks{};
      add_books(rows, books);
      rows.push_back(books.pools_used);
    }
  });
}

PyObject* heaps_of(PyObject*, PyObject* arguments) {
  int pid = 0;
  double timeout_s = 0;
  Buffer given, library;
  if (!PyArg_ParseTuple(arguments, "iy*y*d", &pid, given.view(), library.view(), &timeout_s)) return nullptr;
  const auto words = given.items<std::uint64_t>(), data = library.items<std::uint64_t>();
  return measured([&](std::vector<double>& rows) {
    std::vector<MallocHeap> heaps;
    for (std::size_t at = 0; at + 2 < words.size(); at += 3)
      heaps.push_back({.span = {words[at], words[at + 1]}, .main = words[at + 2] != 0, .books = {}});
    std::vector<Span> spans;
    for (std::size_t at = 0; at + 1 < data.size(); at += 2)
      if (data[at] < data[at + 1]) spans.push_back({data[at], data[at + 1]});
    ProcessDoor look(pid, timeout_s);
    measure_heaps(look.door(), heaps, spans);
    for (const MallocHeap& heap : heaps) {
      rows.push_back(heap.is_heap ? 1 : 0);
      rows.push_back(number(heap.span.bytes()));
      add_books(rows, heap.books);
      rows.push_back(heap.books.sound ? number(heap.trimmable) : not_known);
      rows.push_back(heap.attached >= 0 ? static_cast<double>(heap.attached) : not_known);
      rows.push_back(heap.arena);
      rows.push_back(heap.number);
    }
  });
}

PyObject* pages_of(PyObject*, PyObject* arguments) {
  int pid = 0;
  double timeout_s = 0;
  Buffer given;
  if (!PyArg_ParseTuple(arguments, "iy*d", &pid, given.view(), &timeout_s)) return nullptr;
  const auto words = given.items<std::uint64_t>();
  return measured([&](std::vector<double>& rows) {
    ProcessDoor look(pid, timeout_s);
    for (std::size_t at = 0; at + 1 < words.size(); at += 2) {
      // Whoever reserves hundreds of GiB at once has not touched most of it, and asking would take seconds.
      const bool counted =
          look.goes_on() && words[at] <= words[at + 1] && words[at + 1] - words[at] <= most_asked_bytes;
      const auto pages = counted ? look.remote.pages(words[at], words[at + 1]) : prim::Remote::Pages{};
      rows.push_back(counted ? number(pages.resident) : not_known);
      rows.push_back(counted ? number(pages.swapped) : not_known);
    }
  });
}

PyMethodDef functions[] = {{"measure_arenas", arenas_of, METH_VARARGS, nullptr},
                           {"measure_heaps", heaps_of, METH_VARARGS, nullptr},
                           {"measure_pages", pages_of, METH_VARARGS, nullptr},
                           {"part_column", part_column, METH_VARARGS, nullptr},
                           {"part_large_blocks", part_large_blocks, METH_VARARGS, nullptr},
                           {"part_add_strings", part_add_strings, METH_VARARGS, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

}  // namespace

int add_chunk_functions(PyObject* module) {
  return PyModule_AddFunctions(module, functions);
}

}  // namespace leakscope::python
