// The threads of a dump. While a dump is read, a row of the ledger may go from a thread that holds nothing any more to
// a new one, so rows are read before the blocks and after them, and each block says which of the two it meant: by the
// generation of its row when the block was read. Knows rows; trusts no index and no name in them.
#pragma once

#include <map>
#include <vector>

#include "ledger.h"

namespace leakscope {

class ThreadRows {
 public:
  // Reads the rows as they are before any block.
  explicit ThreadRows(Ledger ledger);

  // What a block that is read now and names `thread` stands for until rows_of() tells its row.
  std::uint32_t token(ThreadIndex thread) const noexcept;
  // Reads the rows again: all blocks have been read.
  void finish();
  // Makes rows of the dump out of tokens.
  void resolve(std::vector<std::uint32_t>& tokens);

  // The dump's rows: those of the ledger, then what else was needed: threads whose rows others have by now, and one row
  // for all whose names are not known. Complete when all tokens are resolved.
  const std::vector<ThreadRow>& rows() const noexcept { return rows_; }
  // Which of them stands for the threads whose names are not known; past the end if there is none.
  std::uint32_t nameless() const noexcept { return nameless_; }

 private:
  static constexpr int index_bits = 14;
  static constexpr std::uint32_t most_generations = (1u << (32 - index_bits)) - 1;

  std::uint32_t count() const noexcept;
  ThreadRow row_now(std::uint32_t at) const noexcept;
  std::uint32_t generation_before(std::uint32_t at) const noexcept;
  std::uint32_t row_of(std::uint32_t token);
  std::uint32_t nameless_row();

  Ledger ledger_;
  std::vector<ThreadRow> before_, rows_;
  std::uint32_t known_ = 0;  // rows of the ledger
  std::uint32_t nameless_ = 0;
  std::map<std::uint32_t, std::uint32_t> earlier_;  // by index: where the dump has the thread from before
};

}  // namespace leakscope
