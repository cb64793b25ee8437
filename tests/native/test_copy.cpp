// A copy of this very process: it does its work beside us, tells of its end, and nobody else notices.
#include <doctest/doctest.h>
#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include "copy.h"

namespace {

using namespace leakscope;  // NOLINT: a test's subject

// Seen by the copy and by us.
struct Shared {
  std::atomic<int> worked, died_of, value;
};

struct Fixture {
  Shared* shared =
      static_cast<Shared*>(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  Fixture() { shared->died_of = -1; }
  Fixture(const Fixture&) = delete;
  Fixture& operator=(const Fixture&) = delete;
  ~Fixture() { ::munmap(shared, 4096); }

  int start(void (*work)(void*) noexcept, int limit_s = 60) const {
    return prim::start_copy({work, died, shared, limit_s, 5});
  }
  // The signal it died of, once it has ended.
  static int end_of(int pid) {
    int signal = -1;
    while (!prim::copy_ended(pid, signal)) ::usleep(1000);
    return signal;
  }
  static void died(void* context, int signal) noexcept { static_cast<Shared*>(context)->died_of = signal; }
};

void work(void* context) noexcept {
  static_cast<Shared*>(context)->worked = 1;
}

int private_value = 1;

std::atomic<int> handled{0};
void handler(int) {
  handled += 1;
}

}  // namespace

TEST_CASE("a copy works on its own memory, ends, and leaves us as we are") {
  const Fixture f;
  errno = 77;
  const int pid = f.start([](void* context) noexcept {
    private_value += static_cast<Shared*>(context)->value + 1;
    static_cast<Shared*>(context)->worked = private_value;
  });
  CHECK(errno == 77);
  REQUIRE(pid > 0);
  CHECK(Fixture::end_of(pid) == 0);
  CHECK(f.shared->worked == 2);
  CHECK(private_value == 1);
  CHECK(f.shared->died_of == -1);
}

TEST_CASE("our waits never see a copy, and its end sends no signal") {
  const Fixture f;
  ::signal(SIGCHLD, handler);
  const int pid = f.start(work);
  REQUIRE(pid > 0);
  while (f.shared->worked == 0) ::usleep(1000);
  CHECK(::waitpid(-1, nullptr, 0) == -1);
  CHECK(errno == ECHILD);
  CHECK(Fixture::end_of(pid) == 0);
  CHECK(handled == 0);
  ::signal(SIGCHLD, SIG_DFL);
}

TEST_CASE("a copy that dies of a fault tells which, past any handler of ours") {
  for (const int fault : {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL}) {
    CAPTURE(fault);
    const Fixture f;
    f.shared->value = fault;
    const auto before = ::signal(fault, handler);
    const int pid = f.start([](void* context) noexcept { ::raise(static_cast<Shared*>(context)->value); });
    REQUIRE(pid > 0);
    Fixture::end_of(pid);
    ::signal(fault, before);
    CHECK(f.shared->died_of == fault);
    CHECK(handled == 0);
  }
}

TEST_CASE("signals that we block or not go past a copy") {
  const Fixture f;
  const int pid = f.start([](void* context) noexcept {
    ::raise(SIGTERM);
    ::raise(SIGINT);
    work(context);
  });
  CHECK(Fixture::end_of(pid) == 0);
  CHECK(f.shared->worked == 1);
  sigset_t now;
  ::sigprocmask(SIG_SETMASK, nullptr, &now);
  CHECK(sigismember(&now, SIGTERM) == 0);
}

TEST_CASE("a copy that takes too long gives up") {
  const Fixture f;
  const int pid = f.start(
      [](void*) noexcept {
        for (;;) ::usleep(1000);
      },
      1);
  REQUIRE(pid > 0);
  int signal = -1;
  CHECK_FALSE(prim::copy_ended(pid, signal));
  Fixture::end_of(pid);
  CHECK(f.shared->died_of == 0);
}

TEST_CASE("a copy that is killed is known to be") {
  const Fixture f;
  const int pid = f.start([](void*) noexcept {
    for (;;) ::usleep(1000);
  });
  REQUIRE(pid > 0);
  ::kill(pid, SIGKILL);
  CHECK(Fixture::end_of(pid) == SIGKILL);
  CHECK(f.shared->died_of == -1);
}

TEST_CASE("files are shared with a copy, so that what we close is closed") {
  const Fixture f;
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const int pid = f.start([](void* context) noexcept {
    static_cast<Shared*>(context)->worked = 1;
    while (static_cast<Shared*>(context)->value == 0) ::usleep(1000);
  });
  while (f.shared->worked == 0) ::usleep(1000);
  ::close(ends[1]);
  char byte;
  CHECK(::read(ends[0], &byte, 1) == 0);
  f.shared->value = 1;
  CHECK(Fixture::end_of(pid) == 0);
  ::close(ends[0]);
}
