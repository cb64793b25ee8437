// The one signal that is ours while nobody else wants it.
#pragma once

#include <signal.h>

namespace leakscope::hook {

// `handler` has just been set for `number`. From now on whoever asks about that signal is told that nobody handles it,
// and whoever sets it has it: the parent sends it no more.
void keep_wake_signal(int number, const struct sigaction& handler) noexcept;

}  // namespace leakscope::hook
