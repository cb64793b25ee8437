/* All references an object holds, each as often as it is counted, and the memory it owns out of line. tp_traverse alone
   does not do: it skips what cannot be part of a cycle, and some types have none. */
#include <string.h>

#include "heap_internals.h"

/* ---- what tp_traverse visits ---- */

static int collect(PyObject* referent, void* edges) {
  add_edge((leakscope_edges*)edges, referent);
  return 0;
}

/* Takes one visit of `referent` out of those from `begin` on. Looks at the first few hundred only: named references
   are visited early, and a deque of a million items must not be searched for each. */
static void take_out(leakscope_edges* edges, size_t begin, PyObject* referent) {
  const size_t end = edges->count - begin > 256 ? begin + 256 : edges->count;
  for (size_t at = begin; at < end; ++at) {
    if (edges->referents[at] != referent) continue;
    edges->referents[at] = edges->referents[--edges->count];
    return;
  }
}

static void take_out_in_order(leakscope_edges* edges, size_t begin, PyObject* referent) {
  const size_t end = edges->count - begin > 256 ? begin + 256 : edges->count;
  for (size_t at = begin; at < end; ++at) {
    if (edges->referents[at] != referent) continue;
    memmove(edges->referents + at, edges->referents + at + 1, (edges->count - at - 1) * sizeof(PyObject*));
    --edges->count;
    return;
  }
}

static PyObject* at_offset(PyObject* object, Py_ssize_t offset) {
  return *(PyObject**)(void*)((char*)object + offset);
}

static void add_visited(const leakscope_layout* layout, PyObject* object, leakscope_edges* edges) {
  if (layout->base->tp_traverse == NULL) return;
  const size_t begin = edges->count;
  layout->base->tp_traverse(object, collect, edges);
  void (*take)(leakscope_edges*, size_t, PyObject*) =
      layout->edges == EDGES_ITEMS ? take_out_in_order : take_out;
  if ((layout->base->tp_flags & Py_TPFLAGS_HEAPTYPE) != 0) take(edges, begin, (PyObject*)Py_TYPE(object));
  for (int at = layout->base_fields; at < layout->field_count; ++at) {
    PyObject* value = at_offset(object, layout->fields[at].offset);
    if (value != NULL) take(edges, begin, value);
  }
  if (layout->dict_position >= 0 && layout->base->tp_dictoffset != 0) {
    PyObject* dict = edges->referents[begin - 1];
    if (dict != NULL) take(edges, begin, dict);
  }
}

/* ---- containers ---- */

