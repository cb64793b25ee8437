/* The interpreter's private structures as the walk needs them: one set of accessors per CPython version. */
#ifndef LEAKSCOPE_HEAP_INTERNALS_H
#define LEAKSCOPE_HEAP_INTERNALS_H

#define Py_BUILD_CORE 1
#include <Python.h>
#include <frameobject.h>
#include <structmember.h>

#include "heap_objects.h"
#include "internal/pycore_gc.h"
#include "internal/pycore_interp.h"
#include "internal/pycore_object.h"
#if PY_VERSION_HEX >= 0x030B0000
#include "internal/pycore_code.h"
#include "internal/pycore_dict.h"
#include "internal/pycore_frame.h"
#endif
#if PY_VERSION_HEX >= 0x030E0000
#include "internal/pycore_interpframe.h"
#include "internal/pycore_stackref.h"
#endif
#include "weak.h"

/* Room was made by the caller's `grow`, or the object is given up. */
static inline void add_edge(leakscope_edges* edges, PyObject* referent) {
  if (edges->count == edges->room && (edges->failed || !edges->grow(edges))) {
    edges->failed = 1;
    return;
  }
  edges->referents[edges->count++] = referent;
}

static inline void add_body(leakscope_edges* edges, const void* address, size_t bytes) {
  if (address == NULL || bytes == 0 || ((size_t)address & 7) != 0) return;
  if (edges->body_count == edges->body_room && (edges->failed || !edges->grow(edges))) {
    edges->failed = 1;
    return;
  }
  edges->bodies[edges->body_count].address = address;
  edges->bodies[edges->body_count++].bytes = bytes;
}

/* ---- tables of dict keys ---- */

#if PY_VERSION_HEX < 0x030B0000
/* Private to the interpreter's sources in 3.10 (Objects/dict-common.h). */
typedef struct {
  Py_ssize_t dk_refcnt, dk_size;
  void* dk_lookup;
  Py_ssize_t dk_usable, dk_nentries;
  char dk_indices[];
} Keys;
typedef struct {
  Py_hash_t me_hash;
  PyObject *me_key, *me_value;
} Entry;

static inline size_t index_bytes(const Keys* keys) {
  const size_t size = (size_t)keys->dk_size;
  return size * (size <= 0xff ? 1 : size <= 0xffff ? 2 : size <= 0xffffffff ? 4 : 8);
}
static inline int is_empty_table(const Keys* keys) {
  return keys->dk_size == 1;
}
static inline size_t usable_places(const Keys* keys) {
  return (size_t)(keys->dk_size << 1) / 3;
}
static inline size_t entry_bytes(const Keys* keys) {
  (void)keys;
  return sizeof(Entry);
}
#else
typedef PyDictKeysObject Keys;
typedef PyDictKeyEntry Entry;

static inline size_t index_bytes(const Keys* keys) {
  return (size_t)1 << keys->dk_log2_index_bytes;
}
static inline int is_empty_table(const Keys* keys) {
  return keys->dk_log2_size == 0;
}
static inline size_t usable_places(const Keys* keys) {
  return (((size_t)1 << keys->dk_log2_size) << 1) / 3;
}
static inline size_t entry_bytes(const Keys* keys) {
  return keys->dk_kind == DICT_KEYS_GENERAL ? sizeof(PyDictKeyEntry) : sizeof(PyDictUnicodeEntry);
}
#endif

static inline const char* entries_of(const Keys* keys) {
  return keys->dk_indices + index_bytes(keys);
}
static inline size_t table_bytes(const Keys* keys) {
  return sizeof(Keys) + index_bytes(keys) + usable_places(keys) * entry_bytes(keys);
}
static inline void entry_at(const Keys* keys, Py_ssize_t index, PyObject** key, PyObject** value) {
  const char* entry = entries_of(keys) + (size_t)index * entry_bytes(keys);
  if (entry_bytes(keys) == sizeof(Entry)) {
    *key = ((const Entry*)(const void*)entry)->me_key;
    *value = ((const Entry*)(const void*)entry)->me_value;
  } else {
    *key = ((PyObject* const*)(const void*)entry)[0];
    *value = ((PyObject* const*)(const void*)entry)[1];
  }
}

