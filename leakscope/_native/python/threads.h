// The names that Python gives its threads, learnt where threads are started.
#pragma once

namespace leakscope::python {

// With the interpreter's lock.
void watch_thread_starts() noexcept;

}  // namespace leakscope::python
