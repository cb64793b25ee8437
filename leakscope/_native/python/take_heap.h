// When the object graph is taken inside the program: on request, at exit, and when the parent wishes for it.
#pragma once

#include <cstdint>

namespace leakscope::python {

// With the interpreter's lock, which it gives up while it waits for an earlier graph to be fetched. The graph goes
// with the request for a dump that the caller makes next; without one the request tells why.
void take_heap_for_request(std::uint64_t timeout_ns);
// The same at the end of the program; from now on the parent's wishes are not heard.
void take_last_heap();

// A wish that the main thread was to fulfil when it comes to it, and has not yet: it is the caller's from now on.
bool take_over_pending_wish() noexcept;
// For a wish that was claimed, from a signal handler: the caller answers for the heap being at rest.
void freeze_for_wish() noexcept;

// Begins to hear the parent's wishes.
void await_heap_wishes() noexcept;

}  // namespace leakscope::python
