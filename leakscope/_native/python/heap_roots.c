/* Where references begin: the interpreter, its threads, their frames; and the lists of the collector. */
#include <pthread.h>

#include "heap_internals.h"
#include "internal/pycore_runtime.h"

/* ---- the collector ---- */

static PyGC_Head* next_in(const PyGC_Head* head) {
  return (PyGC_Head*)(head->_gc_next & ~(uintptr_t)3); /* the low bits are flags */
}

static void visit_list(PyGC_Head* list, int frozen, void (*visit)(void*, PyObject*, int), void* context) {
  PyGC_Head* head = next_in(list);
  while (head != NULL && head != list) {
    PyGC_Head* next = next_in(head);
    __builtin_prefetch(next); /* it is on its way while this one is looked at */
    visit(context, (PyObject*)(head + 1), frozen);
    head = next;
  }
}

void leakscope_visit_tracked(PyInterpreterState* interpreter, void (*visit)(void*, PyObject*, int),
                             void* context) {
  struct _gc_runtime_state* collector = &interpreter->gc;
  visit_list(&collector->permanent_generation.head, 1, visit, context);
  for (int generation = NUM_GENERATIONS - 1; generation >= 0; --generation)
    visit_list(&collector->generations[generation].head, 0, visit, context);
}

void leakscope_describe_collector(PyInterpreterState* interpreter, leakscope_collector* about) {
  struct _gc_runtime_state* collector = &interpreter->gc;
  about->enabled = collector->enabled;
  for (int generation = 0; generation < 3; ++generation) {
    about->thresholds[generation] = collector->generations[generation].threshold;
    about->counts[generation] = collector->generations[generation].count;
  }
  about->garbage =
      collector->garbage != NULL && PyList_Check(collector->garbage) ? (int)Py_SIZE(collector->garbage) : 0;
}

/* ---- the interpreter's lock ---- */

enum leakscope_lock leakscope_who_has_lock(void) {
#if PY_VERSION_HEX >= 0x030C0000
  struct _gil_runtime_state* lock = PyInterpreterState_Main()->ceval.gil;
#else
  struct _gil_runtime_state* lock = &_PyRuntime.ceval.gil;
#endif
  if (lock == NULL) return LOCK_OF_NOBODY;
#if PY_VERSION_HEX >= 0x030D0000
  const int locked = __atomic_load_n(&lock->locked, __ATOMIC_ACQUIRE);
  PyThreadState* holder = __atomic_load_n(&lock->last_holder, __ATOMIC_ACQUIRE);
#else
  const int locked = _Py_atomic_load(&lock->locked);
  PyThreadState* holder = (PyThreadState*)_Py_atomic_load(&lock->last_holder);
#endif
  if (locked <= 0) return LOCK_OF_NOBODY;
  return holder != NULL && holder->thread_id == (unsigned long)pthread_self() ? LOCK_OF_THIS_THREAD
                                                                              : LOCK_OF_OTHERS;
}

void leakscope_adopt_thread(void) {
  if (leakscope_who_has_lock() != LOCK_OF_NOBODY) return;
  PyThreadState* thread = PyGILState_GetThisThreadState();
#if PY_VERSION_HEX >= 0x030B0000
  if (thread == NULL) thread = PyInterpreterState_Main()->threads.head;
#else
  if (thread == NULL) thread = PyInterpreterState_Main()->tstate_head;
#endif
  if (thread != NULL) PyThreadState_Swap(thread);
}

/* ---- the interpreter ---- */

static void add(leakscope_roots* roots, int kind, PyObject* object, const char* name) {
  if (object != NULL) roots->root(roots, kind, object, name, NULL, 1);
}

#if PY_VERSION_HEX < 0x030C0000
typedef atexit_callback ExitFunction;
#elif PY_VERSION_HEX < 0x030E0000
typedef atexit_py_callback ExitFunction;
#endif

