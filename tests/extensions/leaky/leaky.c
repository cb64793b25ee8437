/* Native code with one fault per function, and a quiet twin of each: same shape, same calls, no fault.

   A twin keeps nothing, or keeps it where a walk over the objects can see it, or keeps a bounded number. */
#include <Python.h>
#include <stdlib.h>

/* ---- one reference too many ---- */

static PyObject* new_list(void) {
  PyObject* list = PyList_New(0);
  for (long at = 0; list != NULL && at < 3; ++at) {
    PyObject* item = PyLong_FromLong(at);
    if (item == NULL || PyList_Append(list, item) < 0) Py_CLEAR(list);
    Py_XDECREF(item);
  }
  return list;
}

static PyObject* new_text(PyObject* number) {
  return PyUnicode_FromFormat("request %S was answered, and nobody wants to know", number);
}

static PyObject* new_bytes(PyObject* number) {
  return PyBytes_FromFormat("%ld: the same as bytes, and a little longer", PyLong_AsLong(number));
}

static PyObject* new_instance(PyObject* type) {
  return PyObject_CallObject(type, NULL);
}

/* The fault: what was made is neither returned nor given back. */
static PyObject* forget(PyObject* made) {
  if (made == NULL) return NULL;
  Py_RETURN_NONE;
}

static PyObject* drop(PyObject* made) {
  if (made == NULL) return NULL;
  Py_DECREF(made);
  Py_RETURN_NONE;
}

static PyObject* leak_list(PyObject* module, PyObject* unused) {
  (void)module, (void)unused;
  return forget(new_list());
}
static PyObject* drop_list(PyObject* module, PyObject* unused) {
  (void)module, (void)unused;
  return drop(new_list());
}
static PyObject* leak_instance(PyObject* module, PyObject* type) {
  (void)module;
  return forget(new_instance(type));
}
static PyObject* drop_instance(PyObject* module, PyObject* type) {
  (void)module;
  return drop(new_instance(type));
}
static PyObject* leak_str(PyObject* module, PyObject* number) {
  (void)module;
  return forget(new_text(number));
}
static PyObject* drop_str(PyObject* module, PyObject* number) {
  (void)module;
  return drop(new_text(number));
}
static PyObject* leak_bytes(PyObject* module, PyObject* number) {
  (void)module;
  return forget(new_bytes(number));
}
static PyObject* drop_bytes(PyObject* module, PyObject* number) {
  (void)module;
  return drop(new_bytes(number));
}

/* ---- buffers ---- */

static PyObject* leak_buffer(PyObject* module, PyObject* object) {
  (void)module;
  Py_buffer* view = malloc(sizeof *view);
  if (view == NULL) return PyErr_NoMemory();
  if (PyObject_GetBuffer(object, view, PyBUF_SIMPLE) < 0) {
    free(view);
    return NULL;
  }
  return PyLong_FromSsize_t(view->len); /* never released */
}

static PyObject* release_buffer(PyObject* module, PyObject* object) {
  (void)module;
  Py_buffer view;
  if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) < 0) return NULL;
  PyObject* length = PyLong_FromSsize_t(view.len);
  PyBuffer_Release(&view);
  return length;
}

/* ---- kept on purpose ---- */

typedef struct {
  PyObject* registry; /* grows without a bound, and whoever asks for references is told of it */
} State;

static State* state_of(PyObject* module) {
  return PyModule_GetState(module);
}

static PyObject* keep_in_registry(PyObject* module, PyObject* object) {
  if (PyList_Append(state_of(module)->registry, object) < 0) return NULL;
  Py_RETURN_NONE;
}

enum { RING = 16 };
static PyObject* ring[RING];
static size_t ring_next = 0;

/* The last few objects: unexplained references, as many as there were yesterday. */
static PyObject* keep_in_ring(PyObject* module, PyObject* object) {
  (void)module;
  PyObject** place = &ring[ring_next++ % RING];
  PyObject* before = *place;
  *place = Py_NewRef(object);
  Py_XDECREF(before);
  Py_RETURN_NONE;
}

/* A type from before the collector: it holds one object, gives it back when it goes, and tells nobody meanwhile. */
typedef struct {
  PyObject_HEAD PyObject* content;
} Box;

static PyObject* box_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  (void)keywords;
  PyObject* content = NULL;
  if (!PyArg_ParseTuple(arguments, "O", &content)) return NULL;
  Box* box = (Box*)type->tp_alloc(type, 0);
  if (box != NULL) box->content = Py_NewRef(content);
  return (PyObject*)box;
}

static void box_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  Py_XDECREF(((Box*)object)->content);
  type->tp_free(object);
  Py_DECREF(type);
}

static PyType_Slot box_slots[] = {{Py_tp_new, box_new}, {Py_tp_dealloc, box_dealloc}, {0, NULL}};
static PyType_Spec box_spec = {
    .name = "leaky.Box", .basicsize = sizeof(Box), .flags = Py_TPFLAGS_DEFAULT, .slots = box_slots};

/* ---- the module ---- */

static int module_execute(PyObject* module) {
  State* state = state_of(module);
  state->registry = PyList_New(0);
  PyObject* box = PyType_FromSpec(&box_spec);
  if (state->registry == NULL || box == NULL) return -1;
  const int result = PyModule_AddObjectRef(module, "Box", box);
  Py_DECREF(box);
  return result;
}

static int module_traverse(PyObject* module, visitproc visit, void* arg) {
  Py_VISIT(state_of(module)->registry);
  return 0;
}

static int module_clear(PyObject* module) {
  Py_CLEAR(state_of(module)->registry);
  return 0;
}

static PyMethodDef methods[] = {
    {"leak_list", leak_list, METH_NOARGS, "Make a list and forget it."},
    {"drop_list", drop_list, METH_NOARGS, "Make a list and drop it."},
    {"leak_instance", leak_instance, METH_O, "Make an instance of a class and forget it."},
    {"drop_instance", drop_instance, METH_O, "Make an instance of a class and drop it."},
    {"leak_str", leak_str, METH_O, "Make a text and forget it."},
    {"drop_str", drop_str, METH_O, "Make a text and drop it."},
    {"leak_bytes", leak_bytes, METH_O, "Make bytes and forget them."},
    {"drop_bytes", drop_bytes, METH_O, "Make bytes and drop them."},
    {"leak_buffer", leak_buffer, METH_O, "Ask for a buffer and never release it."},
    {"release_buffer", release_buffer, METH_O, "Ask for a buffer and release it."},
    {"keep_in_registry", keep_in_registry, METH_O, "Keep an object where a walk sees it."},
    {"keep_in_ring", keep_in_ring, METH_O, "Keep an object in a static variable until sixteen others came."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, module_execute},
#if PY_VERSION_HEX >= 0x030D0000
    {Py_mod_gil, Py_MOD_GIL_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "leaky",
    .m_doc = "Functions that leak, and their quiet twins.",
    .m_size = sizeof(State),
    .m_methods = methods,
    .m_slots = slots,
    .m_traverse = module_traverse,
    .m_clear = module_clear,
};

PyMODINIT_FUNC PyInit_leaky(void) {
  return PyModuleDef_Init(&definition);
}