static void add_dict(PyObject* dict, leakscope_edges* edges) {
  Keys* keys = keys_of(dict);
  PyObject** values = shared_values(dict);
  if (values != NULL) {
    if (!owns_values(dict)) return;
    for (Py_ssize_t at = 0; at < keys->dk_nentries; ++at) add_edge(edges, values[at]);
    add_values_body(edges, values, keys);
    return;
  }
  for (Py_ssize_t at = 0; at < keys->dk_nentries; ++at) {
    PyObject *key, *value;
    entry_at(keys, at, &key, &value);
    if (value == NULL) continue;
    add_edge(edges, key);
    add_edge(edges, value);
  }
  if (!is_empty_table(keys)) add_body(edges, keys, table_bytes(keys));
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
static void add_links(PyObject* object, leakscope_edges* edges) {
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

static void add_set(PyObject* object, leakscope_edges* edges) {
  PySetObject* set = (PySetObject*)object;
  for (Py_ssize_t at = 0; at <= set->mask; ++at) {
    const setentry* entry = &set->table[at];
    if (entry->key != NULL && entry->hash != -1) add_edge(edges, entry->key); /* -1: somebody was removed */
  }
  if (set->table != set->smalltable) add_body(edges, set->table, ((size_t)set->mask + 1) * sizeof(setentry));
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
} Deque;

static void add_deque_blocks(PyObject* object, leakscope_edges* edges) {
  Deque* deque = (Deque*)object;
  Py_ssize_t most = Py_SIZE(object) / BLOCK_ITEMS + 3;
  for (Block* block = deque->left_block; block != NULL && most > 0; block = block->right, --most) {
    add_body(edges, block, sizeof *block);
    if (block == deque->right_block) break;
  }
}

/* ---- leaves with something out of line ---- */

static void add_str(PyObject* object, leakscope_edges* edges) {
  PyASCIIObject* text = (PyASCIIObject*)object;
  PyCompactUnicodeObject* compact = (PyCompactUnicodeObject*)object;
  if (text->state.compact && text->state.ascii) return;
  if (text->state.compact) {
    if (compact->utf8 != NULL) add_body(edges, compact->utf8, (size_t)compact->utf8_length + 1);
    return;
  }
  const void* data = ((PyUnicodeObject*)object)->data.any;
  if (data != NULL) add_body(edges, data, ((size_t)text->length + 1) * text->state.kind);
  if (compact->utf8 != NULL && compact->utf8 != data)
    add_body(edges, compact->utf8, (size_t)compact->utf8_length + 1);
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

static void add_numpy_array(PyObject* object, leakscope_edges* edges) {
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

static void add_array(PyObject* object, leakscope_edges* edges) {
  Array* array = (Array*)object;
  if (array->allocated > 0)
    add_body(edges, array->items, (size_t)array->allocated * (size_t)array->about->item_bytes);
}

static void add_bytearray(PyObject* object, leakscope_edges* edges) {
  PyByteArrayObject* array = (PyByteArrayObject*)object;
#if PY_VERSION_HEX < 0x030F0000 /* a bytes object of its own later */
  if (array->ob_alloc > 0) add_body(edges, array->ob_bytes, (size_t)array->ob_alloc);
#else
  (void)array, (void)edges;
#endif
}

/* C structures of Modules/_datetimemodule.c: only with a time zone is there room for one. */
static void add_time_zone(const leakscope_layout* layout, PyObject* object, leakscope_edges* edges) {
  const int is_time = strcmp(layout->base->tp_name, "datetime.time") == 0;
  if (((char*)object)[sizeof(PyObject) + sizeof(Py_hash_t)] == 0) return;
  add_edge(edges, at_offset(object, is_time ? 4 * (Py_ssize_t)sizeof(void*) : 5 * (Py_ssize_t)sizeof(void*)));
}

/* ---- all of it ---- */

static void add_attributes(PyObject* object, leakscope_edges* edges) {
  PyObject** values = inline_values(object);
  if (values == NULL) return;
  Keys* keys = (Keys*)((PyHeapTypeObject*)Py_TYPE(object))->ht_cached_keys;
  if (keys == NULL) return;
  for (Py_ssize_t at = 0; at < keys->dk_nentries; ++at) add_edge(edges, values[at]);
  if (PY_VERSION_HEX < 0x030D0000) add_values_body(edges, values, keys);
}

/* An empty place for each attribute name, so that what follows keeps its own. */
static void skip_attributes(const leakscope_layout* layout, leakscope_edges* edges) {
  for (int left = leakscope_attribute_count(layout); left > 0; --left) add_edge(edges, NULL);
}

static PyObject* dict_of(const leakscope_layout* layout, PyObject* object) {
  if (layout->managed_dict) return managed_dict(object);
  Py_ssize_t offset = layout->dict_offset;
  if (offset < 0) {
    const Py_ssize_t items = Py_SIZE(object);
    offset += (Py_ssize_t)_PyObject_VAR_SIZE(layout->type, items < 0 ? -items : items);
  }
  return at_offset(object, offset);
}

static void add_tail(const leakscope_layout* layout, PyObject* object, leakscope_edges* edges) {
  switch (layout->tail) {
    case TAIL_NOTHING:
    case TAIL_BYTES:
    case TAIL_INT:
    case TAIL_MMAP:
      break;
    case TAIL_LIST: {
      PyListObject* list = (PyListObject*)object;
      for (Py_ssize_t at = 0; at < Py_SIZE(object); ++at) add_edge(edges, list->ob_item[at]);
      if (list->allocated > 0) add_body(edges, list->ob_item, (size_t)list->allocated * sizeof(PyObject*));
      break;
    }
    case TAIL_TUPLE:
      for (Py_ssize_t at = 0; at < Py_SIZE(object); ++at) add_edge(edges, PyTuple_GET_ITEM(object, at));
      break;
    case TAIL_ORDERED_DICT:
      add_dict(object, edges);
      add_links(object, edges);
      break;
    case TAIL_DICT:
      add_dict(object, edges);
      break;
    case TAIL_SET:
      add_set(object, edges);
      break;
    case TAIL_STR:
      add_str(object, edges);
      break;
    case TAIL_BYTEARRAY:
      add_bytearray(object, edges);
      break;
    case TAIL_TYPE:
      leakscope_add_type(object, edges);
      break;
    case TAIL_CODE:
      leakscope_add_code(object, edges);
      break;
    case TAIL_GENERATOR:
      leakscope_add_generator(object, edges);
      break;
    case TAIL_FRAME:
      leakscope_add_frame(object, edges);
      break;
    case TAIL_DATETIME:
      add_time_zone(layout, object, edges);
      break;
    case TAIL_NDARRAY:
      add_numpy_array(object, edges);
      break;
    case TAIL_ARRAY:
      add_array(object, edges);
      break;
    case TAIL_DEQUE:
      add_deque_blocks(object, edges);
      add_visited(layout, object, edges);
      break;
    case TAIL_TRAVERSE:
    case TAIL_BYTESIO:
    case TAIL_MEMORYVIEW:
      add_visited(layout, object, edges);
      break;
  }
}

void leakscope_enumerate(const leakscope_layout* layout, PyObject* object, leakscope_edges* edges) {
  edges->count = edges->body_count = 0;
  edges->failed = 0;
  for (int at = 0; at < layout->field_count; ++at)
    add_edge(edges, at_offset(object, layout->fields[at].offset));
  if (layout->managed_dict || layout->dict_offset != 0) add_edge(edges, dict_of(layout, object));
  if (layout->managed_dict) {
    const size_t before = edges->count;
    add_attributes(object, edges);
    if (edges->count == before && layout->tail != TAIL_NOTHING) skip_attributes(layout, edges);
  }
  add_tail(layout, object, edges);
}

/* ---- names and counts ---- */

int leakscope_attribute_count(const leakscope_layout* layout) {
#if PY_VERSION_HEX >= 0x030B0000
  if (!layout->managed_dict || (layout->type->tp_flags & Py_TPFLAGS_HEAPTYPE) == 0) return 0;
  const Keys* keys = (Keys*)((PyHeapTypeObject*)layout->type)->ht_cached_keys;
  return keys == NULL ? 0 : (int)keys->dk_nentries;
#else
  (void)layout;
  return 0;
#endif
}

PyObject* leakscope_attribute_name(const leakscope_layout* layout, int index) {
  return leakscope_key(((PyHeapTypeObject*)layout->type)->ht_cached_keys, index);
}

void* leakscope_shared_keys(PyObject* dict) {
  return shared_values(dict) != NULL ? keys_of(dict) : NULL;
}

Py_ssize_t leakscope_key_count(void* keys) {
  return ((Keys*)keys)->dk_nentries;
}

PyObject* leakscope_key(void* keys, Py_ssize_t index) {
  PyObject *key, *value;
  entry_at((Keys*)keys, index, &key, &value);
  return key;
}

Py_ssize_t leakscope_entry_count(PyObject* dict) {
  return keys_of(dict)->dk_nentries;
}

PyObject* leakscope_entry_key(PyObject* dict, Py_ssize_t index) {
  return leakscope_key(keys_of(dict), index);
}

PyObject* leakscope_entry_value(PyObject* dict, Py_ssize_t index) {
  if (shared_values(dict) != NULL) return shared_values(dict)[index];
  PyObject *key, *value;
  entry_at(keys_of(dict), index, &key, &value);
  return value;
}

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