static void add_exit_functions(PyInterpreterState* interpreter, leakscope_roots* roots) {
#if PY_VERSION_HEX >= 0x030E0000
  add(roots, ROOT_INTERPRETER, interpreter->atexit.callbacks, "atexit");
#else
  for (int at = 0; at < interpreter->atexit.ncallbacks; ++at) {
    ExitFunction* callback = interpreter->atexit.callbacks[at];
    if (callback == NULL) continue;
    add(roots, ROOT_INTERPRETER, callback->func, "atexit");
    add(roots, ROOT_INTERPRETER, callback->args, "atexit");
    add(roots, ROOT_INTERPRETER, callback->kwargs, "atexit");
  }
#endif
}

/* Names that attribute look-ups keep: each place of the cache holds one reference. */
static void add_name_cache(PyInterpreterState* interpreter, leakscope_roots* roots) {
#if PY_VERSION_HEX >= 0x030C0000
  struct type_cache* cache = &interpreter->types.type_cache;
#else
  struct type_cache* cache = &interpreter->type_cache;
#endif
  for (size_t at = 0; at < sizeof cache->hashtable / sizeof cache->hashtable[0]; ++at)
    add(roots, ROOT_INTERPRETER, cache->hashtable[at].name, "attribute cache");
}

static void add_interpreter(PyInterpreterState* interpreter, leakscope_roots* roots) {
#if PY_VERSION_HEX >= 0x030C0000
  add(roots, ROOT_INTERPRETER, interpreter->imports.modules, "sys.modules");
  add(roots, ROOT_INTERPRETER, interpreter->imports.modules_by_index, "extension modules");
  add(roots, ROOT_INTERPRETER, interpreter->imports.importlib, "importlib");
  add(roots, ROOT_INTERPRETER, interpreter->imports.import_func, "__import__");
  add(roots, ROOT_INTERPRETER, interpreter->sysdict_copy, "copy of sys");
#else
  add(roots, ROOT_INTERPRETER, interpreter->modules, "sys.modules");
  add(roots, ROOT_INTERPRETER, interpreter->modules_by_index, "extension modules");
  add(roots, ROOT_INTERPRETER, interpreter->importlib, "importlib");
  add(roots, ROOT_INTERPRETER, interpreter->import_func, "__import__");
#endif
#if PY_VERSION_HEX >= 0x030D0000
  add(roots, ROOT_INTERPRETER, interpreter->codecs.search_path, "codecs");
  add(roots, ROOT_INTERPRETER, interpreter->codecs.search_cache, "codecs");
  add(roots, ROOT_INTERPRETER, interpreter->codecs.error_registry, "codecs");
#else
  add(roots, ROOT_INTERPRETER, interpreter->codec_search_path, "codecs");
  add(roots, ROOT_INTERPRETER, interpreter->codec_search_cache, "codecs");
  add(roots, ROOT_INTERPRETER, interpreter->codec_error_registry, "codecs");
#endif
  add(roots, ROOT_INTERPRETER, interpreter->sysdict, "sys");
  add(roots, ROOT_INTERPRETER, interpreter->builtins, "builtins");
  add(roots, ROOT_INTERPRETER, interpreter->builtins_copy, "copy of builtins");
  add(roots, ROOT_INTERPRETER, interpreter->dict, "interpreter");
  add(roots, ROOT_INTERPRETER, interpreter->before_forkers, "fork handlers");
  add(roots, ROOT_INTERPRETER, interpreter->after_forkers_parent, "fork handlers");
  add(roots, ROOT_INTERPRETER, interpreter->after_forkers_child, "fork handlers");
  add(roots, ROOT_INTERPRETER, interpreter->audit_hooks, "audit hooks");
  add(roots, ROOT_INTERPRETER, interpreter->warnings.filters, "warnings");
  add(roots, ROOT_INTERPRETER, interpreter->warnings.once_registry, "warnings");
  add(roots, ROOT_INTERPRETER, interpreter->warnings.default_action, "warnings");
  add(roots, ROOT_INTERPRETER, interpreter->gc.garbage, "gc.garbage");
  add(roots, ROOT_INTERPRETER, interpreter->gc.callbacks, "gc.callbacks");
#if PY_VERSION_HEX < 0x030B0000
  for (int at = 0; at < _PY_NSMALLNEGINTS + _PY_NSMALLPOSINTS; ++at)
    add(roots, ROOT_INTERPRETER, (PyObject*)interpreter->small_ints[at], "small integers");
#endif
  add_exit_functions(interpreter, roots);
  add_name_cache(interpreter, roots);
}

