// The walk: from the roots and the collector's lists to everything reachable, then once more over all of it in the order
// of addresses, writing. Two passes, since an object's number is its rank among the addresses: references become
// numbers of few bytes, and the second pass reads memory front to back.
#include "heap_walk.h"

#include <new>

#include "heap_writer.h"
#include "weak.h"

namespace leakscope::python {
namespace {

constexpr std::uint32_t none = 0xFFFFFFFF;
constexpr const char* no_memory = "there was no memory for the walk";

class Walk {
 public:
  Walk(HeapArea& area, std::uint64_t area_bytes, const WalkOptions& options) noexcept
      : area_(area),
        options_(options),
        writer_(area, area_bytes, options, bits_, shapes_, strings_, edges_) {}

  // nullptr, or the reason why there is no graph.
  const char* run() noexcept;

 private:
  struct Callbacks : leakscope_roots {
    Walk* walk;
  };
  void visit_roots(PyInterpreterState* interpreter) noexcept;
  void add_root(int kind, PyObject* object, std::uint32_t name, bool counted) noexcept;
  void begin_frame(unsigned long native_id, PyCodeObject* code, int line, int depth) noexcept;
  void add_tracked(PyObject* object, bool frozen) noexcept;

  void reach(PyObject* object) noexcept {
    if (AddressBits::is_possible(object) && bits_.add(AddressBits::seen, object)) stack_.push(object);
  }
  void expand(PyObject* object) noexcept;
  void drain() noexcept;
  void mark_namespace(PyObject* dict) noexcept;
  bool out_of_memory() const noexcept {
    return bits_.failed() || stack_.failed() || shapes_.failed() || strings_.failed() ||
           roots_.object.failed();
  }
  void describe_collector(PyInterpreterState* interpreter) noexcept;

