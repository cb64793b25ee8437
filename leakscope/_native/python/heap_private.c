/* Structures that no header tells of: links of ordered dicts, blocks of deques, rings of caches, arrays. heap_layouts.c
   lets us read one only if a field that its type does tell of lies where it should. */
#include <string.h>

#include "heap_internals.h"

static PyObject* reference_at(PyObject* object, Py_ssize_t offset) {
  return *(PyObject**)(void*)((char*)object + offset);
}

/* Private to Objects/odictobject.c, the same from 3.10 to 3.15. */
typedef struct Link {
  PyObject* key;
  Py_hash_t hash;
  struct Link *next, *previous;
} Link;
typedef struct {
  PyDictObject dict;
  Link *first, *last;
  Link** nodes;
  Py_ssize_t node_count;
} OrderedDict;

/* Every link holds its key once more: a pair without value. */
void leakscope_add_links(PyObject* object, leakscope_edges* edges) {
  OrderedDict* dict = (OrderedDict*)object;
  Py_ssize_t left = dict->dict.ma_used;
  for (Link* link = dict->first; link != NULL && left > 0; link = link->next, --left) {
    add_edge(edges, link->key);
    add_edge(edges, NULL);
    add_body(edges, link, sizeof *link);
  }
  if (dict->nodes != NULL && dict->node_count > 0)
    add_body(edges, dict->nodes, (size_t)dict->node_count * sizeof(Link*));
}

/* Private to Modules/_collectionsmodule.c. */
enum { BLOCK_ITEMS = 64 };
typedef struct Block {
  struct Block* left;
  PyObject* items[BLOCK_ITEMS];
  struct Block* right;
} Block;
typedef struct {
  PyObject_VAR_HEAD Block *left_block, *right_block;
  Py_ssize_t left_index, right_index;
  size_t state;
  Py_ssize_t most;
} Deque;

void leakscope_add_deque_blocks(PyObject* object, leakscope_edges* edges) {
  Deque* deque = (Deque*)object;
  Py_ssize_t most = Py_SIZE(object) / BLOCK_ITEMS + 3;
  for (Block* block = deque->left_block; block != NULL && most > 0; block = block->right, --most) {
    add_body(edges, block, sizeof *block);
    if (block == deque->right_block) break;
  }
}

/* numpy/ndarraytypes.h, the same in NumPy 1 and 2. */
typedef struct {
  PyObject_HEAD char* data;
  int dimension_count;
  Py_ssize_t *dimensions, *strides;
  PyObject *base, *dtype;
  int flags;
} NumpyArray;
typedef struct {
  PyObject_HEAD PyTypeObject* type;
  char kind, letter, byte_order, old_flags;
  int number;
} NumpyType;
enum { NUMPY_C = 1, NUMPY_FORTRAN = 2, NUMPY_OWNS_DATA = 4, NUMPY_OBJECT = 17, NUMPY_MOST_DIMENSIONS = 64 };

void leakscope_add_numpy_array(PyObject* object, leakscope_edges* edges) {
  NumpyArray* array = (NumpyArray*)object;
  const int dimensions = array->dimension_count;
  if (dimensions < 0 || dimensions > NUMPY_MOST_DIMENSIONS) return;
  if (dimensions > 0) add_body(edges, array->dimensions, 2 * (size_t)dimensions * sizeof(Py_ssize_t));
  if ((array->flags & NUMPY_OWNS_DATA) == 0 || (array->flags & (NUMPY_C | NUMPY_FORTRAN)) == 0) return;
  size_t bytes = sizeof(double);
  if (dimensions > 0) {
    const int outermost = (array->flags & NUMPY_C) != 0 ? 0 : dimensions - 1;
    bytes = (size_t)array->dimensions[outermost] * (size_t)array->strides[outermost];
  }
  add_body(edges, array->data, bytes);
  if (array->dtype == NULL || ((NumpyType*)array->dtype)->number != NUMPY_OBJECT) return;
  size_t items = 1;
  for (int at = 0; at < dimensions; ++at) items *= (size_t)array->dimensions[at];
  for (size_t at = 0; at < items; ++at) add_edge(edges, ((PyObject**)(void*)array->data)[at]);
}

/* Private to Modules/arraymodule.c. */
typedef struct {
  PyObject_VAR_HEAD char* items;
  Py_ssize_t allocated;
  struct {
    char typecode;
    int item_bytes;
  } * about;
  PyObject* weakrefs;
  Py_ssize_t exports;
} Array;