static inline Keys* keys_of(PyObject* dict) {
  return (Keys*)((PyDictObject*)dict)->ma_keys;
}

/* ---- values that lie apart from their keys ---- */

/* The values of a dict that shares its keys, in the keys' order; NULL if it has a table of its own. */
static inline PyObject** shared_values(PyObject* dict) {
#if PY_VERSION_HEX < 0x030B0000
  return ((PyDictObject*)dict)->ma_values;
#else
  PyDictValues* values = ((PyDictObject*)dict)->ma_values;
  return values == NULL ? NULL : values->values;
#endif
}

/* Does the dict own those values? From 3.13 on they may lie in the instance. */
static inline int owns_values(PyObject* dict) {
#if PY_VERSION_HEX >= 0x030D0000
  return !((PyDictObject*)dict)->ma_values->embedded;
#else
  (void)dict;
  return 1;
#endif
}

/* Of 3.11 and 3.12: a block of its own, with a prefix whose length stands before the values. */
static inline void add_values_body(leakscope_edges* edges, PyObject** values, const Keys* keys) {
  const size_t places = (size_t)(keys->dk_usable + keys->dk_nentries);
#if PY_VERSION_HEX < 0x030B0000
  add_body(edges, values, places * sizeof(PyObject*));
#elif PY_VERSION_HEX < 0x030D0000
  const size_t prefix = ((const unsigned char*)values)[-1];
  add_body(edges, (const char*)values - prefix, prefix + places * sizeof(PyObject*));
#else
  const size_t prefix = (places + 7) / 8 * 8;
  add_body(edges, (const char*)values - offsetof(PyDictValues, values),
           offsetof(PyDictValues, values) + places * sizeof(PyObject*) + prefix);
#endif
}

/* Values of an instance's attributes that are in no dict; NULL if there are none. */
static inline PyObject** inline_values(PyObject* object) {
#if PY_VERSION_HEX < 0x030B0000
  (void)object;
  return NULL;
#elif PY_VERSION_HEX < 0x030C0000
  PyDictValues* values = *_PyObject_ValuesPointer(object);
  return values == NULL ? NULL : values->values;
#elif PY_VERSION_HEX < 0x030D0000
  PyDictOrValues place = *_PyObject_DictOrValuesPointer(object);
  return _PyDictOrValues_IsValues(place) && place.values != NULL ? _PyDictOrValues_GetValues(place)->values
                                                                 : NULL;
#else
  if ((Py_TYPE(object)->tp_flags & Py_TPFLAGS_INLINE_VALUES) == 0) return NULL;
  PyDictValues* values = _PyObject_InlineValues(object);
  return values->valid ? values->values : NULL;
#endif
}

static inline PyObject* managed_dict(PyObject* object) {
#if PY_VERSION_HEX < 0x030B0000
  (void)object;
  return NULL;
#elif PY_VERSION_HEX < 0x030C0000
  return *_PyObject_ManagedDictPointer(object);
#elif PY_VERSION_HEX < 0x030D0000
  PyDictOrValues place = *_PyObject_DictOrValuesPointer(object);
  return _PyDictOrValues_IsValues(place) ? NULL : place.dict;
#else
  return (PyObject*)_PyObject_ManagedDictPointer(object)->dict;
#endif
}

static inline int has_managed_dict(PyTypeObject* type) {
#if PY_VERSION_HEX < 0x030B0000
  (void)type;
  return 0;
#else
  return (type->tp_flags & Py_TPFLAGS_MANAGED_DICT) != 0;
#endif
}

/* ---- frames ---- */

#if PY_VERSION_HEX >= 0x030B0000
typedef _PyInterpreterFrame IFrame;

