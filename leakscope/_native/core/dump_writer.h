// Writes a complete .lks file or nothing. It knows columns as names, dtypes and bytes; it refuses to know what they
// mean, and it never leaves half a file behind under any name.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace leakscope {

struct Column {
  std::string name;   // 1 to 39 printable ASCII characters, unique in the file
  const char* dtype;  // "u1" "u4" "i4" "u8" "i8" "f4" "f8"
  const void* data;   // count items; may be null if count is 0
  std::uint64_t count;
};

enum class WriteStatus {
  ok,          // the file is complete, on disk, under its name
  bad_column,  // the caller's mistake: a name, dtype, pointer or count that cannot be written; nothing was tried
  disk_full,  // no space or no quota left (ENOSPC, EDQUOT); the temporary file is gone again
  failed,     // any other refusal of the system; see the errno; the temporary file is gone again
  no_memory,  // not even the buffer could be had; the temporary file is gone again
};

struct WriteResult {
  WriteStatus status = WriteStatus::ok;
  int error = 0;            // errno where the system refused, else 0
  std::uint64_t bytes = 0;  // length of the written file
  std::string text;         // one line without a full stop; empty if ok
};

// "ok", "bad-column", "disk-full", "write", "no-memory".
[[nodiscard]] const char* slug(WriteStatus status) noexcept;

// Writes the columns in order to `path`, replacing what is there in one step: PATH.tmp.PID first (mode 0600, same
// folder), then fsync, then rename. Each byte is copied once before it is checksummed and written, so memory that
// changes meanwhile gives a torn column at worst, never a damaged file. Cost: one pass, 1 MiB of memory.
// A limit on file size (EFBIG) arrives as the signal SIGXFSZ unless the process ignores it, as CPython does.
[[nodiscard]] WriteResult write_dump_file(const char* path, std::span<const Column> columns) noexcept;

}  // namespace leakscope
