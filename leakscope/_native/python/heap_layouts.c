/* What the instances of a type have in common: where their references lie and what these are called. */
#include <string.h>

#include "heap_internals.h"

/* The interpreter's own tp_traverse of classes made by class statements; it has no name to link to. */
static traverseproc class_traverse;

void leakscope_prepare_heap(void) {
  PyObject* modules = PyImport_GetModuleDict();
  PyObject* module = PyDict_GetItemString(modules, "_frozen_importlib");
  PyObject* type = module != NULL ? PyDict_GetItemString(PyModule_GetDict(module), "ModuleSpec") : NULL;
  if (type != NULL && PyType_Check(type)) class_traverse = ((PyTypeObject*)type)->tp_traverse;
}

PyInterpreterState* leakscope_walked;

PyInterpreterState* leakscope_choose_interpreter(void) {
#if PY_VERSION_HEX >= 0x030D0000
  PyThreadState* thread = PyThreadState_GetUnchecked();
#else
  PyThreadState* thread = _PyThreadState_UncheckedGet();
#endif
  leakscope_walked = thread != NULL ? thread->interp : PyInterpreterState_Main();
  return leakscope_walked;
}

/* ---- fields that no member descriptor tells of ---- */

typedef struct {
  const char* type;
  const char* name;
  Py_ssize_t offset;
} Field;

#define FIELD(type, structure, member, name) \
  { type, name, offsetof(structure, member) }
enum { POINTER = sizeof(void*), HEAD = sizeof(PyObject) };

static const Field fields[] = {
    FIELD("function", PyFunctionObject, func_code, "__code__"),
    FIELD("function", PyFunctionObject, func_name, "__name__"),
    FIELD("function", PyFunctionObject, func_qualname, "__qualname__"),
    FIELD("function", PyFunctionObject, func_defaults, "__defaults__"),
    FIELD("function", PyFunctionObject, func_kwdefaults, "__kwdefaults__"),
    FIELD("function", PyFunctionObject, func_annotations, "__annotations__"),
    FIELD("builtin_function_or_method", PyCFunctionObject, m_self, "__self__"),
    FIELD("method", PyMethodObject, im_func, "__func__"),
    FIELD("method", PyMethodObject, im_self, "__self__"),
    FIELD("cell", PyCellObject, ob_ref, "cell_contents"),
    FIELD("wrapper_descriptor", PyDescrObject, d_type, "__objclass__"),
    FIELD("wrapper_descriptor", PyDescrObject, d_name, "__name__"),
    FIELD("wrapper_descriptor", PyDescrObject, d_qualname, "__qualname__"),
    FIELD("method_descriptor", PyDescrObject, d_type, "__objclass__"),
    FIELD("method_descriptor", PyDescrObject, d_name, "__name__"),
    FIELD("method_descriptor", PyDescrObject, d_qualname, "__qualname__"),
    FIELD("classmethod_descriptor", PyDescrObject, d_type, "__objclass__"),
    FIELD("classmethod_descriptor", PyDescrObject, d_name, "__name__"),
    FIELD("classmethod_descriptor", PyDescrObject, d_qualname, "__qualname__"),
    FIELD("getset_descriptor", PyDescrObject, d_type, "__objclass__"),
    FIELD("getset_descriptor", PyDescrObject, d_name, "__name__"),
    FIELD("getset_descriptor", PyDescrObject, d_qualname, "__qualname__"),
    FIELD("member_descriptor", PyDescrObject, d_type, "__objclass__"),
    FIELD("member_descriptor", PyDescrObject, d_name, "__name__"),
    FIELD("member_descriptor", PyDescrObject, d_qualname, "__qualname__"),
    FIELD("traceback", PyTracebackObject, tb_next, "tb_next"),
    FIELD("traceback", PyTracebackObject, tb_frame, "tb_frame"),
    FIELD("BaseException", PyBaseExceptionObject, args, "args"),
    FIELD("BaseException", PyBaseExceptionObject, traceback, "__traceback__"),
    FIELD("BaseException", PyBaseExceptionObject, context, "__context__"),
    FIELD("BaseException", PyBaseExceptionObject, cause, "__cause__"),
#if PY_VERSION_HEX >= 0x030B0000
    FIELD("BaseException", PyBaseExceptionObject, notes, "__notes__"),
#endif
    {"range", "length", HEAD + 3 * POINTER},
    {"datetime.timezone", "offset", HEAD},
    {"datetime.timezone", "name", HEAD + POINTER},
    {"_io.BytesIO", "buffer", HEAD},
    {"module", "__name__", HEAD + 4 * POINTER},
    {"numpy.ndarray", "base", HEAD + 4 * POINTER},
    {"numpy.ndarray", "dtype", HEAD + 5 * POINTER},
    {"numpy.ndarray", "mem_handler", HEAD + 9 * POINTER},
#if PY_VERSION_HEX >= 0x030F0000
    FIELD("bytearray", PyByteArrayObject, ob_bytes_object, "bytes"),
#endif
#if PY_VERSION_HEX < 0x030B0000
    FIELD("generator", PyGenObject, gi_frame, "gi_frame"),
    FIELD("generator", PyGenObject, gi_code, "gi_code"),
    FIELD("generator", PyGenObject, gi_name, "__name__"),
    FIELD("generator", PyGenObject, gi_qualname, "__qualname__"),
    FIELD("coroutine", PyGenObject, gi_frame, "cr_frame"),
    FIELD("coroutine", PyGenObject, gi_code, "cr_code"),
    FIELD("coroutine", PyGenObject, gi_name, "__name__"),
    FIELD("coroutine", PyGenObject, gi_qualname, "__qualname__"),
    FIELD("async_generator", PyGenObject, gi_frame, "ag_frame"),
    FIELD("async_generator", PyGenObject, gi_code, "ag_code"),
    FIELD("async_generator", PyGenObject, gi_name, "__name__"),
    FIELD("async_generator", PyGenObject, gi_qualname, "__qualname__"),
#endif
};

