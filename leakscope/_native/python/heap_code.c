/* What types, code objects, generators and frames refer to, and what they hold besides. */
#include <string.h>

#include "heap_internals.h"

static const char* const type_names[] = {"__dict__",          "__mro__",  "__bases__",    "__base__",
                                         "subclasses",        "__name__", "__qualname__", "__slots__",
                                         "__module_object__", NULL};

void leakscope_add_type(PyObject* object, leakscope_edges* edges) {
  PyTypeObject* type = (PyTypeObject*)object;
  PyObject *dict, *subclasses;
  type_tables(type, &dict, &subclasses);
  add_edge(edges, dict);
  add_edge(edges, type->tp_mro);
  add_edge(edges, type->tp_bases);
  const int heap = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0;
  add_edge(edges, heap ? (PyObject*)type->tp_base : NULL); /* static types borrow theirs */
  add_edge(edges, subclasses);
  if (!heap) return;
  PyHeapTypeObject* full = (PyHeapTypeObject*)type;
  add_edge(edges, full->ht_name);
  add_edge(edges, full->ht_qualname);
  add_edge(edges, full->ht_slots);
  add_edge(edges, full->ht_module);
  Keys* keys = (Keys*)full->ht_cached_keys;
  if (keys != NULL) {
    for (Py_ssize_t at = 0; at < keys->dk_nentries; ++at) {
      PyObject *key, *value;
      entry_at(keys, at, &key, &value);
      if (key != NULL) add_edge(edges, key);
    }
    add_body(edges, keys, table_bytes(keys));
  }
  if (type->tp_doc != NULL) add_body(edges, type->tp_doc, strlen(type->tp_doc) + 1);
#if PY_VERSION_HEX >= 0x030B0000
  if (full->_ht_tpname != NULL) add_body(edges, full->_ht_tpname, strlen(full->_ht_tpname) + 1);
#endif
}

void leakscope_add_code(PyObject* object, leakscope_edges* edges) {
  PyCodeObject* code = (PyCodeObject*)object;
  add_edge(edges, code->co_consts);
  add_edge(edges, code->co_names);
  add_edge(edges, code->co_filename);
  add_edge(edges, code->co_name);
  add_edge(edges, code->co_linetable);
#if PY_VERSION_HEX < 0x030B0000
  add_edge(edges, code->co_code);
  add_edge(edges, code->co_varnames);
  add_edge(edges, code->co_freevars);
  add_edge(edges, code->co_cellvars);
#else
  add_edge(edges, code->co_qualname);
  add_edge(edges, code->co_exceptiontable);
  add_edge(edges, code->co_localsplusnames);
  add_edge(edges, code->co_localspluskinds);
#if PY_VERSION_HEX < 0x030C0000
  add_edge(edges, code->_co_code);
#else
  _PyCoCached* cached = code->_co_cached;
  if (cached != NULL) {
    add_edge(edges, cached->_co_code);
    add_edge(edges, cached->_co_varnames);
    add_edge(edges, cached->_co_cellvars);
    add_edge(edges, cached->_co_freevars);
    add_body(edges, cached, sizeof *cached);
  }
#endif
#endif
}

#if PY_VERSION_HEX >= 0x030B0000
static const char* const generator_names[] = {"__name__", "__qualname__", "cr_origin", "exception", "code",
                                              "function", "frame code",   "f_locals",  "gi_frame",  NULL};
static const char* const frame_names[] = {"f_back", "f_trace", "function", "f_code", "f_locals", NULL};

static void add_place(Place place, leakscope_edges* edges) {
  int counted;
  PyObject* referent = held(place, &counted);
  add_edge(edges, counted ? referent : NULL);
}

static void add_holdings(IFrame* frame, leakscope_edges* edges) {
  int counted;
  PyObject* function = frame_function(frame, &counted);
  add_edge(edges, counted ? function : NULL);
  PyObject* code = frame_code(frame, &counted);
  add_edge(edges, counted ? code : NULL);
  add_edge(edges, frame->f_locals);
}

static PyCodeObject* code_in(IFrame* frame) {
  int counted;
  PyObject* code = frame_code(frame, &counted);
  return code != NULL && PyCode_Check(code) ? (PyCodeObject*)code : NULL;
}

/* Locals, then what is on the evaluation stack if that is known: a frame that is running keeps it to itself. */
static void add_variables(IFrame* frame, leakscope_edges* edges) {
  const PyCodeObject* code = code_in(frame);
  if (code == NULL) return;
  const Py_ssize_t locals = code->co_nlocalsplus;
  for (Py_ssize_t at = 0; at < locals; ++at) add_place(frame->localsplus[at], edges);
  const Py_ssize_t depth = stack_depth(frame);
  if (depth > locals + code->co_stacksize) return;
  for (Py_ssize_t at = locals; at < depth; ++at) add_place(frame->localsplus[at], edges);
}

static int is_alive(PyObject* generator) {
  return ((PyGenObject*)generator)->gi_frame_state < FRAME_CLEARED;
}

