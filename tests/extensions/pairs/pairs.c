/* Pairs of functions: one asks for memory or takes a reference, by every door there is, the other gives it back. Who
   calls only the first leaks; who calls both does not. */
#include <Python.h>
#include <stdlib.h>
#include <sys/mman.h>

static PyObject* as_number(void* address) {
  return address == NULL ? PyErr_NoMemory() : PyLong_FromVoidPtr(address);
}

static PyObject* map(size_t size) {
  void* found = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return as_number(found == MAP_FAILED ? NULL : found);
}

/* take(door, size) -> address */
static PyObject* take(PyObject* module, PyObject* arguments) {
  (void)module;
  const char* door;
  Py_ssize_t size;
  if (!PyArg_ParseTuple(arguments, "sn", &door, &size)) return NULL;
  const size_t bytes = (size_t)size;
  switch (door[0]) {
    case 'm':
      return as_number(malloc(bytes));
    case 'r':
      return as_number(PyMem_RawMalloc(bytes));
    case 'p':
      return as_number(PyMem_Malloc(bytes));
    case 'o':
      return as_number(PyObject_Malloc(bytes));
    default:
      return map(bytes);
  }
}

/* give(door, size, address) */
static PyObject* give(PyObject* module, PyObject* arguments) {
  (void)module;
  const char* door;
  Py_ssize_t size;
  PyObject* number;
  if (!PyArg_ParseTuple(arguments, "snO", &door, &size, &number)) return NULL;
  void* address = PyLong_AsVoidPtr(number);
  switch (door[0]) {
    case 'm':
      free(address);
      break;
    case 'r':
      PyMem_RawFree(address);
      break;
    case 'p':
      PyMem_Free(address);
      break;
    case 'o':
      PyObject_Free(address);
      break;
    default:
      munmap(address, (size_t)size);
  }
  Py_RETURN_NONE;
}

static PyObject* hold(PyObject* module, PyObject* object) {
  (void)module;
  Py_INCREF(object);
  Py_RETURN_NONE;
}

static PyObject* let_go(PyObject* module, PyObject* object) {
  (void)module;
  Py_DECREF(object);
  Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"take", take, METH_VARARGS, "Memory by one of the doors: malloc, raw, pymem, object, mapping."},
    {"give", give, METH_VARARGS, "Give it back by the same door."},
    {"hold", hold, METH_O, "Take a reference."},
    {"let_go", let_go, METH_O, "Give a reference back."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, .m_name = "pairs",
                                        .m_doc = "Doors to memory, and back.", .m_methods = methods};

PyMODINIT_FUNC PyInit_pairs(void) {
  return PyModuleDef_Init(&definition);
}