static void add_field(leakscope_layout* layout, Py_ssize_t offset, const char* name) {
  if (layout->field_count == LEAKSCOPE_MOST_FIELDS || name == NULL) return;
  if (offset < HEAD || offset + POINTER > layout->type->tp_basicsize) return;
  if (offset == layout->type->tp_weaklistoffset || offset == layout->type->tp_dictoffset) return;
  for (int at = 0; at < layout->field_count; ++at)
    if (layout->fields[at].offset == offset) return;
  layout->fields[layout->field_count].offset = offset;
  layout->fields[layout->field_count++].name = name;
}

static void add_members(leakscope_layout* layout, PyTypeObject* type) {
  for (PyMemberDef* member = type->tp_members; member != NULL && member->name != NULL; ++member)
    if (member->type == T_OBJECT || member->type == T_OBJECT_EX)
      add_field(layout, member->offset, member->name);
}

/* ---- tails ---- */

static int is_named(PyTypeObject* type, const char* name) {
  return strcmp(type->tp_name, name) == 0;
}

/* Structures that no header tells of: read only if a field that the type does tell of lies where we think. */
static enum leakscope_tail private_tail_of(PyTypeObject* base) {
  if (is_named(base, "numpy.ndarray") && base->tp_weaklistoffset == HEAD + 7 * POINTER) return TAIL_NDARRAY;
  if (is_named(base, "array.array") && base->tp_weaklistoffset == HEAD + 4 * POINTER) return TAIL_ARRAY;
  if (is_named(base, "_io.BytesIO") && base->tp_weaklistoffset == HEAD + 4 * POINTER) return TAIL_BYTESIO;
  if (is_named(base, "mmap.mmap") && base->tp_weaklistoffset >= HEAD + 6 * POINTER) return TAIL_MMAP;
  if (is_named(base, "collections.deque") && base->tp_weaklistoffset >= HEAD + 7 * POINTER) return TAIL_DEQUE;
  if (is_named(base, "functools._lru_cache_wrapper") && base->tp_dictoffset == HEAD + 15 * POINTER &&
      base->tp_weaklistoffset == HEAD + 16 * POINTER)
    return TAIL_LRU_CACHE;
  if (is_named(base, "datetime.datetime") && base->tp_basicsize == HEAD + 4 * POINTER) return TAIL_DATETIME;
  if (is_named(base, "datetime.time") && base->tp_basicsize == HEAD + 3 * POINTER) return TAIL_DATETIME;
  return base->tp_traverse != NULL && (base->tp_flags & Py_TPFLAGS_HAVE_GC) != 0 ? TAIL_TRAVERSE
                                                                                 : TAIL_NOTHING;
}

