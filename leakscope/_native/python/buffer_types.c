/* Internal headers come first. */
// clang-format off
#include "heap_internals.h"
#include "buffer_types.h"
// clang-format on

static PyObject *get_name, *release_name, *module_name;

void leakscope_prepare_buffer_types(void) {
  leakscope_walked = PyInterpreterState_Main();
  get_name = PyUnicode_InternFromString("__buffer__");
  release_name = PyUnicode_InternFromString("__release_buffer__");
  module_name = PyUnicode_InternFromString("__module__");
}

/* Every type is met once: as a subclass of the one that its layout comes from. */
static void visit_tree(PyTypeObject* type, int depth, void (*visit)(PyTypeObject*)) {
  PyObject *dict, *subclasses, *key, *reference;
  Py_ssize_t at = 0;
  if (type->tp_as_buffer != NULL &&
      (type->tp_as_buffer->bf_getbuffer != NULL || type->tp_as_buffer->bf_releasebuffer != NULL))
    visit(type);
  type_tables(type, &dict, &subclasses);
  if (subclasses == NULL || !PyDict_CheckExact(subclasses) || depth > 200) return;
  while (PyDict_Next(subclasses, &at, &key, &reference)) {
    PyObject* child = ((PyWeakReference*)reference)->wr_object;
    if (child == Py_None || child == NULL || Py_REFCNT(child) <= 0 || !PyType_Check(child)) continue;
    if (((PyTypeObject*)child)->tp_base == type) visit_tree((PyTypeObject*)child, depth + 1, visit);
  }
}

void leakscope_each_buffer_type(void (*visit)(PyTypeObject* type)) {
  leakscope_walked = PyInterpreterState_Main();
  visit_tree(&PyBaseObject_Type, 0, visit);
}

static PyObject* entry_of(PyTypeObject* type, PyObject* name) {
  PyObject *dict, *subclasses;
  type_tables(type, &dict, &subclasses);
  return dict != NULL && name != NULL ? PyDict_GetItemWithError(dict, name) : NULL;
}

PyObject* leakscope_module_of_type(PyTypeObject* type) {
  PyObject* module = entry_of(type, module_name);
  return module != NULL && PyUnicode_Check(module) ? module : NULL;
}

static void* wrapped_in(PyTypeObject* type, PyObject* name) {
  PyObject* entry = entry_of(type, name);
  if (entry == NULL || !Py_IS_TYPE(entry, &PyWrapperDescr_Type)) return NULL;
  return ((PyWrapperDescrObject*)entry)->d_wrapped;
}

#if PY_VERSION_HEX >= 0x030C0000
int leakscope_releases_in_c(PyTypeObject* type, releasebufferproc original) {
  PyObject* order = type->tp_mro;
  if ((type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) return 1;
  if (order == NULL || !PyTuple_Check(order)) return 0;
  for (Py_ssize_t at = 0; at < PyTuple_GET_SIZE(order); ++at) {
    PyTypeObject* base = (PyTypeObject*)PyTuple_GET_ITEM(order, at);
    if (!PyType_Check((PyObject*)base)) continue;
    /* A type written in C, whose function it is. */
    if (base->tp_as_buffer == NULL || base->tp_as_buffer->bf_releasebuffer == NULL) continue;
    if ((base->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) {
      if (base->tp_as_buffer->bf_releasebuffer == type->tp_as_buffer->bf_releasebuffer) return 1;
    } else {
      void* wrapped = wrapped_in(base, release_name);
      if (wrapped == (void*)original ||
          (wrapped != NULL && wrapped == (void*)type->tp_as_buffer->bf_releasebuffer))
        return 1;
    }
  }
  return 0;
}
#else
int leakscope_releases_in_c(PyTypeObject* type, releasebufferproc original) {
  (void)type;
  (void)original;
  return 1;
}
#endif

static void exchange(PyTypeObject* type, PyObject* name, void* before, void* after) {
  PyObject* entry = entry_of(type, name);
  if (entry != NULL && Py_IS_TYPE(entry, &PyWrapperDescr_Type) &&
      ((PyWrapperDescrObject*)entry)->d_common.d_type == type && wrapped_in(type, name) == before)
    ((PyWrapperDescrObject*)entry)->d_wrapped = after;
}

void leakscope_exchange_in_descriptors(PyTypeObject* type, void* before, void* after) {
  exchange(type, get_name, before, after);
  exchange(type, release_name, before, after);
}