static void add_modules(PyInterpreterState* interpreter, leakscope_roots* roots) {
#if PY_VERSION_HEX >= 0x030C0000
  PyObject* modules = interpreter->imports.modules;
#else
  PyObject* modules = interpreter->modules;
#endif
  if (modules == NULL || !PyDict_Check(modules)) return;
  for (Py_ssize_t at = 0; at < leakscope_entry_count(modules); ++at) {
    PyObject* value = leakscope_entry_value(modules, at);
    if (value != NULL) roots->root(roots, ROOT_MODULE, value, NULL, leakscope_entry_key(modules, at), 0);
  }
}

/* ---- threads ---- */

static void add_exception(leakscope_roots* roots, const _PyErr_StackItem* item) {
#if PY_VERSION_HEX < 0x030B0000
  add(roots, ROOT_THREAD, item->exc_type, "exception");
  add(roots, ROOT_THREAD, item->exc_traceback, "exception");
#endif
  add(roots, ROOT_THREAD, item->exc_value, "exception");
}

static void add_thread(leakscope_roots* roots, PyThreadState* thread) {
  add(roots, ROOT_THREAD, thread->dict, "thread state");
  add(roots, ROOT_THREAD, thread->context, "context");
  add(roots, ROOT_THREAD, thread->async_exc, "exception");
  add(roots, ROOT_THREAD, thread->async_gen_firstiter, "async generators");
  add(roots, ROOT_THREAD, thread->async_gen_finalizer, "async generators");
  add(roots, ROOT_THREAD, thread->c_profileobj, "profile function");
  add(roots, ROOT_THREAD, thread->c_traceobj, "trace function");
#if PY_VERSION_HEX < 0x030C0000
  add(roots, ROOT_THREAD, thread->curexc_type, "exception");
  add(roots, ROOT_THREAD, thread->curexc_value, "exception");
  add(roots, ROOT_THREAD, thread->curexc_traceback, "exception");
#else
  add(roots, ROOT_THREAD, thread->current_exception, "exception");
#endif
#if PY_VERSION_HEX >= 0x030D0000
  add(roots, ROOT_THREAD, thread->threading_local_key, "threading.local");
  add(roots, ROOT_THREAD, thread->threading_local_sentinel, "threading.local");
#endif
  /* The others on that stack lie in generators. */
  add_exception(roots, &thread->exc_state);
}

/* The system's number; 3.10 knows the C library's only. */
static unsigned long native_id(PyThreadState* thread) {
#if PY_VERSION_HEX >= 0x030B0000
  return thread->native_thread_id;
#else
  return thread->thread_id;
#endif
}

#if PY_VERSION_HEX >= 0x030B0000
static void add_place(leakscope_roots* roots, int kind, Place place, const char* name, PyObject* text) {
  int counted;
  PyObject* object = held(place, &counted);
  if (object != NULL) roots->root(roots, kind, object, name, text, counted);
}

static int line_of(IFrame* frame, PyCodeObject* code) {
#if PY_VERSION_HEX >= 0x030D0000
  const char* at = (const char*)frame->instr_ptr;
#else
  const char* at = (const char*)frame->prev_instr;
#endif
  return PyCode_Addr2Line(code, (int)(at - (const char*)_PyCode_CODE(code)));
}

