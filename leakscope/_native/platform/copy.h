// A copy of this process, frozen as it is at the call, that does one piece of work beside the program and ends. The
// program's own waits never see it, its exit handlers and signal handlers never run in it, and when it dies of what
// it does, that is told and harms nobody.
#pragma once

namespace leakscope::prim {

struct CopyWork {
  // In the copy. Only system calls, and memory mapped afresh: other threads' locks stay as they were.
  void (*work)(void* context) noexcept;
  // In the copy, on a stack of its own: `work` has hit this fatal signal; 0: the time is up.
  void (*died)(void* context, int signal) noexcept;
  void* context;
  int limit_s;
  int nice;  // added to the program's own
};

// Makes the copy. Its process id, or -1 with errno; errno is left alone otherwise. Open files are shared with it, not
// copied: what the program closes is closed. The copy ends at once if the program does.
int start_copy(const CopyWork& work) noexcept;

// Has the copy ended? Then it is reaped, and `signal` is what it died of, or 0. Never waits.
bool copy_ended(int pid, int& signal) noexcept;

}  // namespace leakscope::prim
