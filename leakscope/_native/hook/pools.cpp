#include "pools.h"

#include "hook.h"

namespace leakscope::hook {

PoolAnswer pool_event(const PoolNews& news, int skip, Locking locking) noexcept {
  if (!recording()) return PoolAnswer::nothing;
  PoolBooks& books = recorder.pools();
  if (news.event != PoolEvent::acquired && !books.knows(news.handle)) return PoolAnswer::nothing;
  ThreadState& thread = thread_state;
  StackId stack = 0;
  if (!begin_note(thread, stack, locking)) return PoolAnswer::nothing;
  const Node* nodes = recorder.ledger().nodes();
  for (; skip > 0 && stack != 0; --skip) stack = nodes[stack].parent;
  const bool fault = books.happened(news, stack, thread.thread, recorder.now());
  end_note(thread);
  return fault ? PoolAnswer::fault : PoolAnswer::recorded;
}

}  // namespace leakscope::hook

// What leakscope._core finds by name inside a recorded program.
extern "C" {
__attribute__((visibility("default"))) int leakscope_pool_open(const char* name, const char* source,
                                                               int kind) {
  using namespace leakscope;
  if (!hook::recording()) return -1;
  const std::uint32_t pool = hook::recorder.pools().open(name, source, static_cast<std::uint8_t>(kind));
  return pool < pool_limit ? static_cast<int>(pool) : -1;
}

__attribute__((visibility("default"))) int leakscope_pool_event(const leakscope::PoolNews* news, int skip) {
  return static_cast<int>(leakscope::hook::pool_event(*news, skip, leakscope::Locking::interpreter));
}

__attribute__((visibility("default"))) void leakscope_pool_observed(unsigned int pool,
                                                                    unsigned long long held,
                                                                    unsigned long long used,
                                                                    unsigned long long peak,
                                                                    unsigned int chunks) {
  using namespace leakscope;
  if (hook::recording()) hook::recorder.pools().observed(pool, held, used, peak, chunks);
}
}