static void add_running_frame(leakscope_roots* roots, IFrame* frame, PyCodeObject* code) {
  int counted;
  PyObject* function = frame_function(frame, &counted);
  if (function != NULL) roots->root(roots, ROOT_FRAME, function, "function", NULL, counted);
  frame_code(frame, &counted);
  roots->root(roots, ROOT_FRAME, (PyObject*)code, "code", NULL, counted);
  add(roots, ROOT_FRAME, frame->f_locals, "locals");
  add(roots, ROOT_FRAME, (PyObject*)frame->frame_obj, "frame");
  const Py_ssize_t locals = local_count(code);
  for (Py_ssize_t at = 0; at < locals; ++at)
    add_place(roots, ROOT_LOCAL, frame->localsplus[at], NULL, leakscope_local_name(code, (int)at));
  const Py_ssize_t depth = stack_depth(frame);
  if (depth > locals + code->co_stacksize) return;
  for (Py_ssize_t at = locals; at < depth; ++at)
    add_place(roots, ROOT_FRAME, frame->localsplus[at], "stack", NULL);
}

static int is_python(const IFrame* frame) {
#if PY_VERSION_HEX >= 0x030C0000
  return frame->owner < 3;
#else
  (void)frame;
  return 1;
#endif
}

static void add_frames(leakscope_roots* roots, PyThreadState* thread) {
#if PY_VERSION_HEX >= 0x030D0000
  IFrame* frame = thread->current_frame;
#else
  IFrame* frame = thread->cframe->current_frame;
#endif
  int depth = 0;
  for (; frame != NULL; frame = frame->previous) {
    if (!is_python(frame)) continue;
    int counted;
    PyCodeObject* code = (PyCodeObject*)frame_code(frame, &counted);
    if (code == NULL || !PyCode_Check(code)) continue;
    roots->frame(roots, native_id(thread), code, line_of(frame, code), depth++);
    /* A generator's frame lies in the generator, which holds what it refers to. */
    if (frame->owner == FRAME_OWNED_BY_GENERATOR) {
      PyObject* generator = (PyObject*)(void*)((char*)frame - offsetof(PyGenObject, gi_iframe));
      roots->root(roots, ROOT_FRAME, generator, "generator", NULL, 0);
    } else {
      add_running_frame(roots, frame, code);
    }
  }
}
#else
static void add_frames(leakscope_roots* roots, PyThreadState* thread) {
  int depth = 0;
  for (PyFrameObject* frame = thread->frame; frame != NULL; frame = frame->f_back) {
    PyCodeObject* code = frame->f_code;
    roots->frame(roots, native_id(thread), code,
                 PyCode_Addr2Line(code, frame->f_lasti * (int)sizeof(_Py_CODEUNIT)), depth++);
    /* The frame is an object with edges of its own; who runs it holds it, unless a generator does. */
    roots->root(roots, ROOT_FRAME, (PyObject*)frame, "frame", NULL, frame->f_gen == NULL);
    const int locals = local_count(code);
    for (int at = 0; at < locals; ++at)
      if (frame->f_localsplus[at] != NULL)
        roots->root(roots, ROOT_LOCAL, frame->f_localsplus[at], NULL, leakscope_local_name(code, at), 0);
  }
}
#endif

void leakscope_visit_roots(PyInterpreterState* interpreter, leakscope_roots* roots) {
  add_modules(interpreter, roots);
  add_interpreter(interpreter, roots);
#if PY_VERSION_HEX >= 0x030B0000
  PyThreadState* thread = interpreter->threads.head;
#else
  PyThreadState* thread = interpreter->tstate_head;
#endif
  for (; thread != NULL; thread = thread->next) {
    roots->frame(roots, native_id(thread), NULL, 0, 0);
    add_thread(roots, thread);
    add_frames(roots, thread);
  }
  roots->frame(roots, 0, NULL, 0, 0);
}