#if PY_VERSION_HEX >= 0x030E0000
typedef _PyStackRef Place;
/* Borrowed references are no business of the count; small integers may be stored in the place itself. */
static inline PyObject* held(Place place, int* counted) {
  *counted = (place.bits & 1) == 0;
  return (place.bits & 3) == 3 || (place.bits & 3) == 2 ? NULL : (PyObject*)(place.bits & ~(uintptr_t)3);
}
static inline Py_ssize_t stack_depth(const IFrame* frame) {
  return frame->stackpointer == NULL ? -1 : frame->stackpointer - frame->localsplus;
}
#else
typedef PyObject* Place;
static inline PyObject* held(Place place, int* counted) {
  *counted = 1;
  return place;
}
static inline Py_ssize_t stack_depth(const IFrame* frame) {
  return frame->stacktop;
}
#endif

static inline PyObject* frame_code(const IFrame* frame, int* counted) {
#if PY_VERSION_HEX >= 0x030E0000
  return held(frame->f_executable, counted);
#elif PY_VERSION_HEX >= 0x030D0000
  *counted = 1;
  return frame->f_executable;
#else
  *counted = 1;
  return (PyObject*)frame->f_code;
#endif
}

static inline PyObject* frame_function(const IFrame* frame, int* counted) {
#if PY_VERSION_HEX >= 0x030E0000
  return held(frame->f_funcobj, counted);
#elif PY_VERSION_HEX >= 0x030C0000
  *counted = 1;
  return frame->f_funcobj;
#else
  *counted = 1;
  return (PyObject*)frame->f_func;
#endif
}

static inline IFrame* generator_frame(PyObject* generator) {
  return (IFrame*)(void*)&((PyGenObject*)generator)->gi_iframe;
}

static inline int local_count(PyCodeObject* code) {
  return code->co_nlocalsplus;
}
#else
static inline int local_count(PyCodeObject* code) {
  return code->co_nlocals + (int)PyTuple_GET_SIZE(code->co_cellvars) +
         (int)PyTuple_GET_SIZE(code->co_freevars);
}
#endif

/* Those that need a file of their own, heap_code.c. */
void leakscope_add_type(PyObject* object, leakscope_edges* edges);
void leakscope_add_code(PyObject* object, leakscope_edges* edges);
void leakscope_add_generator(PyObject* object, leakscope_edges* edges);
void leakscope_add_frame(PyObject* object, leakscope_edges* edges);

/* Those whose structures are private, heap_private.c. */
void leakscope_add_links(PyObject* object, leakscope_edges* edges);
void leakscope_add_deque_blocks(PyObject* object, leakscope_edges* edges);
void leakscope_add_cache_links(PyObject* object, leakscope_edges* edges);
void leakscope_add_numpy_array(PyObject* object, leakscope_edges* edges);
void leakscope_add_array(PyObject* object, leakscope_edges* edges);
void leakscope_add_time_zone(const leakscope_layout* layout, PyObject* object, leakscope_edges* edges);

/* ---- types ---- */

extern PyInterpreterState* leakscope_walked;

/* Types that the interpreter was built with keep their dict and subclasses per interpreter from 3.12 on. */
static inline void type_tables(PyTypeObject* type, PyObject** dict, PyObject** subclasses) {
#if PY_VERSION_HEX >= 0x030C0000
  if ((type->tp_flags & _Py_TPFLAGS_STATIC_BUILTIN) != 0 && type->tp_subclasses != NULL) {
    const size_t index = (size_t)type->tp_subclasses - 1;
    struct types_state* types = &leakscope_walked->types;
#if PY_VERSION_HEX >= 0x030D0000
    /* Types of the interpreter and of its own extensions are numbered from 0 each. */
    managed_static_type_state* state =
        index < _Py_MAX_MANAGED_STATIC_BUILTIN_TYPES ? &types->builtins.initialized[index] : NULL;
    if (state == NULL || state->type != type)
      state = index < _Py_MAX_MANAGED_STATIC_EXT_TYPES ? &types->for_extensions.initialized[index] : NULL;
    if (state != NULL && state->type != type) state = NULL;
#else
    static_builtin_state* state = index < _Py_MAX_STATIC_BUILTIN_TYPES ? &types->builtins[index] : NULL;
#endif
    *dict = state != NULL ? state->tp_dict : NULL;
    *subclasses = state != NULL ? state->tp_subclasses : NULL;
    return;
  }
#endif
  *dict = type->tp_dict;
  *subclasses = (PyObject*)type->tp_subclasses;
}

#endif
