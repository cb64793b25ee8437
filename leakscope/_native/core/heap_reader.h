// The object graph as the parent takes it out of the ledger: how far it is, and its columns once they have been
// checked. Nothing in the area is trusted or read twice: a dump with a graph can be read back, or has none.
#pragma once

#include <cstdint>
#include <string>

#include "heap_columns.h"
#include "ledger_reader.h"

namespace leakscope {

struct HeapFacts : HeapCounts {
  HeapWish wish;
  HeapOwner owner;
  std::uint32_t state;
  bool frozen, in_child, values, collector_enabled, request;
  std::uint32_t garbage, copy, wake_signal;
  double taken_s, pause_s, walk_s, cpu_s;
  std::int32_t thresholds[3], counts[3];
  std::string problem;          // of the walk that failed
  std::string request_problem;  // why a request comes without a graph
};

class HeapReader {
 public:
  // `fd` is the ledger's file: columns may lie only where it has memory.
  HeapReader(Ledger ledger, int fd)
      : sections_(ledger.sections()), ledger_(&ledger.header(), sections_), fd_(fd) {}
  HeapReader(const HeapReader&) = delete;
  HeapReader& operator=(const HeapReader&) = delete;

  HeapFacts facts() const;

  // Tells the program that a graph is wanted.
  void wish() noexcept;
  // Takes that back. False if a thread of the program has heard it already: the area is still to be emptied.
  bool withdraw() noexcept;

  // Adds the columns of a complete area to `out`; empty, or what is wrong with them, and `out` is as it was. The stream
  // of objects stays where it is, so it must be written before the area is emptied. `counts` is what facts() gave. Cost: one pass over the others.
  std::string add_columns(const HeapCounts& counts, DumpColumns& out) const;

  // Gives the area's memory back, and the area to whoever takes it next.
  void empty() noexcept;

 private:
  Sections sections_;  // a copy: the program can scribble over its own
  Ledger ledger_;
  int fd_;
};

}  // namespace leakscope
