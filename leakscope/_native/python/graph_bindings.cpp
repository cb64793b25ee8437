// Conversions only, for leakscope/kernels.py, which allocates what is filled here and sees to the items' types. The
// kernels check all lengths and ids themselves, and run without the interpreter's lock.

#include "graph_bindings.h"

#include <span>
#include <vector>

#include "../core/breadth_first.h"
#include "../core/collection.h"
#include "../core/components.h"
#include "../core/dominators.h"
#include "../core/edge_places.h"
#include "../core/graph.h"
#include "../core/object_stream.h"
#include "buffer.h"
#include "ledger_type.h"

namespace leakscope::python {
namespace {

using U1 = std::uint8_t;
using U4 = std::uint32_t;
using U8 = std::uint64_t;

template <class Kernel>
ReadError without_lock(Kernel kernel) {
  ReadError error;
  Py_BEGIN_ALLOW_THREADS error = kernel();
  Py_END_ALLOW_THREADS return error;
}

PyObject* raise(const ReadError& error) {
  return raise_core_error(slug(error.status), error.text.c_str(), error.offset);
}

PyObject* none_or_error(const ReadError& error) {
  return error.status == ReadStatus::ok ? Py_NewRef(Py_None) : raise(error);
}

PyObject* number_or_error(const ReadError& error, U4 number) {
  return error.status == ReadStatus::ok ? PyLong_FromUnsignedLong(number) : raise(error);
}

PyObject* decode_objects_of(PyObject*, PyObject* arguments) {
  Buffer stream, offset, address, edges, bodies, size, owns_type, type_object, out[11];
  unsigned threads = 1;
  if (!PyArg_ParseTuple(arguments, "(y*y*y*y*y*)(y*y*y*)(w*w*w*w*w*w*w*w*w*w*w*)I", stream.view(),
                        offset.view(), address.view(), edges.view(), bodies.view(), size.view(),
                        owns_type.view(), type_object.view(), out[0].view(), out[1].view(), out[2].view(),
                        out[3].view(), out[4].view(), out[5].view(), out[6].view(), out[7].view(),
                        out[8].view(), out[9].view(), out[10].view(), &threads))
    return nullptr;
  const EncodedObjects encoded{stream.items<U1>(), offset.items<U8>(), address.items<U8>(), edges.items<U8>(),
                               bodies.items<U8>()};
  const Shapes shapes{size.items<U4>(), owns_type.items<U1>(), type_object.items<U4>()};
  const ObjectColumns columns{out[0].filled<U8>(), out[1].filled<U4>(), out[2].filled<U1>(),
                              out[3].filled<U4>(), out[4].filled<U8>(), out[5].filled<U4>(),
                              out[6].filled<U8>(), out[7].filled<U4>(), out[8].filled<U4>(),
                              out[9].filled<U8>(), out[10].filled<U8>()};
  return none_or_error(without_lock([&] { return decode_objects(encoded, shapes, columns, threads); }));
}

PyObject* stored_edges_of(PyObject*, PyObject* arguments) {
  Buffer stream, offset;
  U4 object = 0;
  if (!PyArg_ParseTuple(arguments, "y*y*I", stream.view(), offset.view(), &object)) return nullptr;
  std::vector<U4> edges;
  const ReadError error =
      without_lock([&] { return stored_edges(stream.items<U1>(), offset.items<U8>(), object, edges); });
  if (error.status != ReadStatus::ok) return raise(error);
  PyObject* list = PyList_New(static_cast<Py_ssize_t>(edges.size()));
  for (std::size_t at = 0; list != nullptr && at < edges.size(); ++at) {
    PyObject* item = PyLong_FromLongLong(edges[at] == no_object ? -1 : static_cast<long long>(edges[at]));
    if (item == nullptr) {
      Py_CLEAR(list);
    } else {
      PyList_SET_ITEM(list, static_cast<Py_ssize_t>(at), item);
    }
  }
  return list;
}

PyObject* edge_places_of(PyObject*, PyObject* arguments) {
  Buffer stream, offset, objects, places;
  if (!PyArg_ParseTuple(arguments, "y*y*y*w*", stream.view(), offset.view(), objects.view(), places.view()))
    return nullptr;
  return none_or_error(without_lock([&] {
    return edge_places(stream.items<U1>(), offset.items<U8>(), objects.items<U4>(), places.filled<U4>());
  }));
}

PyObject* reverse_of(PyObject*, PyObject* arguments) {
  Buffer offsets, targets, in_offsets, in_targets;
  if (!PyArg_ParseTuple(arguments, "y*y*w*w*", offsets.view(), targets.view(), in_offsets.view(),
                        in_targets.view()))
    return nullptr;
  const Graph graph{offsets.items<U8>(), targets.items<U4>()};
  return none_or_error(
      without_lock([&] { return reverse(graph, in_offsets.filled<U8>(), in_targets.filled<U4>()); }));
}

PyObject* in_counts_of(PyObject*, PyObject* arguments) {
  Buffer targets, counts;
  if (!PyArg_ParseTuple(arguments, "y*w*", targets.view(), counts.view())) return nullptr;
  return none_or_error(without_lock([&] { return in_counts(targets.items<U4>(), counts.filled<U4>()); }));
}

PyObject* dominators_of(PyObject*, PyObject* arguments) {
  Buffer offsets, targets, roots, idom, order;
  if (!PyArg_ParseTuple(arguments, "y*y*y*w*w*", offsets.view(), targets.view(), roots.view(), idom.view(),
                        order.view()))
    return nullptr;
  const Graph graph{offsets.items<U8>(), targets.items<U4>()};
  U4 reached = 0;
  const ReadError error = without_lock(
      [&] { return dominators(graph, roots.items<U4>(), idom.filled<U4>(), order.filled<U4>(), reached); });
  return number_or_error(error, reached);
}

PyObject* retained_of(PyObject*, PyObject* arguments) {
  Buffer idom, order, size, sums;
  if (!PyArg_ParseTuple(arguments, "y*y*y*w*", idom.view(), order.view(), size.view(), sums.view()))
    return nullptr;
  return none_or_error(without_lock(
      [&] { return retained(idom.items<U4>(), order.items<U4>(), size.items<U8>(), sums.filled<U8>()); }));
}

PyObject* components_of(PyObject*, PyObject* arguments) {
  Buffer offsets, targets, component;
  if (!PyArg_ParseTuple(arguments, "y*y*w*", offsets.view(), targets.view(), component.view()))
    return nullptr;
  const Graph graph{offsets.items<U8>(), targets.items<U4>()};
  U4 count = 0;
  const ReadError error = without_lock([&] { return components(graph, component.filled<U4>(), count); });
  return number_or_error(error, count);
}

PyObject* distances_of(PyObject*, PyObject* arguments) {
  Buffer offsets, targets, roots, stages, parent, distance, stage;
  if (!PyArg_ParseTuple(arguments, "y*y*y*y*w*w*w*", offsets.view(), targets.view(), roots.view(),
                        stages.view(), parent.view(), distance.view(), stage.view()))
    return nullptr;
  const Graph graph{offsets.items<U8>(), targets.items<U4>()};
  const Ways ways{parent.filled<U4>(), distance.filled<U4>(), stage.filled<U1>()};
  return none_or_error(
      without_lock([&] { return distances(graph, roots.items<U4>(), stages.items<U8>(), ways); }));
}

PyObject* reachable_of(PyObject*, PyObject* arguments) {
  Buffer offsets, targets, roots, avoid, mask;
  if (!PyArg_ParseTuple(arguments, "y*y*y*y*w*", offsets.view(), targets.view(), roots.view(), avoid.view(),
                        mask.view()))
    return nullptr;
  const Graph graph{offsets.items<U8>(), targets.items<U4>()};
  return none_or_error(without_lock(
      [&] { return reachable(graph, roots.items<U4>(), avoid.items<U1>(), mask.filled<U1>()); }));
}

PyObject* collectable_of(PyObject*, PyObject* arguments) {
  Buffer refcount, flags, offsets, targets, mask;
  if (!PyArg_ParseTuple(arguments, "y*y*y*y*w*", refcount.view(), flags.view(), offsets.view(),
                        targets.view(), mask.view()))
    return nullptr;
  const Graph graph{offsets.items<U8>(), targets.items<U4>()};
  return none_or_error(without_lock(
      [&] { return collectable(graph, refcount.items<U4>(), flags.items<U1>(), mask.filled<U1>()); }));
}

PyMethodDef functions[] = {{"decode_objects", decode_objects_of, METH_VARARGS, nullptr},
                           {"stored_edges", stored_edges_of, METH_VARARGS, nullptr},
                           {"edge_places", edge_places_of, METH_VARARGS, nullptr},
                           {"reverse", reverse_of, METH_VARARGS, nullptr},
                           {"in_counts", in_counts_of, METH_VARARGS, nullptr},
                           {"dominators", dominators_of, METH_VARARGS, nullptr},
                           {"retained", retained_of, METH_VARARGS, nullptr},
                           {"components", components_of, METH_VARARGS, nullptr},
                           {"distances", distances_of, METH_VARARGS, nullptr},
                           {"reachable", reachable_of, METH_VARARGS, nullptr},
                           {"collectable", collectable_of, METH_VARARGS, nullptr},
                           {nullptr, nullptr, 0, nullptr}};

}  // namespace

int add_graph_functions(PyObject* module) {
  return PyModule_AddFunctions(module, functions);
}

}  // namespace leakscope::python