  HeapArea& area_;
  WalkOptions options_;
  AddressBits bits_;
  Mapped<PyObject*> stack_;
  Strings strings_;
  Shapes shapes_{strings_};
  EdgeRoom edges_;
  HeapRoots roots_;
  HeapWriter writer_;
  std::uint32_t frame_ = none;
};

void Walk::add_root(int kind, PyObject* object, std::uint32_t name, bool counted) noexcept {
  if (!AddressBits::is_possible(object)) return;
  roots_.object.push(object);
  roots_.name.push(name);
  roots_.frame.push(frame_);
  roots_.kind.push(static_cast<std::uint8_t>(kind));
  roots_.counted.push(counted);
  reach(object);
}

// What follows belongs to this frame; without code to the thread, without either to nobody.
void Walk::begin_frame(unsigned long native_id, PyCodeObject* code, int line, int depth) noexcept {
  frame_ = native_id == 0 && code == nullptr ? none : static_cast<std::uint32_t>(roots_.native_id.size());
  if (frame_ == none) return;
  if (PY_VERSION_HEX < 0x030B0000)  // it is the pthread's
    native_id = options_.native_id_of == nullptr ? 0 : options_.native_id_of(native_id);
  roots_.native_id.push(native_id);
  roots_.thread_name.push(0);
  roots_.function.push(code == nullptr ? 0 : strings_.of(leakscope_code_name(code)));
  roots_.file.push(code == nullptr ? 0 : strings_.of(code->co_filename));
  roots_.line.push(line);
  roots_.depth.push(static_cast<std::uint32_t>(depth));
}

void Walk::visit_roots(PyInterpreterState* interpreter) noexcept {
  Callbacks callbacks{};
  callbacks.walk = this;
  callbacks.root = [](leakscope_roots* plain, int kind, PyObject* object, const char* name, PyObject* text,
                      int counted) {
    Walk& walk = *static_cast<Callbacks*>(plain)->walk;
    walk.add_root(kind, object, name != nullptr ? walk.strings_.of(name) : walk.strings_.of(text),
                  counted != 0);
  };
  callbacks.frame = [](leakscope_roots* plain, unsigned long native_id, PyCodeObject* code, int line,
                       int depth) {
    static_cast<Callbacks*>(plain)->walk->begin_frame(native_id, code, line, depth);
  };
  leakscope_visit_roots(interpreter, &callbacks);
}

void Walk::add_tracked(PyObject* object, bool frozen) noexcept {
  if (frozen) bits_.add(AddressBits::frozen, object);
  if (!bits_.add(AddressBits::seen, object)) return;
  expand(object);
  drain();
}

// Its keys are names in code, not values: their texts may be told.
void Walk::mark_namespace(PyObject* dict) noexcept {
  if (dict == nullptr || !PyDict_Check(dict) || !bits_.add(AddressBits::marked, dict)) return;
  if (leakscope_shared_keys(dict) != nullptr) return;  // the shape has them
  for (Py_ssize_t at = 0; at < leakscope_entry_count(dict); ++at) {
    PyObject* key = leakscope_entry_key(dict, at);
    if (key != nullptr && PyUnicode_CheckExact(key)) bits_.add(AddressBits::marked, key);
  }
}

void Walk::expand(PyObject* object) noexcept {
  TypeEntry* entry = shapes_.type_of(object);
  if (entry == nullptr) return;
  const leakscope_layout& layout = entry->layout;
  reach(reinterpret_cast<PyObject*>(Py_TYPE(object)));
  leakscope_enumerate(&layout, object, &edges_);
  if (layout.namespace_position >= 0 && static_cast<std::size_t>(layout.namespace_position) < edges_.count)
    mark_namespace(edges_.referents[layout.namespace_position]);
  for (std::size_t at = 0; at < edges_.count; ++at)
    if (edges_.referents[at] != nullptr) reach(edges_.referents[at]);
}

// A few objects are asked for before they are looked at: on a scattered heap, memory is what the walk waits for.
void Walk::drain() noexcept {
  constexpr std::size_t ahead = 8;
  PyObject* coming[ahead] = {};
  std::size_t turn = 0, waiting = 0;
  while (stack_.size() != 0 || waiting != 0) {
    PyObject*& place = coming[turn++ % ahead];
    PyObject* object = place;
    place = stack_.size() != 0 ? stack_.pop() : nullptr;
    if (place != nullptr) {
      __builtin_prefetch(place);
      __builtin_prefetch(reinterpret_cast<char*>(place) + 64);
      ++waiting;
    }
    if (object == nullptr) continue;
    --waiting;
    expand(object);
  }
}

void Walk::describe_collector(PyInterpreterState* interpreter) noexcept {
  leakscope_collector collector;
  leakscope_describe_collector(interpreter, &collector);
  area_.collector_enabled = collector.enabled != 0;
  area_.garbage = static_cast<std::uint32_t>(collector.garbage);
  for (int at = 0; at < 3; ++at) {
    area_.thresholds[at] = collector.thresholds[at];
    area_.counts[at] = collector.counts[at];
  }
}

const char* Walk::run() noexcept {
  PyInterpreterState* interpreter = leakscope_choose_interpreter();
  if (!strings_.begin()) return no_memory;
  visit_roots(interpreter);
  drain();
  leakscope_visit_tracked(
      interpreter,
      [](void* walk, PyObject* object, int frozen) {
        static_cast<Walk*>(walk)->add_tracked(object, frozen != 0);
      },
      this);
  if (out_of_memory()) return no_memory;
  if (bits_.count() >= none) return "there are more objects than a dump can number";
  bool written = true;
  bits_.each([&](void* object) { return written = writer_.write(static_cast<PyObject*>(object)); });
  written = written && writer_.finish(roots_);
  if (out_of_memory()) return no_memory;
  if (!written) return "the graph does not fit the place made for it";
  area_.objects = writer_.objects();
  area_.edges = writer_.edges();
  area_.bodies = writer_.bodies();
  area_.values = options_.values;
  describe_collector(interpreter);
  return nullptr;
}

}  // namespace

const char* walk_heap(HeapArea& area, std::uint64_t area_bytes, const WalkOptions& options) noexcept {
  void* place = prim::map_memory(sizeof(Walk));  // too big for a stack that may be small
  if (place == nullptr) return no_memory;
  Walk* walk = new (place) Walk(area, area_bytes, options);
  const char* problem = walk->run();
  walk->~Walk();
  prim::unmap_memory(place, sizeof(Walk));
  return problem;
}

}  // namespace leakscope::python
