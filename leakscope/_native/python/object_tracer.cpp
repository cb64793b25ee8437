#include "object_tracer.h"

#include "../hook/hook.h"
#include "frames.h"
#include "free_lists.h"
#include "stacks.h"

namespace leakscope::python {

#if PY_VERSION_HEX >= 0x030D0000
namespace {

using namespace hook;

PyRefTracer previous_tracer;
void* previous_data;
bool lost = false;
bool exact = false;
int no_keys = 0;
const int* free_keys = &no_keys;

std::size_t bytes_before(PyTypeObject* type) noexcept {
  std::size_t bytes = (type->tp_flags & Py_TPFLAGS_HAVE_GC) != 0 ? 2 * sizeof(void*) : 0;
  if ((type->tp_flags & ((1ul << 3) | (1ul << 4))) != 0)
    bytes += 2 * sizeof(void*);  // weak references, __dict__
  return bytes;
}

// Types whose objects are known to come from free lists: only for them an unrecorded block may be taken for one that
// begins at the object (others might be static, or part of something larger).
bool is_recycled_type(PyTypeObject* type) noexcept {
  return type == &PyDict_Type || type == &PyList_Type || type == &PyTuple_Type || type == &PyFloat_Type ||
         type == &PySlice_Type;
}

// The short ways of exact recording: no code object is among these.
void reborn_exactly(ThreadState& thread, void* block, std::size_t size) noexcept {
  const bool usual = thread.ready() && activity.load(std::memory_order_acquire) == Activity::on;
  if (usual && recorder.freed_small(reinterpret_cast<std::uintptr_t>(block), Domain::obj, thread.thread,
                                    [](std::uint64_t) { return true; })) {
    --thread.held;
  } else {
    freed(thread, block, Locking::interpreter);
  }
  record_small<Domain::obj>(thread, block, size);
}

void reborn(ThreadState& thread, PyObject* object, void* block) noexcept {
  PyTypeObject* type = Py_TYPE(object);
  if (!is_recycled_type(type)) {
    if (may_be_recorded(block)) relabel(thread, block, Locking::interpreter);
    return;
  }
  std::size_t size = bytes_before(type) + static_cast<std::size_t>(type->tp_basicsize);
  if (type == &PyTuple_Type) size += static_cast<std::size_t>(Py_SIZE(object)) * sizeof(PyObject*);
  if (exact && size < ShadowTable::long_size) return reborn_exactly(thread, block, size);
  if (may_be_recorded(block)) freed(thread, block, Locking::interpreter);
  if (due(thread, size)) allocated(thread, block, size, Domain::obj, Locking::interpreter);
}

__attribute__((noinline)) int look_at(ThreadState& thread, PyObject* object) noexcept {
  if (*free_keys > 0) leakscope_drain_dict_keys();
  if (reinterpret_cast<std::uintptr_t>(object) - thread.last_block > 16) {
    char* block = reinterpret_cast<char*>(object) - bytes_before(Py_TYPE(object));
    if (thread.last_block != reinterpret_cast<std::uintptr_t>(block)) reborn(thread, object, block);
  }
  thread.last_block = 0;
  return 0;
}

// Called twice for every object of the program. A new object begins 0 or 16 bytes (the collector's header) behind the
// block that the allocator has just handed out; no recycled type is so small that its neighbour could.
int trace(PyObject* object, PyRefTracerEvent event, void*) {
  if (event != PyRefTracer_CREATE) return 0;
  ThreadState& thread = thread_state;
  const bool usual = reinterpret_cast<std::uintptr_t>(object) - thread.last_block <= 16 && *free_keys <= 0;
  if (__builtin_expect(!usual, 0)) return look_at(thread, object);
  thread.last_block = 0;
  return 0;
}

int trace_and_pass_on(PyObject* object, PyRefTracerEvent event, void*) {
  trace(object, event, nullptr);
  return previous_tracer(object, event, previous_data);
}

PyRefTracer our_tracer() noexcept {
  return previous_tracer != nullptr ? trace_and_pass_on : trace;
}

}  // namespace

bool install_object_tracer() noexcept {
  if (const int* count = leakscope_free_dict_keys(); count != nullptr) free_keys = count;
  exact = process_ledger().header().config.interval_bytes <= 1;
  previous_tracer = PyRefTracer_GetTracer(&previous_data);
  return PyRefTracer_SetTracer(our_tracer(), nullptr) == 0;
}

void watch_object_tracer() noexcept {
  void* data;
  PyRefTracer now = PyRefTracer_GetTracer(&data);
  if (now == trace || now == trace_and_pass_on) {
    lost = false;
    return;
  }
  if (!lost) {
    lost = true;
    recorder.ledger().header().tracer_lost.fetch_add(1, std::memory_order_relaxed);
  }
  if (now == nullptr) {
    previous_tracer = nullptr;
    if (PyRefTracer_SetTracer(trace, nullptr) == 0) lost = false;
  }
}

#else

bool install_object_tracer() noexcept {
  return false;
}
void watch_object_tracer() noexcept {}

#endif

}  // namespace leakscope::python