static enum leakscope_tail tail_of(PyTypeObject* base) {
  if (base == &PyList_Type) return TAIL_LIST;
  if (base == &PyTuple_Type) return TAIL_TUPLE;
  if (base == &PyODict_Type && base->tp_dictoffset == (Py_ssize_t)sizeof(PyDictObject) + 6 * POINTER)
    return TAIL_ORDERED_DICT;
  if ((base->tp_flags & Py_TPFLAGS_DICT_SUBCLASS) != 0) return TAIL_DICT;
  if (base == &PySet_Type || base == &PyFrozenSet_Type) return TAIL_SET;
  if ((base->tp_flags & Py_TPFLAGS_UNICODE_SUBCLASS) != 0) return TAIL_STR;
  if ((base->tp_flags & Py_TPFLAGS_BYTES_SUBCLASS) != 0) return TAIL_BYTES;
  if ((base->tp_flags & Py_TPFLAGS_LONG_SUBCLASS) != 0) return TAIL_INT;
  if ((base->tp_flags & Py_TPFLAGS_TYPE_SUBCLASS) != 0) return TAIL_TYPE;
  if (base == &PyByteArray_Type) return TAIL_BYTEARRAY;
  if (base == &PyCode_Type) return TAIL_CODE;
  if (base == &PyFrame_Type) return TAIL_FRAME;
  if (base == &PyMemoryView_Type) return TAIL_MEMORYVIEW;
#if PY_VERSION_HEX >= 0x030B0000
  if (base == &PyGen_Type || base == &PyCoro_Type || base == &PyAsyncGen_Type) return TAIL_GENERATOR;
#endif
  return private_tail_of(base);
}

static enum leakscope_edge_kind edges_of(enum leakscope_tail tail, PyTypeObject* base) {
  switch (tail) {
    case TAIL_LIST:
    case TAIL_TUPLE:
    case TAIL_DEQUE:
    case TAIL_NDARRAY:
      return EDGES_ITEMS;
    case TAIL_DICT:
    case TAIL_ORDERED_DICT:
      return EDGES_PAIRS;
    case TAIL_SET:
      return EDGES_MEMBERS;
    case TAIL_GENERATOR:
    case TAIL_FRAME:
      return EDGES_STACK;
    default:
      return (base->tp_flags & Py_TPFLAGS_TUPLE_SUBCLASS) != 0 ? EDGES_ITEMS : EDGES_OTHER;
  }
}

