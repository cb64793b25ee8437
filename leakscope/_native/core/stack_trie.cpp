#include "stack_trie.h"

#include <cstring>

namespace leakscope {
namespace {

std::uint64_t hash_bytes(std::string_view text) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return mixed(hash);
}

std::uint64_t hash_frame(const Frame& f) noexcept {
  const std::uint64_t names = (std::uint64_t{f.function} << 32) | f.file;
  const std::uint64_t place = (static_cast<std::uint64_t>(f.line) << 8) ^ static_cast<std::uint64_t>(f.kind);
  return mixed(names ^ mixed(place ^ mixed(f.offset)));
}

std::uint64_t hash_node(const Node& n) noexcept {
  return mixed((std::uint64_t{n.parent} << 32) | n.frame);
}

// A string's index word: length above, offset into the string section below.
constexpr int length_shift = 40;

}  // namespace

std::string_view StackTrie::string_at(StringId id) const noexcept {
  const std::uint64_t word = ledger_.string_index()[id];
  return {ledger_.string_bytes() + (word & ((std::uint64_t{1} << length_shift) - 1)), word >> length_shift};
}

StringId StackTrie::string(std::string_view text) noexcept {
  if (text.empty()) return 0;
  if (text.size() > 4096) text = text.substr(0, 4096);
  Header& header = ledger_.header();
  const std::uint64_t hash = hash_bytes(text);
  SpinGuard guard(lock_);
  if (const auto found = strings_.find(hash, [&](std::uint32_t id) { return string_at(id) == text; }))
    return found;
  const std::uint32_t id = header.string_count.load(std::memory_order_relaxed);
  const std::uint64_t offset = header.string_used.load(std::memory_order_relaxed);
  if (id >= capacity<std::uint64_t>(header.string_index) ||
      offset + text.size() > header.string_bytes.bytes ||
      !strings_.insert(hash, id, [&](std::uint32_t row) { return hash_bytes(string_at(row)); })) {
    header.dropped_stacks.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  std::memcpy(ledger_.string_bytes() + offset, text.data(), text.size());
  ledger_.string_index()[id] = (std::uint64_t{text.size()} << length_shift) | offset;
  header.string_used.store(offset + text.size(), std::memory_order_relaxed);
  header.string_count.store(id + 1, std::memory_order_release);
  return id;
}

FrameId StackTrie::frame(const Frame& frame) noexcept {
  Header& header = ledger_.header();
  const std::uint64_t hash = hash_frame(frame);
  SpinGuard guard(lock_);
  const auto equals = [&](std::uint32_t id) {
    return std::memcmp(&ledger_.frames()[id], &frame, sizeof frame) == 0;
  };
  if (const auto found = frames_.find(hash, equals)) return found;
  const std::uint32_t id = header.frame_count.load(std::memory_order_relaxed);
  if (id >= capacity<Frame>(header.frames) ||
      !frames_.insert(hash, id, [&](std::uint32_t row) { return hash_frame(ledger_.frames()[row]); })) {
    header.dropped_stacks.fetch_add(1, std::memory_order_relaxed);
    return 0;
  }
  ledger_.frames()[id] = frame;
  header.frame_count.store(id + 1, std::memory_order_release);
  return id;
}

StackId StackTrie::child(StackId parent, FrameId frame) noexcept {
  Header& header = ledger_.header();
  const Node wanted{parent, frame};
  const std::uint64_t hash = hash_node(wanted);
  SpinGuard guard(lock_);
  const auto equals = [&](std::uint32_t id) {
    const Node& node = ledger_.nodes()[id];
    return node.parent == parent && node.frame == frame;
  };
  if (const auto found = nodes_.find(hash, equals)) return found;
  const std::uint32_t id = header.node_count.load(std::memory_order_relaxed);
  if (id >= header.config.max_stacks ||
      !nodes_.insert(hash, id, [&](std::uint32_t row) { return hash_node(ledger_.nodes()[row]); })) {
    header.dropped_stacks.fetch_add(1, std::memory_order_relaxed);
    return parent;
  }
  ledger_.nodes()[id] = wanted;
  header.node_count.store(id + 1, std::memory_order_release);
  return id;
}

}  // namespace leakscope
