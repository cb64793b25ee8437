// The pools of a dump, as read out of a ledger. Trusts no index and no name in it; a row that is being written is read again,
// and left out if it never is whole.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dump_columns.h"
#include "ledger.h"
#include "pool_rows.h"
#include "thread_rows.h"

namespace leakscope {

class PoolReader {
 public:
  // Reads all rows; what they say of threads are tokens until resolve().
  // `string_at` gives the ledger's strings.
  PoolReader(Ledger ledger, const Sections& sections, const ThreadRows& threads, std::uint32_t stacks,
             const std::function<std::string(StringId)>& string_at);
  void resolve(ThreadRows& threads);
  // Columns of the four tables. Names are added to `extra`, which come after `strings` others.
  void add(DumpColumns& out, std::uint32_t strings, std::vector<std::string>& extra);

 private:
  void read_pools(Ledger ledger);
  void read_handles(Ledger ledger, const Sections& sections, const ThreadRows& threads);
  bool is_there(HandleRow& row);
  void read_touches(const HandleRow& row, const ThreadRows& threads);
  void read_crosses(Ledger ledger, const Sections& sections, const ThreadRows& threads);
  void add_pools(DumpColumns& out, std::uint32_t strings, std::vector<std::string>& extra) const;
  void add_handles(DumpColumns& out);
  void add_touches(DumpColumns& out);
  void add_crosses(DumpColumns& out);
  // One that was opened after the pools were read is left out, with its handles.
  bool is_known(std::uint16_t pool) const noexcept {
    return pool < pool_at_.size() && pool_at_[pool] != ~std::uint32_t{0};
  }
  std::uint32_t checked(StackId stack) const noexcept { return stack < stacks_ ? stack : 0; }

  std::uint32_t stacks_;
  std::function<std::string(StringId)> string_at_;
  std::vector<PoolRow> pools_;
  std::vector<std::uint32_t> pool_at_;  // by row of the ledger: row of the dump
  std::vector<HandleRow> handles_;
  std::vector<TouchRow> touches_;
  std::vector<std::uint32_t> touch_handle_;
  std::vector<CrossRow> crosses_;
  std::vector<std::uint32_t> of_handles_, of_touches_, acquired_by_, released_by_;  // rows of threads
};

}  // namespace leakscope
