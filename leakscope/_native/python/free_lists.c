/* C, not C++: the interpreter's internal headers of 3.10 to 3.12 do not compile as C++. */
#define Py_BUILD_CORE 1
#include <Python.h>

#include "internal/pycore_runtime.h"
#include "weak.h"
#if PY_VERSION_HEX >= 0x030E0000
#include "internal/pycore_audit.h"
#endif
#include "free_lists.h"
#include "internal/pycore_interp.h"

int leakscope_remove_audit_hook(int (*hook)(const char*, void*, void*),
                                int (*readable)(const void*, unsigned long)) {
#if PY_VERSION_HEX >= 0x030C0000
  _Py_AuditHookEntry** link = &_PyRuntime.audit_hooks.head;
#else
  _Py_AuditHookEntry** link = &_PyRuntime.audit_hook_head;
#endif
  /* Should a patch release have moved the field, what is there may be no pointer at all: ask before following. */
  for (int steps = 0; steps < 64 && *link != NULL; ++steps) {
    _Py_AuditHookEntry* entry = *link;
    if (((unsigned long)entry & 7) != 0 || !readable(entry, sizeof *entry)) return 0;
    if (entry->hookCFunction == (Py_AuditHookFunction)hook) {
      *link = entry->next; /* the entry itself stays: the caller may be iterating over it */
      return 1;
    }
    link = &entry->next;
  }
  return 0;
}

#if PY_VERSION_HEX < 0x030D0000

#if PY_VERSION_HEX < 0x030B0000
/* Private to the interpreter's sources in 3.10. */
#define PyTuple_NFREELISTS PyTuple_MAXSAVESIZE
#define PyFloat_MAXFREELIST 100
#endif

/* dict and list: arrays that both ends must see as they are, so freed objects are taken out again at once. */

static destructor dict_dealloc, list_dealloc;

static void drain_dicts(struct _Py_dict_state* state) {
  while (state->numfree > 0 && state->numfree <= PyDict_MAXFREELIST)
    PyObject_GC_Del(state->free_list[--state->numfree]);
  while (state->keys_numfree > 0 && state->keys_numfree <= PyDict_MAXFREELIST)
    PyObject_Free(state->keys_free_list[--state->keys_numfree]);
}

static void drain_lists(struct _Py_list_state* state) {
  while (state->numfree > 0 && state->numfree <= PyList_MAXFREELIST)
    PyObject_GC_Del(state->free_list[--state->numfree]);
}

/* The original functions guard against deep nesting (the "trashcan") only if the type's dealloc is their own, which it
   no longer is: so the guard stands here, around them. It needs an object that the collector does not track. */

static void drained_dict_dealloc(PyObject* dict) {
  PyObject_GC_UnTrack(dict);
  Py_TRASHCAN_BEGIN(dict, drained_dict_dealloc) dict_dealloc(dict);
  drain_dicts(&PyInterpreterState_Get()->dict_state);
  Py_TRASHCAN_END
}

static void drained_list_dealloc(PyObject* list) {
  PyObject_GC_UnTrack(list);
  Py_TRASHCAN_BEGIN(list, drained_list_dealloc) list_dealloc(list);
  drain_lists(&PyInterpreterState_Get()->list);
  Py_TRASHCAN_END
}

/* tuple and float: a list that is full and empty at once is never used. */

static void close_tuples(struct _Py_tuple_state* state) {
  for (int size = 0; size < PyTuple_NFREELISTS; ++size) {
#if PY_VERSION_HEX < 0x030B0000
    if (size == 0) continue; /* 3.10 keeps the empty tuple there */
#endif
    PyTupleObject* tuple = state->free_list[size];
    state->free_list[size] = NULL;
    state->numfree[size] = PyTuple_MAXFREELIST;
    while (tuple != NULL) {
      PyTupleObject* next = (PyTupleObject*)tuple->ob_item[0];
      PyObject_GC_Del(tuple);
      tuple = next;
    }
  }
}

static void close_floats(struct _Py_float_state* state) {
  PyFloatObject* number = state->free_list;
  state->free_list = NULL;
  state->numfree = PyFloat_MAXFREELIST;
  while (number != NULL) {
    PyFloatObject* next = (PyFloatObject*)Py_TYPE(number);
    PyObject_Free(number);
    number = next;
  }
}

static PyInterpreterState* closed_interpreter;

void leakscope_keep_free_lists_closed(void) {
  PyInterpreterState* interpreter = closed_interpreter;
  if (interpreter != NULL && interpreter->tuple.numfree[2] != PyTuple_MAXFREELIST) {
    close_tuples(&interpreter->tuple);
    close_floats(&interpreter->float_state);
  }
}

void leakscope_drain_free_lists(void) {
  closed_interpreter = PyInterpreterState_Get();
  drain_dicts(&closed_interpreter->dict_state);
  drain_lists(&closed_interpreter->list);
  close_tuples(&closed_interpreter->tuple);
  close_floats(&closed_interpreter->float_state);
  dict_dealloc = PyDict_Type.tp_dealloc;
  list_dealloc = PyList_Type.tp_dealloc;
  PyDict_Type.tp_dealloc = drained_dict_dealloc;
  PyList_Type.tp_dealloc = drained_list_dealloc;
}

int* leakscope_free_dict_keys(void) {
  return NULL;
}
void leakscope_drain_dict_keys(void) {}

#else

void leakscope_keep_free_lists_closed(void) {}
void leakscope_drain_free_lists(void) {}

#if PY_VERSION_HEX < 0x030E0000

static PyInterpreterState* keys_interpreter;
static struct _Py_dictkeys_freelist* free_keys;

int* leakscope_free_dict_keys(void) {
  keys_interpreter = PyInterpreterState_Get();
  free_keys = &keys_interpreter->object_state.freelists.dictkeys;
  return &free_keys->numfree;
}

/* Every interpreter has an allocator of its own: the main one's key tables must not be given to another's. */
void leakscope_drain_dict_keys(void) {
  if (PyInterpreterState_Get() != keys_interpreter) return;
  while (free_keys->numfree > 0 && free_keys->numfree <= PyDict_MAXFREELIST)
    PyMem_Free(free_keys->items[--free_keys->numfree]);
}

#else

/* From 3.14 on a list of size -1 is one that is not used. */
int* leakscope_free_dict_keys(void) {
  struct _Py_freelist* keys = &PyInterpreterState_Get()->object_state.freelists.dictkeys;
  while (keys->freelist != NULL) {
    void* next = *(void**)keys->freelist;
    PyMem_Free(keys->freelist);
    keys->freelist = next;
  }
  keys->size = -1;
  return NULL;
}
void leakscope_drain_dict_keys(void) {}

#endif

#endif
