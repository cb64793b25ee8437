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
  const int managed = has_managed_dict(layout->base);
  if (layout->dict_position < 0 || (layout->base->tp_dictoffset == 0 && !managed)) return;
  const size_t dict_at = (size_t)layout->dict_position;
  const size_t last = managed ? dict_at + (size_t)leakscope_attribute_count(layout) : dict_at;
  for (size_t at = dict_at; at <= last && at < begin; ++at)
    if (edges->referents[at] != NULL) take(edges, begin, edges->referents[at]);
}

/* A cache visits the types of its links, which the links hold. */
static void add_cache(const leakscope_layout* layout, PyObject* object, leakscope_edges* edges) {
  const size_t begin = edges->count;
  add_visited(layout, object, edges);
  const size_t visited = edges->count;
  leakscope_add_cache_links(object, edges);
  if (edges->count == visited) return;
  PyObject* link_type = (PyObject*)Py_TYPE(edges->referents[visited]);
  size_t kept = begin;
  for (size_t at = begin; at < edges->count; ++at)
    if (edges->referents[at] != link_type) edges->referents[kept++] = edges->referents[at];
  edges->count = kept;
}

/* ---- containers ---- */

/* The table of interned strings: its references to those that can die are not counted. */
static int is_interned_table(PyObject* dict) {
#if PY_VERSION_HEX >= 0x030C0000
  return leakscope_walked != NULL && dict == leakscope_walked->cached_objects.interned_strings;
#else
  (void)dict;
  return 0;
#endif
}

static void add_dict(PyObject* dict, leakscope_edges* edges) {
  Keys* keys = keys_of(dict);
  const int counted = !is_interned_table(dict);
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
    if (value == NULL || (!counted && !leakscope_is_immortal(key))) continue;
    add_edge(edges, key);
    add_edge(edges, value);
  }
  if (!is_empty_table(keys)) add_body(edges, keys, table_bytes(keys));
}

static void add_set(PyObject* object, leakscope_edges* edges) {
  PySetObject* set = (PySetObject*)object;
  for (Py_ssize_t at = 0; at <= set->mask; ++at) {
    const setentry* entry = &set->table[at];
    if (entry->key != NULL && entry->hash != -1) add_edge(edges, entry->key); /* -1: somebody was removed */
  }
  if (set->table != set->smalltable) add_body(edges, set->table, ((size_t)set->mask + 1) * sizeof(setentry));
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

static void add_bytearray(PyObject* object, leakscope_edges* edges) {
  PyByteArrayObject* array = (PyByteArrayObject*)object;
#if PY_VERSION_HEX < 0x030F0000 /* a bytes object of its own later */
  if (array->ob_alloc > 0) add_body(edges, array->ob_bytes, (size_t)array->ob_alloc);
#else
  (void)array, (void)edges;
#endif
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
      leakscope_add_links(object, edges);
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
      leakscope_add_time_zone(layout, object, edges);
      break;
    case TAIL_NDARRAY:
      leakscope_add_numpy_array(object, edges);
      break;
    case TAIL_ARRAY:
      leakscope_add_array(object, edges);
      break;
    case TAIL_DEQUE:
      leakscope_add_deque_blocks(object, edges);
      add_visited(layout, object, edges);
      break;
    case TAIL_LRU_CACHE:
      add_cache(layout, object, edges);
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
