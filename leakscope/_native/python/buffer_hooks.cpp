// A type's functions of the buffer protocol come in pairs, and subclasses inherit them by their addresses. So there is one
// pair of functions of ours for each different pair of theirs, made from a template: no look-up is needed to forward.
//
// What must not change: a type without a release function gets none, since the interpreter refuses types that have one
// where it wants memory that never moves; and the interpreter's own function for classes whose `__release_buffer__` is
// Python code stays, since it is known by its address (Objects/typeobject.c). bytes are left alone: they are everywhere,
// need no release and are never resized.
#include "buffer_hooks.h"

#include <string_view>
#include <utility>

#include "../hook/hook.h"
#include "../platform/prim.h"
#include "buffer_types.h"
#include "codes.h"

namespace leakscope::python {
namespace {

using hook::ThreadState;

struct Pair {
  getbufferproc get;
  releasebufferproc release;
};
constexpr std::size_t most_pairs = 64;
Pair pairs[most_pairs];
std::size_t pair_count = 0;
bool installed = false;

// ---- names of types ------------------------------------------------------------------------------------------------

struct Named {
  const PyTypeObject* type;
  const char* name;
  StringId id;
};
constexpr std::size_t names_kept = 64;
Named names[names_kept];

StringId full_name(PyTypeObject* type) noexcept {
  const std::string_view plain = type->tp_name;
  if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0 || plain.find('.') != std::string_view::npos)
    return hook::recorder.trie().string(plain);
  char text[1024];
  std::size_t bytes = to_utf8(leakscope_module_of_type(type), text, sizeof text / 2);
  if (std::string_view(text, bytes) == "builtins") bytes = 0;
  if (bytes > 0) text[bytes++] = '.';
  bytes += to_utf8(reinterpret_cast<PyHeapTypeObject*>(type)->ht_qualname, text + bytes, sizeof text - bytes);
  return hook::recorder.trie().string({text, bytes});
}

StringId type_name(const void* about) noexcept {
  auto* type = static_cast<PyTypeObject*>(const_cast<void*>(about));
  Named& known = names[(reinterpret_cast<std::uintptr_t>(type) >> 4) % names_kept];
  // An address may be that of another type by now.
  if (known.type != type || known.name != type->tp_name) known = {type, type->tp_name, full_name(type)};
  return known.id;
}

// ---- forwarding ----------------------------------------------------------------------------------------------------

bool is_our_release(releasebufferproc function) noexcept;

inline std::uintptr_t above(const void* frame, const void* view) noexcept {
  return reinterpret_cast<std::uintptr_t>(view) - reinterpret_cast<std::uintptr_t>(frame);
}

inline void count(std::uint64_t& counter) noexcept {
  __atomic_fetch_add(&counter, 1, __ATOMIC_RELAXED);
}

// Whose release function will be called is said by the view: a class may hand out the memory of another object.
__attribute__((noinline)) void note(ThreadState& thread, PyObject* asked, const Py_buffer* view,
                                    bool on_stack, releasebufferproc usual) noexcept {
  if (view->obj == nullptr) return;
  const PyBufferProcs* functions = Py_TYPE(view->obj)->tp_as_buffer;
  const releasebufferproc release = functions != nullptr ? functions->bf_releasebuffer : nullptr;
  if (release == nullptr || (release != usual && !is_our_release(release)))
    return count(hook::recorder.buffer_totals().unseen_releases);
  // What only gives back is a go-between of the interpreter's, for classes written in Python.
  const PyObject* exporter = functions->bf_getbuffer != nullptr ? view->obj : asked;
  hook::buffer_acquired(thread, {view, exporter, static_cast<std::uint64_t>(view->len), type_name,
                                 Py_TYPE(exporter), on_stack});
}

template <std::size_t Which>
struct Ours {
  static int get(PyObject* exporter, Py_buffer* view, int flags) {
    ThreadState& thread = hook::thread_state;
    const void* outer = thread.asked_view;
    // What another function of ours asks for, to fill the same view, is its business.
    if (__builtin_expect(outer == view, 0)) return pairs[Which].get(exporter, view, flags);
    thread.asked_view = view;
    const int result = pairs[Which].get(exporter, view, flags);
    thread.asked_view = outer;
    if (__builtin_expect(result != 0, 0)) return result;
    const bool on_stack = above(__builtin_frame_address(0), view) < hook::frames_above;
    if (on_stack && view->obj == exporter && pairs[Which].release != nullptr &&
        static_cast<std::uint64_t>(view->len) < hook::small_buffer_bytes &&
        ++thread.buffer_ticks % hook::one_in != 0) {
      count(hook::recorder.buffer_totals().acquired);
    } else {
      note(thread, exporter, view, on_stack, release);
    }
    return 0;
  }