void leakscope_add_array(PyObject* object, leakscope_edges* edges) {
  Array* array = (Array*)object;
  if (array->allocated > 0)
    add_body(edges, array->items, (size_t)array->allocated * (size_t)array->about->item_bytes);
}

/* C structures of Modules/_datetimemodule.c: only with a time zone is there room for one. */
void leakscope_add_time_zone(const leakscope_layout* layout, PyObject* object, leakscope_edges* edges) {
  const int is_time = strcmp(layout->base->tp_name, "datetime.time") == 0;
  if (((char*)object)[sizeof(PyObject) + sizeof(Py_hash_t)] == 0) return;
  add_edge(edges,
           reference_at(object, is_time ? 4 * (Py_ssize_t)sizeof(void*) : 5 * (Py_ssize_t)sizeof(void*)));
}

/* Private to Modules/_functoolsmodule.c: a ring of links through the cache itself, which is the first of them. */
typedef struct CacheLink {
  PyObject_HEAD struct CacheLink *previous, *next;
  Py_hash_t hash;
  PyObject *key, *result;
} CacheLink;
typedef struct {
  CacheLink ring;
  void* call;
  int typed;
  PyObject* cache;
  Py_ssize_t hits;
  PyObject* function;
  Py_ssize_t most;
} Cache;

/* The ring counts its links, and tp_traverse visits what is in them, not them. */
void leakscope_add_cache_links(PyObject* object, leakscope_edges* edges) {
  Cache* cache = (Cache*)object;
  if (cache->cache == NULL || !PyDict_Check(cache->cache)) return;
  Py_ssize_t left = ((PyDictObject*)cache->cache)->ma_used;
  for (CacheLink* link = cache->ring.next; link != NULL && link != &cache->ring && left > 0;
       --left, link = link->next)
    add_edge(edges, (PyObject*)link);
}

/* ---- what they say of themselves ---- */

Py_ssize_t leakscope_exports(const leakscope_layout* layout, PyObject* object) {
  /* Private structures of Modules/mmapmodule.c and Modules/_io/bytesio.c. */
  typedef struct {
    PyObject_HEAD char* data;
    Py_ssize_t size, position, offset, exports;
  } Mapping;
  typedef struct {
    PyObject_HEAD PyObject* buffer;
    Py_ssize_t position, string_size;
    PyObject *dict, *weakrefs;
    Py_ssize_t exports;
  } BytesIO;
  switch (layout->tail) {
    case TAIL_BYTEARRAY:
      return ((PyByteArrayObject*)object)->ob_exports;
    case TAIL_ARRAY:
      return ((Array*)object)->exports;
    case TAIL_MMAP:
      return ((Mapping*)object)->exports;
    case TAIL_BYTESIO:
      return ((BytesIO*)object)->exports;
    case TAIL_MEMORYVIEW:
      return ((PyMemoryViewObject*)object)->exports;
    default:
      return 0;
  }
}

/* An item is taken for as large as the smallest step: of what steps over items rather too much is said. */
static Py_ssize_t seen_by_array(const NumpyArray* array) {
  if (array->base == NULL || (array->flags & NUMPY_OWNS_DATA) != 0) return -1;
  if (array->dimension_count <= 0 || array->dimension_count > NUMPY_MOST_DIMENSIONS) return 0;
  Py_ssize_t items = 1, step = PY_SSIZE_T_MAX;
  for (int at = 0; at < array->dimension_count; ++at) {
    const Py_ssize_t stride = array->strides[at] < 0 ? -array->strides[at] : array->strides[at];
    if (__builtin_mul_overflow(items, array->dimensions[at], &items)) return -1;
    if (stride > 0 && stride < step) step = stride;
  }
  if (step == PY_SSIZE_T_MAX) return 0;
  return __builtin_mul_overflow(items, step, &items) ? -1 : items;
}

Py_ssize_t leakscope_window(const leakscope_layout* layout, PyObject* object) {
  switch (layout->tail) {
    case TAIL_MEMORYVIEW: {
      const PyMemoryViewObject* view = (PyMemoryViewObject*)object;
      return (view->flags & _Py_MEMORYVIEW_RELEASED) == 0 ? view->view.len : -1;
    }
    case TAIL_NDARRAY:
      return seen_by_array((NumpyArray*)object);
    default:
      return -1;
  }
}

Py_ssize_t leakscope_bound(const leakscope_layout* layout, PyObject* object) {
  switch (layout->tail) {
    case TAIL_DEQUE:
      return ((Deque*)object)->most;
    case TAIL_LRU_CACHE:
      return ((Cache*)object)->most;
    default:
      return LEAKSCOPE_NO_BOUND;
  }
}
