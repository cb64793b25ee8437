#include "ledger_reader.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "../platform/prim.h"
#include "elf_symbols.h"
#include "pointer_scan.h"
#include "pool_reader.h"

namespace leakscope {
namespace {

// A quarter of a second, at most.
constexpr std::uint64_t most_scanned_bytes = 256u << 20;
// From here on malloc may give a block a mapping of its own, and all blocks are recorded.
constexpr std::uint64_t large_bytes = 64u << 10;

std::uint32_t bounded(std::uint32_t count, std::uint32_t limit) {
  return count < limit ? count : limit;
}

// The same for tables whose row 0 is always there.
std::uint32_t rows_of(std::uint32_t count, std::uint32_t limit) {
  return count == 0 ? 1 : bounded(count, limit);
}

// Of numbers that are not negative: a scribbled one makes the sum large, not undefined.
std::int64_t sum_of(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? std::numeric_limits<std::int64_t>::max() : sum;
}

std::int64_t whole(double bytes) {
  return bytes < 0x1p63 ? static_cast<std::int64_t>(bytes) : std::numeric_limits<std::int64_t>::max();
}

std::int64_t difference(std::uint64_t from, std::uint64_t what) {
  const auto result = static_cast<std::int64_t>(from - what);
  return result > 0 ? result : 0;  // a reader may catch the two halves of an update
}

int age_class(double age_s) {
  constexpr double limits[age_classes - 1] = {1.0, 10.0, 60.0, 600.0};
  int at = 0;
  while (at < age_classes - 1 && age_s >= limits[at]) ++at;
  return at;
}

constexpr double per_block = 1.0 / static_cast<double>(one_block);

}  // namespace

std::uint32_t LedgerReader::node_count() const noexcept {
  return rows_of(ledger_.header().node_count.load(std::memory_order_acquire),
                 capacity<Node>(ledger_.sections().nodes));
}
std::uint32_t LedgerReader::frame_count() const noexcept {
  return rows_of(ledger_.header().frame_count.load(std::memory_order_acquire),
                 capacity<Frame>(ledger_.sections().frames));
}
std::uint32_t LedgerReader::string_count() const noexcept {
  return rows_of(ledger_.header().string_count.load(std::memory_order_acquire),
                 capacity<std::uint64_t>(ledger_.sections().string_index));
}
std::uint32_t LedgerReader::thread_count() const noexcept {
  return bounded(ledger_.header().thread_count.load(std::memory_order_acquire), other_threads);
}

std::string_view LedgerReader::string_at(StringId id) const noexcept {
  if (id == 0 || id >= string_count()) return {};
  const std::uint64_t word = ledger_.string_index()[id];
  const std::uint64_t offset = word & ((std::uint64_t{1} << 40) - 1), length = word >> 40;
  const std::uint64_t room = ledger_.sections().string_bytes.bytes;
  if (offset > room || length > room - offset) return {};
  return {ledger_.string_bytes() + offset, length};
}

double LedgerReader::elapsed_seconds() const noexcept {
  const Header& header = ledger_.header();
  if (header.phase.load() != Phase::recording) return 0.0;
  const std::uint64_t now = prim::coarse_ns();
  // Signed, for a beginning before the machine's own, as tests draw it, and for one later than now, as strangers do.
  const auto since_ns = static_cast<std::int64_t>(now - header.began_monotonic_ns);
  return since_ns > 0 ? static_cast<double>(since_ns) * 1e-9 : 0.0;
}

std::vector<NamedTotal> LedgerReader::totals() const {
  const Header& header = ledger_.header();
  std::vector<NamedTotal> out;
  const auto add = [&out](std::string name, std::uint64_t value) {
    out.push_back({std::move(name), static_cast<std::int64_t>(value)});
  };
  DomainTotals sum{};
  std::int64_t live_bytes = 0, live_blocks = 0;
  for (int domain = 0; domain < domain_count; ++domain) {
    DomainTotals one{};
    for (const auto& set : header.totals) {
      one.alloc_bytes += set[domain].alloc_bytes;
      one.alloc_blocks += set[domain].alloc_blocks;
      one.free_bytes += set[domain].free_bytes;
      one.free_blocks += set[domain].free_blocks;
    }
    const std::int64_t bytes = difference(one.alloc_bytes, one.free_bytes);
    const std::int64_t blocks =
        difference(one.alloc_blocks, one.free_blocks) / static_cast<std::int64_t>(one_block);
    out.push_back({std::string("live_bytes.") + domain_names[domain], bytes});
    out.push_back({std::string("live_blocks.") + domain_names[domain], blocks});
    live_bytes = sum_of(live_bytes, bytes);
    live_blocks += blocks;
    sum.alloc_bytes += one.alloc_bytes;
    sum.alloc_blocks += one.alloc_blocks;
    sum.free_bytes += one.free_bytes;
    sum.free_blocks += one.free_blocks;
  }
  out.push_back({"live_bytes", live_bytes});
  out.push_back({"live_blocks", live_blocks});
  add("alloc_bytes", sum.alloc_bytes);
  add("alloc_blocks", sum.alloc_blocks / one_block);
  add("free_bytes", sum.free_bytes);
  add("free_blocks", sum.free_blocks / one_block);
  add("foreign_frees", header.foreign_blocks.load() / one_block);
  add("arena_count", header.live_arenas.load());
  add("arena_bytes", header.arena_bytes.load());
  add("mapping_count", header.live_mappings.load());
  add("mapping_bytes", header.mapping_bytes.load());
  add("large_mapping_count", header.large_mappings.load());
  std::uint64_t alive = 0;
  for (std::uint32_t at = 0; at < thread_count(); ++at) alive += ledger_.threads()[at].ended == 0;
  add("threads", thread_count() + header.reused_threads.load());
  add("threads_alive", alive);
  add("stacks", node_count());
  return out;
}

std::vector<StackRow> LedgerReader::stacks(std::int64_t at_least_bytes, std::size_t most, bool ages) const {
  std::vector<StackRow> rows;
  const std::uint32_t count = node_count();
  for (StackId stack = 0; stack < count; ++stack) {
    const Counters sum = counters(stack);
    const std::int64_t bytes = difference(sum.alloc_bytes, sum.free_bytes);
    const std::int64_t blocks = difference(sum.alloc_blocks, sum.free_blocks);
    if ((bytes == 0 && blocks == 0) || bytes < at_least_bytes) continue;
    rows.push_back({stack,
                    bytes,
                    static_cast<double>(blocks) * per_block,
                    static_cast<double>(sum.alloc_blocks) * per_block,
                    {}});
  }
  most = std::min(most, rows.size());
  std::partial_sort(rows.begin(), rows.begin() + static_cast<std::ptrdiff_t>(most), rows.end(),
                    [](const StackRow& a, const StackRow& b) { return a.live_bytes > b.live_bytes; });
  rows.resize(most);
  if (ages) add_ages(rows);
  return rows;
}

void LedgerReader::add_ages(std::vector<StackRow>& rows) const {
  std::vector<std::uint32_t> row_by_stack(node_count(), 0);
  for (std::uint32_t at = 0; at < rows.size(); ++at) row_by_stack[rows[at].stack] = at + 1;
  const double now_s = elapsed_seconds();
  for_each_block([&](const Block& block) {
    if (block.stack >= row_by_stack.size() || row_by_stack[block.stack] == 0) return;
    StackRow& row = rows[row_by_stack[block.stack] - 1];
    std::int64_t& bytes = row.age_bytes[age_class(now_s - block.born_s)];
    bytes = sum_of(bytes, whole(block.weight));
  });
}

Counters LedgerReader::counters(StackId stack) const noexcept {
  Counters sum{};
  for (int set = 0; set < 2; ++set) {
    const Counters& one = ledger_.counters(set)[stack];
    sum.alloc_blocks += one.alloc_blocks;
    sum.alloc_bytes += one.alloc_bytes;
    sum.free_blocks += one.free_blocks;
    sum.free_bytes += one.free_bytes;
    sum.foreign_blocks += one.foreign_blocks;
  }
  return sum;
}

std::vector<LedgerReader::PlainFrame> LedgerReader::path_of(StackId stack) const {
  std::vector<PlainFrame> path;
  const std::uint32_t frames = frame_count();
  // A parent comes before its children: a scribbled one ends the walk, not us.
  for (stack = checked_stack(stack); stack != 0;) {
    const Node& node = ledger_.nodes()[stack];
    if (node.frame != 0 && node.frame < frames) {
      const Frame& frame = ledger_.frames()[node.frame];
      path.push_back({string_at(frame.function), string_at(frame.file), frame.line,
                      frame.kind == FrameKind::native, frame.offset});
    }
    stack = node.parent < stack ? node.parent : 0;
  }
  return path;
}

std::string LedgerReader::thread_name(ThreadIndex thread) const {
  if (thread >= thread_count()) return {};
  const ThreadRow& row = ledger_.threads()[thread];
  return std::string(row.name, std::find(row.name, row.name + sizeof row.name, '\0'));
}

DumpColumns LedgerReader::dump(std::uint32_t process) {
  DumpColumns out;
  std::vector<std::string> extra;  // strings that the ledger does not hold: symbols, thread names
  ThreadRows threads(ledger_);
  // Blocks first: what came later than these is not referred to.
  std::vector<std::uint32_t> of_blocks = add_blocks(out, threads, process),
                             of_chunks = add_chunks(out, threads);
  const auto text = [this](StringId id) { return std::string(string_at(id)); };
  PoolReader pools(ledger_, sections_, threads, node_count(), text);
  const bool buffers = ledger_.header().config.buffers != 0;
  std::vector<std::uint32_t> of_views;
  if (buffers) of_views = add_views(out, threads);
  threads.finish();
  threads.resolve(of_blocks);
  threads.resolve(of_chunks);
  threads.resolve(of_views);
  pools.resolve(threads);
  out.add("live.thread", "u4", std::move(of_blocks));
  out.add("chunk.thread", "u4", std::move(of_chunks));
  if (buffers) {
    out.add("view.thread", "u4", std::move(of_views));
    add_buffer_counters(out);
  }
  add_work(out);
  // Each table refers to the next one, and all of them grow meanwhile.
  add_stacks(out);
  const std::uint32_t frames = frame_count(), strings = string_count();
  add_threads(out, threads, strings, extra);
  add_frames(out, frames, strings, extra);
  pools.add(out, strings, extra);
  add_strings(out, strings, extra);
  return out;
}

void LedgerReader::add_strings(DumpColumns& out, std::uint32_t strings,
                               const std::vector<std::string>& extra) const {
  std::vector<std::uint64_t> offset{0};
  std::vector<char> bytes;
  const auto append = [&](std::string_view text) {
    bytes.insert(bytes.end(), text.begin(), text.end());
    offset.push_back(bytes.size());
  };
  for (StringId id = 0; id < strings; ++id) append(string_at(id));
  for (const std::string& text : extra) append(text);
  out.add("string.offset", "u8", std::move(offset));
  out.add("string.bytes", "u1", std::move(bytes));
}

void LedgerReader::add_frames(DumpColumns& out, std::uint32_t count, std::uint32_t strings,
                              std::vector<std::string>& extra) {
  std::vector<std::uint32_t> function(count), file(count);
  std::vector<std::int32_t> line(count);
  std::vector<std::uint8_t> kind(count);
  std::vector<std::uint64_t> offset(count);
  std::map<std::string, std::vector<std::uint64_t>> unknown;
  for (FrameId id = 1; id < count; ++id) {
    const Frame& frame = ledger_.frames()[id];
    function[id] = frame.function < strings ? frame.function : 0;
    file[id] = frame.file < strings ? frame.file : 0;
    line[id] = frame.line;
    kind[id] = frame.kind == FrameKind::native ? 1 : 0;
    offset[id] = frame.offset;
    if (kind[id] == 0) continue;
    const std::string path(string_at(file[id]));
    if (!path.empty() && !symbols_[path].contains(frame.offset)) unknown[path].push_back(frame.offset);
  }
  for (const auto& [path, offsets] : unknown) {
    const std::vector<std::string> names = symbols(path.c_str(), offsets);
    for (std::size_t at = 0; at < offsets.size(); ++at)
      symbols_[path][offsets[at]] = at < names.size() ? names[at] : std::string();
  }
  std::map<std::string, std::uint32_t> ids;
  for (FrameId id = 1; id < count; ++id) {
    if (kind[id] == 0) continue;
    const std::string& name = symbols_[std::string(string_at(file[id]))][offset[id]];
    if (name.empty()) continue;
    const auto [found, fresh] = ids.try_emplace(name, strings + static_cast<std::uint32_t>(extra.size()));
    if (fresh) extra.push_back(name);
    function[id] = found->second;
  }
  out.add("frame.function", "u4", std::move(function));
  out.add("frame.file", "u4", std::move(file));
  out.add("frame.line", "i4", std::move(line));
  out.add("frame.kind", "u1", std::move(kind));
  out.add("frame.offset", "u8", std::move(offset));
}

void LedgerReader::add_stacks(DumpColumns& out) const {
  const std::uint32_t count = node_count(), frames = frame_count();
  std::vector<std::uint32_t> parent(count), frame(count);
  std::vector<double> columns[5];
  for (auto& column : columns) column.resize(count);
  for (StackId id = 0; id < count; ++id) {
    const Node& node = ledger_.nodes()[id];
    parent[id] = id != 0 && node.parent < id ? node.parent : 0;
    frame[id] = node.frame < frames ? node.frame : 0;
    const Counters sum = counters(id);
    columns[0][id] = static_cast<double>(sum.alloc_blocks) * per_block;
    columns[1][id] = static_cast<double>(sum.alloc_bytes);
    columns[2][id] = static_cast<double>(sum.free_blocks) * per_block;
    columns[3][id] = static_cast<double>(sum.free_bytes);
    columns[4][id] = static_cast<double>(sum.foreign_blocks) * per_block;
  }
  out.add("stack.parent", "u4", std::move(parent));
  out.add("stack.frame", "u4", std::move(frame));
  const char* const names[5] = {"stack.alloc_blocks", "stack.alloc_bytes", "stack.free_blocks",
                                "stack.free_bytes", "stack.foreign_blocks"};
  for (int at = 0; at < 5; ++at) out.add(names[at], "f8", std::move(columns[at]));
}

void LedgerReader::add_threads(DumpColumns& out, const ThreadRows& threads, std::uint32_t strings,
                               std::vector<std::string>& extra) const {
  std::vector<std::uint32_t> name;
  std::vector<std::uint64_t> native_id;
  std::vector<double> started, ended;
  for (std::uint32_t at = 0; at < threads.rows().size(); ++at) {
    const ThreadRow& row = threads.rows()[at];
    const char* end = std::find(row.name, row.name + sizeof row.name, '\0');
    std::string text = at == threads.nameless() ? "(other threads)" : std::string(row.name, end);
    name.push_back(text.empty() ? 0 : strings + static_cast<std::uint32_t>(extra.size()));
    if (!text.empty()) extra.push_back(std::move(text));
    native_id.push_back(row.native_id);
    started.push_back(row.started * moment_seconds);
    ended.push_back(row.ended == 0 ? std::numeric_limits<double>::quiet_NaN() : row.ended * moment_seconds);
  }
  out.add("thread.name", "u4", std::move(name));
  out.add("thread.native_id", "u8", std::move(native_id));
  out.add("thread.started_s", "f8", std::move(started));
  out.add("thread.ended_s", "f8", std::move(ended));
}

std::vector<std::uint32_t> LedgerReader::add_blocks(DumpColumns& out, const ThreadRows& threads,
                                                    std::uint32_t process) const {
  std::vector<std::uint64_t> address, size;
  std::vector<double> weight;
  std::vector<std::uint32_t> stack, thread;
  std::vector<std::uint8_t> domain, objects;
  std::vector<float> born;
  std::vector<Span> large;
  for_each_block([&](const Block& block) {
    const Span span{block.address, block.address + block.size};
    if (block.size >= large_bytes && block.domain != Domain::mapping && span.begin < span.end)
      large.push_back(span);
    objects.push_back(block.domain == Domain::obj);
    address.push_back(block.address);
    size.push_back(block.size);
    weight.push_back(block.weight);
    stack.push_back(block.stack);
    thread.push_back(threads.token(block.thread));
    domain.push_back(static_cast<std::uint8_t>(block.domain));
    born.push_back(static_cast<float>(block.born_s));
  });
  std::vector<std::uint8_t> pointed;
  if (process != 0) pointed = pointed_blocks(process, address, size, objects, large, most_scanned_bytes);
  pointed.resize(address.size());  // unknown
  out.add("live.pointed", "u1", std::move(pointed));
  out.add("live.address", "u8", std::move(address));
  out.add("live.size", "u8", std::move(size));
  out.add("live.weight", "f8", std::move(weight));
  out.add("live.stack", "u4", std::move(stack));
  out.add("live.domain", "u1", std::move(domain));
  out.add("live.born_s", "f4", std::move(born));
  return thread;
}

std::vector<std::uint32_t> LedgerReader::add_chunks(DumpColumns& out, const ThreadRows& threads) const {
  const Header& header = ledger_.header();
  const std::uint32_t high =
      bounded(header.chunk_high.load(), capacity<ChunkRow>(ledger_.sections().chunk_rows));
  std::vector<std::uint64_t> address, size;
  std::vector<std::uint8_t> kind;
  std::vector<std::uint32_t> stack, thread;
  std::vector<float> born;
  for (std::uint32_t at = 0; at < high; ++at) {
    const ChunkRow row = ledger_.chunk_rows()[at];
    if (row.address == 0 || static_cast<int>(row.kind) >= chunk_kind_count) continue;
    address.push_back(row.address);
    size.push_back(row.size);
    kind.push_back(static_cast<std::uint8_t>(row.kind));
    stack.push_back(checked_stack(row.stack));
    thread.push_back(threads.token(row.thread));
    born.push_back(static_cast<float>(row.born * moment_seconds));
  }
  out.add("chunk.address", "u8", std::move(address));
  out.add("chunk.size", "u8", std::move(size));
  out.add("chunk.kind", "u1", std::move(kind));
  out.add("chunk.stack", "u4", std::move(stack));
  out.add("chunk.born_s", "f4", std::move(born));
  for (const char* name : chunk_measures)
    out.add(std::string("chunk.") + name, "f8", std::vector<double>(thread.size(), not_measured));
  out.add("chunk.label", "u4", std::vector<std::uint32_t>(thread.size(), 0));
  return thread;
}

}  // namespace leakscope
