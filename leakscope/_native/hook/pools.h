// What the program tells of its pools, on its way into the books: with the stack of the calling thread.
#pragma once

#include <cstdint>

#include "../core/recorder.h"

namespace leakscope::hook {

enum class PoolAnswer : int { nothing = 0, recorded = 1, fault = 2 };

// Something happens to a handle. The innermost `skip` frames are not told: they are those that call us. Cost: for a handle
// that is not known a hash look-up; else the stack, and a few dozen instructions under a lock.
PoolAnswer pool_event(const PoolNews& news, int skip, Locking locking) noexcept;

}  // namespace leakscope::hook