static int is_made_by_class_statement(PyTypeObject* type) {
  return (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0 && type->tp_base != NULL &&
         (type->tp_traverse == class_traverse || type->tp_traverse == NULL);
}

static Py_ssize_t lead_of(PyTypeObject* type) {
#if PY_VERSION_HEX < 0x030B0000
  return (type->tp_flags & Py_TPFLAGS_HAVE_GC) != 0 ? (Py_ssize_t)sizeof(PyGC_Head) : 0;
#else
  return (Py_ssize_t)_PyType_PreHeaderSize(type);
#endif
}

static size_t inline_bytes(PyTypeObject* type) {
#if PY_VERSION_HEX >= 0x030D0000
  return (type->tp_flags & Py_TPFLAGS_INLINE_VALUES) != 0 ? _PyInlineValuesSize(type) : 0;
#else
  (void)type;
  return 0;
#endif
}

static int varies_in_size(const leakscope_layout* layout) {
  return layout->type->tp_itemsize != 0 || layout->tail == TAIL_STR || layout->tail == TAIL_GENERATOR ||
         layout->tail == TAIL_FRAME || layout->tail == TAIL_TYPE;
}

void leakscope_describe(leakscope_layout* layout, PyTypeObject* type, leakscope_field* room) {
  memset(layout, 0, sizeof *layout);
  layout->type = type;
  layout->fields = room;
  PyTypeObject* base = type;
  while (is_made_by_class_statement(base)) {
    add_members(layout, base);
    base = base->tp_base;
  }
  layout->base = base;
  layout->tail = tail_of(base);
  layout->edges = edges_of(layout->tail, base);
  layout->owns_type = (type->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0;
  layout->base_fields = layout->field_count;
  const int has_own_fields = layout->tail == TAIL_TYPE || layout->tail == TAIL_CODE ||
                             layout->tail == TAIL_GENERATOR || layout->tail == TAIL_FRAME;
  if (!has_own_fields) {
    for (PyTypeObject* up = base; up != NULL; up = up->tp_base) {
      add_members(layout, up);
      for (size_t at = 0; at < sizeof fields / sizeof fields[0]; ++at)
        if (is_named(up, fields[at].type)) add_field(layout, fields[at].offset, fields[at].name);
    }
    layout->managed_dict = has_managed_dict(type);
    if (!layout->managed_dict) layout->dict_offset = type->tp_dictoffset;
  }
  const int has_dict = layout->managed_dict || layout->dict_offset != 0;
  layout->dict_position = has_dict ? layout->field_count : LEAKSCOPE_NO_POSITION;
  layout->namespace_position = layout->tail == TAIL_TYPE ? layout->field_count : layout->dict_position;
  layout->lead = lead_of(type);
  if (!varies_in_size(layout))
    layout->fixed_size = layout->lead + type->tp_basicsize + (Py_ssize_t)inline_bytes(type);
}

Py_ssize_t leakscope_lead(const leakscope_layout* layout, PyObject* object) {
  if (layout->tail == TAIL_TYPE && (((PyTypeObject*)object)->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) return 0;
  return layout->lead;
}

/* ---- sizes ---- */

static size_t str_size(PyObject* object, size_t basic_size) {
  PyASCIIObject* text = (PyASCIIObject*)object;
  const size_t length = (size_t)text->length + 1;
  if (!text->state.compact) return basic_size;
  if (text->state.ascii) return sizeof(PyASCIIObject) + length;
  return sizeof(PyCompactUnicodeObject) + length * text->state.kind;
}

static size_t int_digits(PyObject* object) {
#if PY_VERSION_HEX >= 0x030C0000
  return (size_t)(((PyLongObject*)object)->long_value.lv_tag >> 3);
#else
  const Py_ssize_t size = Py_SIZE(object);
  return (size_t)(size < 0 ? -size : size);
#endif
}

size_t leakscope_block_size(const leakscope_layout* layout, PyObject* object) {
  if (layout->fixed_size != 0) return (size_t)layout->fixed_size;
  const size_t lead = (size_t)leakscope_lead(layout, object);
  size_t size = (size_t)layout->type->tp_basicsize;
  const size_t item = (size_t)layout->type->tp_itemsize;
  size_t items = 0;
  switch (layout->tail) {
    case TAIL_STR:
      /* A subclass keeps its text apart and has attributes behind it. */
      return lead + (Py_IS_TYPE(object, &PyUnicode_Type) ? str_size(object, size) : size);
    case TAIL_INT:
      items = int_digits(object);
      size = item != 0 && items == 0 ? size + item : size;
      break;
    case TAIL_TYPE:
      if ((((PyTypeObject*)object)->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) return sizeof(PyTypeObject);
      items = (size_t)Py_SIZE(object);
      break;
    case TAIL_GENERATOR:
    case TAIL_FRAME: {
      PyCodeObject* code = leakscope_code_of(layout, object);
      if (code != NULL) items = (size_t)local_count(code) + (size_t)code->co_stacksize;
      break;
    }
    default: {
      const Py_ssize_t count = Py_SIZE(object);
      items = (size_t)(count < 0 ? -count : count);
    }
  }
  /* A type may call something else its size: better too small than absurd. */
  if (items > ((size_t)1 << 44)) items = 0;
  return lead + ((size + items * item + 7) & ~(size_t)7);
}

int leakscope_small_int(PyObject* object, long long* value) {
  if (!PyLong_CheckExact(object) || int_digits(object) > 2) return 0;
#if PY_VERSION_HEX >= 0x030C0000
  const digit* digits = ((PyLongObject*)object)->long_value.ob_digit;
  const int negative = (((PyLongObject*)object)->long_value.lv_tag & 3) == 2;
#else
  const digit* digits = ((PyLongObject*)object)->ob_digit;
  const int negative = Py_SIZE(object) < 0;
#endif
  *value = 0;
  for (size_t at = int_digits(object); at-- > 0;) *value = (*value << PyLong_SHIFT) | (long long)digits[at];
  if (negative) *value = -*value;
  return 1;
}

int leakscope_is_immortal(PyObject* object) {
#if PY_VERSION_HEX >= 0x030C0000
  return _Py_IsImmortal(object);
#else
  return Py_REFCNT(object) >= 500000000; /* what 3.11 freezes is given 999,999,999 */
#endif
}

int leakscope_is_tracked(const leakscope_layout* layout, PyObject* object) {
  if ((layout->type->tp_flags & Py_TPFLAGS_HAVE_GC) == 0) return 0;
  if (layout->tail == TAIL_TYPE && (((PyTypeObject*)object)->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) return 0;
  return ((PyGC_Head*)object - 1)->_gc_next != 0;
}

int leakscope_has_finalizer(PyTypeObject* type) {
  return type->tp_finalize != NULL;
}
