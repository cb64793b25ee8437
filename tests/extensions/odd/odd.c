/* Native code in states that a walk over the objects must survive: a type that misbehaves when it is asked for its
   references, and calls that keep the interpreter's lock. */
#include <Python.h>
#include <errno.h>
#include <unistd.h>

/* ---- a type whose tp_traverse does as it is told ---- */

enum { GOOD, CRASH, FREED, NO_OBJECT, HANG, STOP };
static volatile int behaviour = GOOD;
static PyObject not_an_object; /* its type is NULL */

typedef struct {
  PyObject_HEAD PyObject* content;
} Odd;

static int odd_traverse(PyObject* object, visitproc visit, void* arg) {
  Py_VISIT(Py_TYPE(object));
  switch (behaviour) {
    case CRASH:
      *(volatile int*)16 = 1;
      break;
    case FREED:
      return visit((PyObject*)(void*)((uintptr_t)1 << 44), arg);
    case NO_OBJECT:
      return visit(&not_an_object, arg);
    case HANG:
      for (;;) nanosleep(&(struct timespec){1, 0}, NULL);
    case STOP:
      return -1;
    default:
      break;
  }
  Py_VISIT(((Odd*)object)->content);
  return 0;
}

static int odd_clear(PyObject* object) {
  Py_CLEAR(((Odd*)object)->content);
  return 0;
}

static PyObject* odd_new(PyTypeObject* type, PyObject* arguments, PyObject* keywords) {
  (void)keywords;
  PyObject* content = NULL;
  if (!PyArg_ParseTuple(arguments, "O", &content)) return NULL;
  Odd* odd = (Odd*)type->tp_alloc(type, 0);
  if (odd != NULL) odd->content = Py_NewRef(content);
  return (PyObject*)odd;
}

static void odd_dealloc(PyObject* object) {
  PyTypeObject* type = Py_TYPE(object);
  PyObject_GC_UnTrack(object);
  odd_clear(object);
  type->tp_free(object);
  Py_DECREF(type);
}

static PyType_Slot odd_slots[] = {
    {Py_tp_new, odd_new},
    {Py_tp_dealloc, odd_dealloc},
    {Py_tp_traverse, odd_traverse},
    {Py_tp_clear, odd_clear},
    {0, NULL},
};
static PyType_Spec odd_spec = {.name = "odd.Odd",
                               .basicsize = sizeof(Odd),
                               .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                               .slots = odd_slots};

/* From here on every Odd behaves so, for the collector too: turn that off before. */
static PyObject* behave(PyObject* module, PyObject* how) {
  (void)module;
  const char* name = PyUnicode_AsUTF8(how);
  static const char* const names[] = {"good", "crash", "freed", "no object", "hang", "stop"};
  for (int at = 0; name != NULL && at <= STOP; ++at) {
    if (PyUnicode_CompareWithASCIIString(how, names[at]) != 0) continue;
    behaviour = at;
    Py_RETURN_NONE;
  }
  return PyErr_Format(PyExc_ValueError, "cannot behave like %R", how);
}

/* ---- calls that last ---- */

/* A byte from a pipe; signals that come meanwhile are none of its business. */
static void wait_for(int pipe) {
  char byte;
  while (read(pipe, &byte, 1) < 0 && errno == EINTR) continue;
}

static PyObject* wait_with_lock(PyObject* module, PyObject* pipe) {
  (void)module;
  wait_for((int)PyLong_AsLong(pipe));
  Py_RETURN_NONE;
}

static PyObject* wait_without_lock(PyObject* module, PyObject* pipe) {
  (void)module;
  const int number = (int)PyLong_AsLong(pipe);
  Py_BEGIN_ALLOW_THREADS wait_for(number);
  Py_END_ALLOW_THREADS Py_RETURN_NONE;
}

/* ---- the module ---- */

static int module_execute(PyObject* module) {
  PyObject* type = PyType_FromSpec(&odd_spec);
  if (type == NULL) return -1;
  const int result = PyModule_AddObjectRef(module, "Odd", type);
  Py_DECREF(type);
  return result;
}

static PyMethodDef methods[] = {
    {"behave", behave, METH_O, "How every Odd answers when it is asked for its references."},
    {"wait_with_lock", wait_with_lock, METH_O, "Wait for a byte from a pipe and let no other thread run."},
    {"wait_without_lock", wait_without_lock, METH_O, "Wait for a byte from a pipe in native code."},
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
    PyModuleDef_HEAD_INIT, .m_name = "odd", .m_doc = "Misbehaviour.", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit_odd(void) {
  return PyModuleDef_Init(&definition);
}
