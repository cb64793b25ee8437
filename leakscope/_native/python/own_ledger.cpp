// The recorder is another library, preloaded into this process or not: its functions are found by name. Whatever is
// allocated here on the way is not recorded, but for the objects that are handed out.
#include "own_ledger.h"

#include <dlfcn.h>

#include <new>
#include <string>
#include <vector>

#include "../core/ledger_reader.h"
#include "../core/live_counts.h"
#include "ledger_object.h"
#include "ledger_type.h"

namespace leakscope::python {
namespace {

template <class Function>
Function recorder_function(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

// While it lives, this thread's allocations are nobody's.
class Unrecorded {
 public:
  Unrecorded() : change_(recorder_function<void (*)(int)>("leakscope_unrecorded")) { call(1); }
  ~Unrecorded() { call(-1); }
  Unrecorded(const Unrecorded&) = delete;
  Unrecorded& operator=(const Unrecorded&) = delete;

 private:
  void call(int amount) {
    if (change_ != nullptr) change_(amount);
  }
  void (*change_)(int);
};

Header* required_ledger() {
  int file = -1;
  Header* header = own_ledger(&file);
  if (header == nullptr) raise_core_error("not-recording", "this program does not run under leakscope", -1);
  return header;
}

PyObject* own_state(PyObject*, PyObject*) {
  int file = -1;
  const Header* header = own_ledger(&file);
  if (header == nullptr) Py_RETURN_NONE;
  PyObject* dict = PyDict_New();
  if (dict == nullptr) return nullptr;
  if (put_number(dict, "interval_bytes", header->config.interval_bytes) &&
      put_number(dict, "stacks", header->node_count.load()) &&
      put_number(dict, "most_stacks", header->config.max_stacks) &&
      put_number(dict, "dropped_stacks", header->dropped_stacks.load()) &&
      put_number(dict, "dropped_blocks", header->dropped_blocks.load()) &&
      put_number(dict, "reader", header->parent.load()) && put(dict, "file", PyLong_FromLong(file)))
    return dict;
  Py_DECREF(dict);
  return nullptr;
}

PyObject* own_unread(PyObject*, PyObject*) {
  if (Header* header = required_ledger(); header != nullptr) {
    header->parent.store(nobody);
    // Who leaves has answered all that may ever come: the next reader is asked anew.
    header->answer.store(header->request.load());
    Py_RETURN_NONE;
  }
  return nullptr;
}

PyObject* frame_tuple(const LedgerReader::PlainFrame& frame) {
  const auto text = [](std::string_view words) {
    return PyUnicode_DecodeUTF8(words.data(), static_cast<Py_ssize_t>(words.size()), "replace");
  };
  return Py_BuildValue("(NNiOK)", text(frame.function), text(frame.file), frame.line,
                       frame.native ? Py_True : Py_False, static_cast<unsigned long long>(frame.offset));
}

PyObject* own_frames(PyObject*, PyObject* argument) {
  const unsigned long stack = PyLong_AsUnsignedLong(argument);
  if (stack == static_cast<unsigned long>(-1) && PyErr_Occurred() != nullptr) return nullptr;
  Header* header = required_ledger();
  if (header == nullptr) return nullptr;
  std::vector<LedgerReader::PlainFrame> path;
  {
    const Unrecorded quiet;
    path = LedgerReader(Ledger(header), LedgerReader::our_own).path_of(static_cast<StackId>(stack));
  }
  PyObject* tuple = PyTuple_New(static_cast<Py_ssize_t>(path.size()));
  for (std::size_t at = 0; tuple != nullptr && at < path.size(); ++at) {
    PyObject* frame = frame_tuple(path[at]);
    if (frame == nullptr) {
      Py_CLEAR(tuple);
    } else {
      PyTuple_SET_ITEM(tuple, static_cast<Py_ssize_t>(at), frame);
    }
  }
  return tuple;
}

struct OwnBlock {
  std::uint64_t address, size;
  StackId stack;
  std::uint32_t thread;
  double born_s;
};

PyObject* own_blocks(PyObject*, PyObject* arguments) {
  Py_buffer wanted{};
  double after_s = 0;
  if (!PyArg_ParseTuple(arguments, "y*d", &wanted, &after_s)) return nullptr;
  PyObject* answer = nullptr;
  if (Header* header = required_ledger(); header != nullptr) {
    std::vector<OwnBlock> found;
    {
      const Unrecorded quiet;
      const LedgerReader reader(Ledger(header), LedgerReader::our_own);
      std::vector<bool> is_wanted(header->config.max_stacks);
      const auto* stacks = static_cast<const StackId*>(wanted.buf);
      for (std::size_t at = 0; at < static_cast<std::size_t>(wanted.len) / sizeof(StackId); ++at)
        if (stacks[at] < is_wanted.size()) is_wanted[stacks[at]] = true;
      Py_BEGIN_ALLOW_THREADS reader.for_each_block([&](const Block& block) {
        if (block.stack < is_wanted.size() && is_wanted[block.stack] && block.born_s >= after_s)
          found.push_back({block.address, block.size, block.stack, block.thread, block.born_s});
      });
      Py_END_ALLOW_THREADS
    }
    answer = PyBytes_FromStringAndSize(reinterpret_cast<const char*>(found.data()),
                                       static_cast<Py_ssize_t>(found.size() * sizeof(OwnBlock)));
  }
  PyBuffer_Release(&wanted);
  return answer;
}

PyObject* own_thread_name(PyObject*, PyObject* argument) {
  const unsigned long thread = PyLong_AsUnsignedLong(argument);
  if (thread == static_cast<unsigned long>(-1) && PyErr_Occurred() != nullptr) return nullptr;
  Header* header = required_ledger();
  if (header == nullptr) return nullptr;
  const std::string name =
      LedgerReader(Ledger(header), LedgerReader::our_own).thread_name(static_cast<ThreadIndex>(thread));
  return PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), "replace");
}

PyObject* own_now(PyObject*, PyObject*) {
  Header* header = required_ledger();
  if (header == nullptr) return nullptr;
  return PyFloat_FromDouble(LedgerReader(Ledger(header), LedgerReader::our_own).elapsed_seconds());
}

PyMethodDef functions[] = {{"own_state", own_state, METH_NOARGS, nullptr},
                           {"own_unread", own_unread, METH_NOARGS, nullptr},
                           {"own_frames", own_frames, METH_O, nullptr},
                           {"own_blocks", own_blocks, METH_VARARGS, nullptr},
                           {"own_thread_name", own_thread_name, METH_O, nullptr},
                           {"own_now", own_now, METH_NOARGS, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

// ---- LiveCounts ---------------------------------------------------------------------------------------------------

struct CountsObject {
  PyObject_HEAD LiveCounts* counts;
};

LiveCounts& counts_of(PyObject* object) {
  return *reinterpret_cast<CountsObject*>(object)->counts;
}

bool is_slot(PyObject* object, unsigned int slot) {
  if (slot < counts_of(object).slots()) return true;
  PyErr_SetString(PyExc_IndexError, "there is no such slot");
  return false;
}

PyObject* counts_new(PyTypeObject* type, PyObject* arguments, PyObject*) {
  unsigned int slots = 0;
  if (!PyArg_ParseTuple(arguments, "I", &slots)) return nullptr;
  Header* header = required_ledger();
  PyObject* object = header == nullptr ? nullptr : type->tp_alloc(type, 0);
  if (object == nullptr) return nullptr;
  LiveCounts* counts = new (std::nothrow) LiveCounts(Ledger(header), slots);
  reinterpret_cast<CountsObject*>(object)->counts = counts;
  if (counts != nullptr && counts->has_room()) return object;
  Py_DECREF(object);
  return PyErr_NoMemory();
}

void counts_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  delete reinterpret_cast<CountsObject*>(object)->counts;
  type->tp_free(object);
  Py_DECREF(type);
}

PyObject* counts_mark(PyObject* object, PyObject* arguments) {
  unsigned int slot = 0;
  int fold = 0;
  if (!PyArg_ParseTuple(arguments, "Ip", &slot, &fold) || !is_slot(object, slot)) return nullptr;
  counts_of(object).mark(slot, fold != 0);
  Py_RETURN_NONE;
}

PyObject* counts_halve(PyObject* object, PyObject*) {
  counts_of(object).halve();
  Py_RETURN_NONE;
}

PyObject* counts_changed(PyObject* object, PyObject* argument) {
  const unsigned long slots = PyLong_AsUnsignedLong(argument);
  if (slots == static_cast<unsigned long>(-1) && PyErr_Occurred() != nullptr) return nullptr;
  if (!is_slot(object, static_cast<unsigned int>(slots - 1))) return nullptr;
  const auto width = static_cast<std::uint32_t>(slots);
  std::vector<std::int64_t> rows;
  {
    const Unrecorded quiet;
    counts_of(object).for_each_changed(width, [&](StackId stack, const LiveCounts::Held* held) {
      rows.push_back(stack);
      for (std::uint32_t slot = 0; slot < width; ++slot) rows.push_back(held[slot].blocks);
      for (std::uint32_t slot = 0; slot < width; ++slot) rows.push_back(held[slot].bytes);
    });
  }
  PyObject* answer = PyBytes_FromStringAndSize(reinterpret_cast<const char*>(rows.data()),
                                               static_cast<Py_ssize_t>(rows.size() * sizeof rows[0]));
  const Unrecorded quiet;
  std::vector<std::int64_t>().swap(rows);
  return answer;
}

PyMethodDef methods[] = {{"mark", counts_mark, METH_VARARGS, nullptr},
                         {"halve", counts_halve, METH_NOARGS, nullptr},
                         {"changed", counts_changed, METH_O, nullptr},
                         {nullptr, nullptr, 0, nullptr}};
PyType_Slot slots[] = {{Py_tp_new, reinterpret_cast<void*>(counts_new)},
                       {Py_tp_dealloc, reinterpret_cast<void*>(counts_dealloc)},
                       {Py_tp_methods, methods},
                       {0, nullptr}};
PyType_Spec spec = {"leakscope._core.LiveCounts", sizeof(CountsObject), 0, Py_TPFLAGS_DEFAULT, slots};

}  // namespace

Header* own_ledger(int* file) {
  const auto function = recorder_function<void* (*)(int*)>("leakscope_own_ledger");
  return function == nullptr ? nullptr : static_cast<Header*>(function(file));
}

int add_own_ledger(PyObject* module) {
  PyObject* type = PyType_FromSpec(&spec);
  if (type == nullptr) return -1;
  const int status = PyModule_AddObjectRef(module, "LiveCounts", type);
  Py_DECREF(type);
  return status != 0 ? -1 : PyModule_AddFunctions(module, functions);
}

}  // namespace leakscope::python
