#include "collection.h"

#include "breadth_first.h"
#include "scratch.h"

// The collector takes every tracked object outside the permanent generation, subtracts from its reference count what
// these objects refer to among themselves (`subtract_refs`), and keeps what is left with a count above 0 and all that
// it reaches (`move_unreachable`). Objects that are untracked, frozen or immortal are not asked: what they refer to is
// simply not subtracted, and is kept.
//
// Where the columns and the interpreter may differ:
// * The collector asks `tp_traverse`. The columns hold every counted reference the walker knows, some of which a type
//   does not show its collector. Such a reference from one tracked object to another is subtracted here and not there,
//   so a cycle through it is found here and is not freed there: the result may be larger, and what is larger in it is a
//   cycle that leaks.
// * A reference the walker does not know is not subtracted: the result may be smaller, as the collector's would be.
// * More references than the count says cannot be. The count was read at another moment, or the file is damaged: such
//   an object is kept, since it is better to miss garbage than to invent it.

namespace leakscope {
namespace {

// Reference count less the references from collected objects, for those that are collected.
void subtract_references(const Graph& graph, const std::uint8_t* collected, std::uint32_t* left) noexcept {
  const std::size_t last = graph.targets.size();
  for (std::uint32_t object = 0; object < graph.count(); ++object) {
    if (collected[object] == 0) continue;
    for (std::size_t at = graph.begin(object); at < graph.end(object); ++at) {
      if (at + ahead < last) __builtin_prefetch(&left[graph.targets[at + ahead]], 1);
      --left[graph.targets[at]];  // wraps below 0, which is "not 0": kept
    }
  }
}

}  // namespace

ReadError collectable(const Graph& graph, std::span<const std::uint32_t> refcount,
                      std::span<const std::uint8_t> flags, std::span<std::uint8_t> mask) noexcept {
  const std::uint32_t count = graph.offsets.empty() ? 0 : graph.count();
  ReadError error = check_graph(graph);
  if (error.status == ReadStatus::ok) error = check_length(refcount.size(), count, "refcount");
  if (error.status == ReadStatus::ok) error = check_length(flags.size(), count, "flags");
  if (error.status == ReadStatus::ok) error = check_length(mask.size(), count, "mask");
  if (error.status != ReadStatus::ok) return error;
  Scratch<std::uint32_t> left(count);
  if (!left) return no_memory();
  for (std::uint32_t object = 0; object < count; ++object) {
    const bool collected =
        (flags[object] & (flag_tracked | flag_frozen)) == flag_tracked && refcount[object] != 0;
    mask[object] = collected ? 1 : 0;
    left[object] = refcount[object];
  }
  subtract_references(graph, mask.data(), left.get());
  // The counts are needed no more than once, and the queue fills behind where they are read.
  std::uint32_t* const queue = left.get();
  std::uint32_t kept = 0;
  for (std::uint32_t object = 0; object < count; ++object) {
    if (mask[object] == 0 || left[object] == 0) continue;
    mask[object] = 0;
    queue[kept++] = object;
  }
  spread(
      graph, queue, 0, kept, mask.data(), 1, [&](std::uint32_t target) { return mask[target] != 0; },
      [&](std::uint32_t target, std::uint32_t) { mask[target] = 0; });
  return {};
}

}  // namespace leakscope