void leakscope_add_generator(PyObject* object, leakscope_edges* edges) {
  PyGenObject* generator = (PyGenObject*)object;
  add_edge(edges, generator->gi_name);
  add_edge(edges, generator->gi_qualname);
  /* Of a plain generator nobody sets it, nor looks at it. */
  const int has_origin = PyCoro_CheckExact(object) || PyAsyncGen_CheckExact(object);
  add_edge(edges, has_origin ? generator->gi_origin_or_finalizer : NULL);
  add_edge(edges, generator->gi_exc_state.exc_value);
#if PY_VERSION_HEX < 0x030C0000
  add_edge(edges, (PyObject*)generator->gi_code);
#else
  add_edge(edges, NULL);
#endif
  if (!is_alive(object)) return;
  IFrame* frame = generator_frame(object);
  add_holdings(frame, edges);
  add_edge(edges, (PyObject*)frame->frame_obj);
  add_variables(frame, edges);
}

void leakscope_add_frame(PyObject* object, leakscope_edges* edges) {
  PyFrameObject* frame_object = (PyFrameObject*)object;
  add_edge(edges, (PyObject*)frame_object->f_back);
  add_edge(edges, frame_object->f_trace);
  IFrame* frame = frame_object->f_frame;
  if (frame == NULL || frame->owner != FRAME_OWNED_BY_FRAME_OBJECT) return;
  add_holdings(frame, edges);
  add_variables(frame, edges);
}
#else
static const char* const generator_names[] = {NULL};
static const char* const frame_names[] = {"f_back",   "f_code",  "f_builtins", "f_globals",
                                          "f_locals", "f_trace", NULL};

void leakscope_add_generator(PyObject* object, leakscope_edges* edges) {
  (void)object, (void)edges; /* its frame is an object */
}

void leakscope_add_frame(PyObject* object, leakscope_edges* edges) {
  PyFrameObject* frame = (PyFrameObject*)object;
  add_edge(edges, (PyObject*)frame->f_back);
  add_edge(edges, (PyObject*)frame->f_code);
  add_edge(edges, frame->f_builtins);
  add_edge(edges, frame->f_globals);
  add_edge(edges, frame->f_locals);
  add_edge(edges, frame->f_trace);
  const Py_ssize_t locals = frame->f_valuestack - frame->f_localsplus;
  for (Py_ssize_t at = 0; at < locals; ++at) add_edge(edges, frame->f_localsplus[at]);
  for (int at = 0; at < frame->f_stackdepth; ++at) add_edge(edges, frame->f_valuestack[at]);
}
#endif

PyCodeObject* leakscope_code_of(const leakscope_layout* layout, PyObject* object) {
#if PY_VERSION_HEX >= 0x030B0000
  IFrame* frame = NULL;
  if (layout->tail == TAIL_GENERATOR && is_alive(object)) frame = generator_frame(object);
  if (layout->tail == TAIL_FRAME) {
    frame = ((PyFrameObject*)object)->f_frame;
    if (frame != NULL && frame->owner != FRAME_OWNED_BY_FRAME_OBJECT) frame = NULL;
  }
  return frame == NULL ? NULL : code_in(frame);
#else
  return layout->tail == TAIL_FRAME ? ((PyFrameObject*)object)->f_code : NULL;
#endif
}

const char* const* leakscope_tail_names(enum leakscope_tail tail) {
  static const char* const none[] = {NULL};
  static const char* const code_names[] = {
    "co_consts",
    "co_names",
    "co_filename",
    "co_name",
    "co_linetable",
#if PY_VERSION_HEX < 0x030B0000
    "co_code",
    "co_varnames",
    "co_freevars",
    "co_cellvars",
#else
    "co_qualname",
    "co_exceptiontable",
    "co_localsplusnames",
    "co_localspluskinds",
#endif
    NULL
  };
  static const char* const time_names[] = {"tzinfo", NULL};
  switch (tail) {
    case TAIL_TYPE:
      return type_names;
    case TAIL_CODE:
      return code_names;
    case TAIL_GENERATOR:
      return generator_names;
    case TAIL_FRAME:
      return frame_names;
    case TAIL_DATETIME:
      return time_names;
    default:
      return none;
  }
}

PyObject* leakscope_code_name(PyCodeObject* code) {
#if PY_VERSION_HEX >= 0x030B0000
  return code->co_qualname;
#else
  return code->co_name;
#endif
}

int leakscope_local_count(PyCodeObject* code) {
  return local_count(code);
}

PyObject* leakscope_local_name(PyCodeObject* code, int index) {
#if PY_VERSION_HEX >= 0x030B0000
  return PyTuple_GET_ITEM(code->co_localsplusnames, index);
#else
  const int locals = code->co_nlocals, cells = (int)PyTuple_GET_SIZE(code->co_cellvars);
  if (index < locals) return PyTuple_GET_ITEM(code->co_varnames, index);
  index -= locals;
  return index < cells ? PyTuple_GET_ITEM(code->co_cellvars, index)
                       : PyTuple_GET_ITEM(code->co_freevars, index - cells);
#endif
}
