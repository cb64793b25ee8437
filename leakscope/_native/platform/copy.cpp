#include "copy.h"

#ifdef __linux__
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstddef>

namespace leakscope::prim {
namespace {

constexpr int fatal_signals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGTRAP};
constexpr std::size_t alternate_stack_bytes = 64 * 1024;

// The copy's alone: set after it was made.
CopyWork current;
long program = 0;
int seconds = 0;

[[noreturn]] void end(int code) noexcept {
  for (;;) syscall(SYS_exit_group, code);
}

void on_fatal_signal(int number) {
  current.died(current.context, number);
  end(1);
}

void on_second(int) {
  if (syscall(SYS_getppid) != program) end(1);
  if (++seconds < current.limit_s) return;
  current.died(current.context, 0);
  end(1);
}

void set_handler(int number, void (*handler)(int), unsigned flags) noexcept {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = static_cast<int>(flags);
  sigfillset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

// Faults are told, in whatever state the stack is; a fault while telling is the end, without a core file.
void set_handlers() noexcept {
  const long stack = syscall(SYS_mmap, nullptr, alternate_stack_bytes, PROT_READ | PROT_WRITE,
                             MAP_PRIVATE | MAP_ANONYMOUS, -1, 0L);
  stack_t alternate{};
  alternate.ss_sp = reinterpret_cast<void*>(stack);
  alternate.ss_size = alternate_stack_bytes;
  const unsigned on_stack =
      stack != -1 && syscall(SYS_sigaltstack, &alternate, nullptr) == 0 ? SA_ONSTACK : 0;
  for (const int number : fatal_signals) set_handler(number, on_fatal_signal, on_stack | SA_RESETHAND);
  set_handler(SIGALRM, on_second, on_stack | SA_RESTART);
  sigset_t blocked;
  sigfillset(&blocked);
  for (const int number : fatal_signals) sigdelset(&blocked, number);
  sigdelset(&blocked, SIGALRM);
  sigprocmask(SIG_SETMASK, &blocked, nullptr);
}

void be_modest() noexcept {
  // One byte is the kernel's word for "no core file, and none for a program that takes them through a pipe".
  rlimit core{1, 1};
  if (syscall(SYS_prlimit64, 0, RLIMIT_CORE, &core, nullptr) != 0) {
    core = {0, 0};
    syscall(SYS_prlimit64, 0, RLIMIT_CORE, &core, nullptr);
  }
  // A copy of a thread with a real-time policy must not keep a processor to itself.
  sched_param usual{};
  syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, &usual);
  errno = 0;
  const long now = 20 - syscall(SYS_getpriority, PRIO_PROCESS, 0);  // the system call answers 1 to 40
  syscall(SYS_setpriority, PRIO_PROCESS, 0, now + current.nice);
}

[[noreturn]] void live(const CopyWork& work, long parent) noexcept {
  current = work;
  program = parent;
  seconds = 0;
  set_handlers();
  be_modest();
  itimerval each_second{{1, 0}, {1, 0}};
  syscall(SYS_setitimer, ITIMER_REAL, &each_second, nullptr);
  if (syscall(SYS_getppid) != program) end(1);
  current.work(current.context);
  end(0);
}

}  // namespace

int start_copy(const CopyWork& work) noexcept {
  const int error = errno;
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const long parent = syscall(SYS_getpid);
  // No signal at its end: whoever waits for children without asking for such does not see it. Handlers of fork, which
  // belong to the program and its libraries, do not run.
  const long pid = syscall(SYS_clone, CLONE_FILES, nullptr, nullptr, nullptr, nullptr);
  if (pid == 0) live(work, parent);
  const int why = errno;
  sigprocmask(SIG_SETMASK, &before, nullptr);
  errno = pid < 0 ? why : error;
  return static_cast<int>(pid);
}

bool copy_ended(int pid, int& signal) noexcept {
  const int error = errno;
  int status = 0;
  const long got = syscall(SYS_wait4, pid, &status, WNOHANG | __WALL, nullptr);
  const bool gone = got < 0 && errno == ECHILD;
  errno = error;
  if (got != pid && !gone) return false;
  signal = got == pid && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  return true;
}

}  // namespace leakscope::prim
#else
#include <errno.h>

namespace leakscope::prim {

int start_copy(const CopyWork&) noexcept {
  errno = ENOSYS;
  return -1;
}

bool copy_ended(int, int& signal) noexcept {
  signal = 0;
  return true;
}

}  // namespace leakscope::prim
#endif