  static void release(PyObject* exporter, Py_buffer* view) {
    ThreadState& thread = hook::thread_state;
    const void* outer = thread.released_view;
    if (__builtin_expect(outer != view, 1)) {
      const std::uintptr_t distance = above(__builtin_frame_address(0), view);
      if (distance < hook::frames_near && thread.stack_views == 0 && hook::small_buffer_bytes != 0) {
        count(hook::recorder.buffer_totals().released);
      } else {
        hook::buffer_released(thread, view, exporter, distance < hook::frames_above);
      }
    }
    if (__builtin_expect(pairs[Which].get != nullptr, 1)) return pairs[Which].release(exporter, view);
    thread.released_view = view;  // a go-between calls the release function of another object
    pairs[Which].release(exporter, view);
    thread.released_view = outer;
  }
};

template <std::size_t... Which>
constexpr auto table_of(std::index_sequence<Which...>) {
  struct Table {
    Pair of[sizeof...(Which)];
  };
  return Table{{{Ours<Which>::get, Ours<Which>::release}...}};
}
constexpr auto ours = table_of(std::make_index_sequence<most_pairs>{});

bool is_our_release(releasebufferproc function) noexcept {
  for (std::size_t at = 0; function != nullptr && at < pair_count; ++at)
    if (ours.of[at].release == function) return true;
  return false;
}

// ---- exchanging ----------------------------------------------------------------------------------------------------

Pair originals(Pair found) noexcept {
  const Pair seen = found;
  for (std::size_t at = 0; at < pair_count; ++at) {
    if (seen.get == ours.of[at].get) found.get = pairs[at].get;
    if (seen.release == ours.of[at].release) found.release = pairs[at].release;
  }
  return found;
}

std::size_t place_of(const Pair& wanted) noexcept {
  for (std::size_t at = 0; at < pair_count; ++at)
    if (pairs[at].get == wanted.get && pairs[at].release == wanted.release) return at;
  if (pair_count == most_pairs) return most_pairs;
  pairs[pair_count] = wanted;
  return pair_count++;
}

void refuse() noexcept {
  __atomic_fetch_add(&hook::recorder.buffer_totals().refused_types, 1, __ATOMIC_RELAXED);
}

// Subclasses to come take the functions from descriptors; types that share one table of functions have their own.
template <class Function>
void exchange_in_descriptors(PyTypeObject* type, Function before, Function after) noexcept {
  leakscope_exchange_in_descriptors(type, reinterpret_cast<void*>(before), reinterpret_cast<void*>(after));
}

void watch(PyTypeObject* type) {
  PyBufferProcs* functions = type->tp_as_buffer;
  Pair wanted = originals({functions->bf_getbuffer, functions->bf_releasebuffer});
  if (wanted.get != nullptr &&
      wanted.get == originals({PyBytes_Type.tp_as_buffer->bf_getbuffer, nullptr}).get)
    return;
  const bool gives_back = wanted.release != nullptr && leakscope_releases_in_c(type, wanted.release) != 0;
  if (!gives_back) wanted.release = nullptr;
  if (wanted.get == nullptr && !gives_back) return;
  const std::size_t at = place_of(wanted);
  if (at == most_pairs) return refuse();
  const bool gets = wanted.get != nullptr && functions->bf_getbuffer != ours.of[at].get;
  const bool releases = gives_back && functions->bf_releasebuffer != ours.of[at].release;
  if ((gets || releases) && !prim::is_writable(functions, sizeof *functions)) return refuse();
  if (gets) functions->bf_getbuffer = ours.of[at].get;
  if (releases) functions->bf_releasebuffer = ours.of[at].release;
  if (wanted.get != nullptr) exchange_in_descriptors(type, wanted.get, ours.of[at].get);
  if (gives_back) exchange_in_descriptors(type, wanted.release, ours.of[at].release);
}

// ---- new types -----------------------------------------------------------------------------------------------------

// Types written in C come with their modules. So the C functions by which the importer makes these are exchanged inside
// their method definitions, as in threads.cpp.
struct Import {
  const char* name;
  PyMethodDef* definition;
  PyCFunction original;
};
Import imports[] = {{"exec_dynamic", nullptr, nullptr},
                    {"exec_builtin", nullptr, nullptr},
                    {"create_dynamic", nullptr, nullptr},
                    {"create_builtin", nullptr, nullptr}};

template <int Which>
PyObject* imported(PyObject* module, PyObject* argument) {
  PyObject* result = imports[Which].original(module, argument);
  watch_new_types();
  return result;
}

using FastFunction = PyObject* (*)(PyObject*, PyObject* const*, Py_ssize_t);

template <int Which>
PyObject* imported_fast(PyObject* module, PyObject* const* arguments, Py_ssize_t count) {
  const auto original = reinterpret_cast<FastFunction>(reinterpret_cast<void*>(imports[Which].original));
  PyObject* result = original(module, arguments, count);
  watch_new_types();
  return result;
}

template <int Which>
void watch_import(PyObject* functions) {
  PyObject* function = PyDict_GetItemString(functions, imports[Which].name);
  if (function == nullptr || !Py_IS_TYPE(function, &PyCFunction_Type)) return;
  PyMethodDef* definition = reinterpret_cast<PyCFunctionObject*>(function)->m_ml;
  if (definition->ml_flags != METH_O && definition->ml_flags != METH_FASTCALL) return;
  if (!prim::is_writable(definition, sizeof *definition)) return;
  imports[Which] = {imports[Which].name, definition, definition->ml_meth};
  if (definition->ml_flags == METH_O) {
    definition->ml_meth = imported<Which>;
  } else {
    definition->ml_meth = reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(imported_fast<Which>));
  }
}

void watch_imports() {
  PyObject* module = PyDict_GetItemString(PyImport_GetModuleDict(), "_imp");
  PyObject* functions = module != nullptr ? PyModule_GetDict(module) : nullptr;
  if (functions == nullptr) return;
  watch_import<0>(functions);
  watch_import<1>(functions);
  watch_import<2>(functions);
  watch_import<3>(functions);
}

}  // namespace

void install_buffer_hooks() noexcept {
  if (hook::recorder.ledger().header().config.buffers == 0) return;
  leakscope_prepare_buffer_types();
  installed = true;
  watch_imports();
  watch_new_types();
}

void watch_new_types() noexcept {
  if (!installed || !hook::recording()) return;
  const std::uint8_t busy = hook::thread_state.busy;
  hook::thread_state.busy = 1;
  __atomic_store_n(&hook::recorder.buffer_totals().refused_types, 0, __ATOMIC_RELAXED);
  leakscope_each_buffer_type(watch);
  hook::thread_state.busy = busy;
}

}  // namespace leakscope::python
