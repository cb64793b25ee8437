// The walk over all objects that one interpreter can reach, into finished columns of an area of shared memory.
#pragma once

#include <cstdint>

#include "../core/heap_area.h"

namespace leakscope::python {

struct WalkOptions {
  bool values;  // texts of dict keys and of small values, too
  // The system's number of a thread that is known by its pthread_self only, as in 3.10; may be null.
  std::uint64_t (*native_id_of)(std::uint64_t pthread) = nullptr;
};

// Fills columns, objects, edges, bodies and what is known of the collector; nullptr, or the reason why there is no
// graph. Called with the interpreter's lock held, or in a clone of the process that was made while it was held: it
// takes memory by fresh mappings only, calls nothing that allocates, and may die of what it reads.
const char* walk_heap(HeapArea& area, std::uint64_t area_bytes, const WalkOptions& options) noexcept;

}  // namespace leakscope::python
