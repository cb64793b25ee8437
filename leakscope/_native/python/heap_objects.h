/* What an object refers to and owns, read where it lies. C, since the interpreter's internal headers of 3.10 to 3.12 do
   not compile as C++. Nothing in here allocates, takes a lock, touches a reference count or runs code of the program
   except its types' tp_traverse. */
#ifndef LEAKSCOPE_HEAP_OBJECTS_H
#define LEAKSCOPE_HEAP_OBJECTS_H

#define Py_BUILD_CORE 1
#include <Python.h>

#ifdef __cplusplus
extern "C" {
#endif

/* How the part of an object that its built-in base lays out is read. */
enum leakscope_tail {
  TAIL_NOTHING,  /* a leaf: no references besides named ones */
  TAIL_TRAVERSE, /* whatever tp_traverse visits and no name accounts for */
  TAIL_LIST,
  TAIL_TUPLE,
  TAIL_DICT,
  TAIL_ORDERED_DICT,
  TAIL_SET,
  TAIL_STR,
  TAIL_BYTES,
  TAIL_INT,
  TAIL_BYTEARRAY,
  TAIL_TYPE,
  TAIL_CODE,
  TAIL_GENERATOR,
  TAIL_FRAME,
  TAIL_DATETIME,
  TAIL_NDARRAY,
  TAIL_ARRAY,
  TAIL_DEQUE,
  TAIL_LRU_CACHE,
  TAIL_BYTESIO,
  TAIL_MMAP,
  TAIL_MEMORYVIEW,
};

/* How edges after the named ones are labelled; the values of column shape.kind. */
enum leakscope_edge_kind {
  EDGES_OTHER,
  EDGES_ITEMS,
  EDGES_PAIRS,
  EDGES_MEMBERS,
  EDGES_NAMESPACE,
  EDGES_STACK
};

enum { LEAKSCOPE_MOST_FIELDS = 96, LEAKSCOPE_NO_POSITION = -1, LEAKSCOPE_NO_BOUND = -1 };

/* A reference that lies at the same place in all instances. */
typedef struct {
  Py_ssize_t offset;
  const char* name;
} leakscope_field;

/* What all instances of a type have in common. */
typedef struct {
  PyTypeObject* type;
  PyTypeObject* base; /* the first one up the chain that no class statement made */
  enum leakscope_tail tail;
  enum leakscope_edge_kind edges;
  int owns_type;          /* instances hold a counted reference to their type */
  int managed_dict;       /* attributes in a place of the interpreter's own */
  Py_ssize_t dict_offset; /* or in a dict there; 0: none */
  int dict_position;      /* of the edge to `__dict__`, or LEAKSCOPE_NO_POSITION */
  int namespace_position; /* of an edge to a dict whose keys are names */
  Py_ssize_t lead;        /* bytes from the start of the memory block to the object */
  Py_ssize_t fixed_size;  /* of the block, lead included; 0: varies */
  int base_fields;        /* from here on the fields are the base's, which its tp_traverse visits too */
  int field_count;
  leakscope_field* fields;
} leakscope_layout;

typedef struct {
  const void* address;
  size_t bytes;
} leakscope_body;

/* Room for one object's edges and bodies; grown by its owner. */
typedef struct leakscope_edges {
  PyObject** referents; /* NULL: nothing there */
  size_t count, room;
  leakscope_body* bodies;
  size_t body_count, body_room;
  int (*grow)(struct leakscope_edges*); /* makes room for more; 0 if there is none */
  int failed;
} leakscope_edges;

/* Before the first use, with the interpreter's lock held: finds out what cannot be asked for later. */
void leakscope_prepare_heap(void);

/* The interpreter whose lock is held, else the main one; all that follows is about it. */
PyInterpreterState* leakscope_choose_interpreter(void);

/* `room` is for LEAKSCOPE_MOST_FIELDS fields, of which `field_count` were filled. */
void leakscope_describe(leakscope_layout* layout, PyTypeObject* type, leakscope_field* room);

/* All counted references of the object but the one to its type, named ones first, and the memory it owns. */
void leakscope_enumerate(const leakscope_layout* layout, PyObject* object, leakscope_edges* edges);

/* Bytes of the object's own block, lead included. */
size_t leakscope_block_size(const leakscope_layout* layout, PyObject* object);
/* The same for an object whose type says otherwise than its instances: type objects made by C code. */
Py_ssize_t leakscope_lead(const leakscope_layout* layout, PyObject* object);

/* Names that instances share beyond the fields: attributes in inline values (keys of the type). */
int leakscope_attribute_count(const leakscope_layout* layout);
PyObject* leakscope_attribute_name(const leakscope_layout* layout, int index);

/* Keys of a dict that does not own them (values stored apart): the table they are in, or NULL. */
void* leakscope_shared_keys(PyObject* dict);
Py_ssize_t leakscope_key_count(void* keys);
PyObject* leakscope_key(void* keys, Py_ssize_t index);
/* The i-th key of a dict's table, NULL if that place is empty. */
Py_ssize_t leakscope_entry_count(PyObject* dict);
PyObject* leakscope_entry_key(PyObject* dict, Py_ssize_t index);
PyObject* leakscope_entry_value(PyObject* dict, Py_ssize_t index);

/* Of a generator, coroutine or frame object with locals of its own: its code, else NULL. */
PyCodeObject* leakscope_code_of(const leakscope_layout* layout, PyObject* object);
PyObject* leakscope_code_name(PyCodeObject* code);
int leakscope_local_count(PyCodeObject* code);
PyObject* leakscope_local_name(PyCodeObject* code, int index);
/* Names of what the tail begins with, before locals; ends with NULL. */
const char* const* leakscope_tail_names(enum leakscope_tail tail);

/* Buffers handed out and not given back, by the exporter's own count; 0 for others. */
Py_ssize_t leakscope_exports(const leakscope_layout* layout, PyObject* object);

/* How many items a container keeps at most, by its own word: a cache's maxsize, a deque's maxlen. */
Py_ssize_t leakscope_bound(const leakscope_layout* layout, PyObject* object);

/* Bytes of the memory of another object that this one looks at: a memoryview, an array over a base; -1 for others. */
Py_ssize_t leakscope_window(const leakscope_layout* layout, PyObject* object);

/* Of an int of at most 60 bits; 0 if it is none. */
int leakscope_small_int(PyObject* object, long long* value);

int leakscope_is_immortal(PyObject* object);
int leakscope_is_tracked(const leakscope_layout* layout, PyObject* object);
int leakscope_has_finalizer(PyTypeObject* type);

/* What lies outside of objects: the interpreter, its threads and their frames. */
typedef struct leakscope_roots {
  /* One reference. `name` and `text` (a str) are alternatives. */
  void (*root)(struct leakscope_roots*, int kind, PyObject* object, const char* name, PyObject* text,
               int counted);
  /* Roots until the next frame belong to this one. code NULL: none any more. */
  void (*frame)(struct leakscope_roots*, unsigned long native_id, PyCodeObject* code, int line, int depth);
} leakscope_roots;
enum { ROOT_MODULE, ROOT_LOCAL, ROOT_FRAME, ROOT_INTERPRETER, ROOT_STATIC_TYPE, ROOT_THREAD, ROOT_OTHER };
void leakscope_visit_roots(PyInterpreterState* interpreter, leakscope_roots* roots);

/* Who has the lock of the main interpreter. Asked from a signal handler. */
enum leakscope_lock { LOCK_OF_NOBODY, LOCK_OF_THIS_THREAD, LOCK_OF_OTHERS };
enum leakscope_lock leakscope_who_has_lock(void);
/* In a copy of the process: has the lock from now on, in the name of any thread, unless somebody has it. */
void leakscope_adopt_thread(void);

/* Every object that the collector knows; frozen ones are in its permanent generation. */
void leakscope_visit_tracked(PyInterpreterState* interpreter,
                             void (*visit)(void* context, PyObject* object, int frozen), void* context);
typedef struct {
  int enabled, thresholds[3], counts[3], garbage;
} leakscope_collector;
void leakscope_describe_collector(PyInterpreterState* interpreter, leakscope_collector* collector);

#ifdef __cplusplus
}
#endif

#endif
