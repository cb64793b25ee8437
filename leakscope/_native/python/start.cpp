// From the preloaded library's constructor to the first recorded block. The interpreter announces by an audit event
// that it is about to run the user's code: sys.path, argv and site are done, no frame of ours is on any stack, and
// nothing of the program has run yet. There the hooks go in and the audit hook comes out again.
#include <dlfcn.h>
#include <link.h>
#include <string.h>

#include "../hook/process.h"
#include "buffer_hooks.h"
#include "codes.h"
#include "frames.h"
#include "free_lists.h"
#include "heap_objects.h"
#include "object_tracer.h"
#include "pymem_hooks.h"
#include "stacks.h"
#include "take_heap.h"
#include "threads.h"
#include "wake.h"

namespace leakscope::python {

void upkeep() noexcept {
  leakscope_keep_free_lists_closed();
  watch_object_tracer();
}

namespace {

#define LEAKSCOPE_TEXT_(x) #x
#define LEAKSCOPE_TEXT(x) LEAKSCOPE_TEXT_(x)
constexpr char built_for[] = LEAKSCOPE_TEXT(PY_MAJOR_VERSION) "." LEAKSCOPE_TEXT(PY_MINOR_VERSION) ".";

StackId stack_and_upkeep(hook::ThreadState& thread, Locking& locking) noexcept {
  const StackId stack = current_stack(thread, locking);
  if (__builtin_expect((thread.ticks & 15) == 0, 0) && locking == Locking::interpreter) upkeep();
  return stack;
}

// The executable segment that holds the interpreter's own code.
int find_code(dl_phdr_info* object, std::size_t, void*) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(&PyMem_SetAllocator);
  for (int at = 0; at < object->dlpi_phnum; ++at) {
    const ElfW(Phdr)& segment = object->dlpi_phdr[at];
    if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
    const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    if (wanted < begin || wanted >= begin + segment.p_memsz) continue;
    hook::interpreter.code_begin = begin;
    hook::interpreter.code_end = begin + segment.p_memsz;
    return 1;
  }
  return 0;
}

// Runs after the program's own exit functions (they are called last in, first out, and this one is first), while all
// its modules are still whole: the last moment that shows what the program held.
PyObject* dump_at_exit(PyObject*, PyObject*) {
  if (hook::recorder.ledger().header().parent.load() == nobody) return Py_NewRef(&_Py_NoneStruct);
  take_last_heap();
  hook::request_dump(reason_exit, 60'000'000'000u);
  return Py_NewRef(&_Py_NoneStruct);
}
PyMethodDef exit_function = {"leakscope", dump_at_exit, METH_NOARGS, nullptr};

void call_at_exit() {
  // The functions to call are the interpreter's, not the module object's: the program finds its modules as they were.
  PyObject* modules = PyImport_GetModuleDict();
  const bool was_there = PyDict_GetItemString(modules, "atexit") != nullptr;
  PyObject* module = PyImport_ImportModule("atexit");
  if (module != nullptr && !was_there) PyDict_DelItemString(modules, "atexit");
  PyObject* add = module != nullptr ? PyObject_GetAttrString(module, "register") : nullptr;
  PyObject* function = add != nullptr ? PyCFunction_NewEx(&exit_function, nullptr, nullptr) : nullptr;
  PyObject* result = function != nullptr ? PyObject_CallFunctionObjArgs(add, function, nullptr) : nullptr;
  PyErr_Clear();
  Py_XDECREF(result);
  Py_XDECREF(function);
  Py_XDECREF(add);
  Py_XDECREF(module);
}

// The one case in which Python code of ours runs in a program that does not ask for it: its user has named pools.
void arrange_pools(const char* text) {
  if (*text == 0) return;
  PyObject* module = PyImport_ImportModule("leakscope.arranging");
  PyObject* arrange = module != nullptr ? PyObject_GetAttrString(module, "arrange") : nullptr;
  PyObject* lines = arrange != nullptr ? PyUnicode_FromString(text) : nullptr;
  PyObject* result = lines != nullptr ? PyObject_CallFunctionObjArgs(arrange, lines, nullptr) : nullptr;
  PyErr_Clear();
  Py_XDECREF(result);
  Py_XDECREF(lines);
  Py_XDECREF(arrange);
  Py_XDECREF(module);
}

int readable(const void* address, unsigned long bytes) {
  return prim::is_readable(address, bytes) ? 1 : 0;
}

void start_recording() {
  leakscope_prepare_heap();
  prepare_stacks();
  hook::interpreter.stack = stack_and_upkeep;
  hook::interpreter.code_freed = code_freed;
  hook::interpreter.before_fork = lock_codes;
  hook::interpreter.after_fork = unlock_codes;
  dl_iterate_phdr(find_code, nullptr);
  call_at_exit();
  arrange_pools(hook::wanted_pools());
  await_heap_wishes();
  await_wake_signal();
  watch_thread_starts();
  install_allocator_hooks();
  FreeLists free_lists = FreeLists::drained;
  if (PY_VERSION_HEX < 0x030D0000) {
    leakscope_drain_free_lists();
  } else {
    free_lists = install_object_tracer() ? FreeLists::traced : FreeLists::untouched;
  }
  char version[16] = {};
  const char* text = Py_GetVersion();
  for (std::size_t at = 0; at + 1 < sizeof version && text[at] != 0 && text[at] != ' '; ++at)
    version[at] = text[at];
  hook::begin(free_lists, version);
  install_buffer_hooks();
}

int on_audit_event(const char* event, PyObject*, void*) {
  if (strncmp(event, "cpython.run_", 12) != 0 || strcmp(event, "cpython.run_startup") == 0 ||
      strcmp(event, "cpython.run_interactivehook") == 0)
    return 0;
  leakscope_remove_audit_hook(
      reinterpret_cast<int (*)(const char*, void*, void*)>(reinterpret_cast<void*>(on_audit_event)),
      readable);
  static bool started = false;
  if (started) return 0;
  started = true;
  if (strncmp(Py_GetVersion(), built_for, sizeof built_for - 1) != 0) {
    hook::fail("this recorder was built for another version of Python");
    return 0;
  }
  start_recording();
  return 0;
}

}  // namespace
}  // namespace leakscope::python

// What leakscope._core finds by name inside a recorded program; with the interpreter's lock.
extern "C" __attribute__((visibility("default"))) void leakscope_take_heap(unsigned long long timeout_ns) {
  leakscope::python::take_heap_for_request(timeout_ns);
}

void leakscope::hook::await_interpreter() noexcept {
  if (PySys_AddAuditHook(leakscope::python::on_audit_event, nullptr) != 0)
    fail("the interpreter refused the audit hook");
}
