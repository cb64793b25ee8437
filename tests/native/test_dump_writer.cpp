// The writer when all goes well and when it does not: whatever happens, a name has a whole file or none.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sched.h>
#include <sys/mount.h>
#endif

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <numeric>
#include <string>
#include <vector>

#include "dump_bytes.h"
#include "dump_reader.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

const std::vector<std::uint64_t>& numbers() {  // 4.8 MB: several buffers, and not a whole number of them
  static const std::vector<std::uint64_t> values = [] {
    std::vector<std::uint64_t> made(600'001);
    std::iota(made.begin(), made.end(), 7);
    return made;
  }();
  return values;
}

std::vector<Column> big_columns() {
  return {{"first", "u1", "abc", 3},
          {"numbers", "u8", numbers().data(), numbers().size()},
          {"last", "u1", "x", 1}};
}

WriteResult write_to(const std::string& path, const std::vector<Column>& columns) {
  return write_dump_file(path.c_str(), columns);
}

void put(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

// Runs `test` in a child and gives its exit code, so that limits and mounts do not outlive it. Code 77: not possible
// on this system.
template <class Test>
int in_child(Test test) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(test());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace

TEST_CASE("a file larger than the buffer is whole, private and alone in its folder") {
  const Scratch scratch;
  const std::string path = scratch.path("0001.lks");
  const WriteResult result = write_to(path, big_columns());
  REQUIRE(result.status == WriteStatus::ok);
  CHECK(result.text.empty());
  const std::vector<std::byte> file = bytes_of(path);
  CHECK(result.bytes == file.size());
  CHECK(check_columns(file).status == ReadStatus::ok);
  const ColumnEntry column = read_directory(file).columns.at(1);
  REQUIRE(column.count == numbers().size());
  CHECK(std::memcmp(file.data() + column.offset, numbers().data(), column.length) == 0);
  struct stat status {};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK(scratch.names() == std::vector<std::string>{"0001.lks"});
}

TEST_CASE("every byte count around the buffer's size is written exactly") {
  constexpr std::uint64_t kRoom = (1 << 20) - 64 - 2 * 64;  // the buffer's size less header and directory
  const std::vector<unsigned char> data(kRoom + 400, 0xA5);
  for (const std::uint64_t count :
       {kRoom - 64, kRoom - 1, kRoom, kRoom + 1, kRoom + 191, kRoom + 192, kRoom + 193}) {
    const std::array<Column, 2> columns = {{{"a", "u1", data.data(), count}, {"b", "u1", data.data(), 1}}};
    const std::vector<std::byte> file = written(columns);
    REQUIRE(check_columns(file).status == ReadStatus::ok);
    REQUIRE(read_directory(file).columns.at(0).length == count);
  }
}

TEST_CASE("an older file of the same name is replaced") {
  const Scratch scratch;
  const std::string path = scratch.path("0001.lks");
  put(path, "old");
  REQUIRE(write_to(path, {{"a", "u1", "x", 1}}).status == WriteStatus::ok);
  CHECK(check_columns(bytes_of(path)).status == ReadStatus::ok);
}

TEST_CASE("a name without a folder is written to the working folder") {
  const Scratch scratch;
  const std::string folder = scratch.path("");
  const int code = in_child([&] {
    if (::chdir(folder.c_str()) != 0) return 1;
    return write_to("here.lks", {{"a", "u1", "x", 1}}).status == WriteStatus::ok ? 0 : 2;
  });
  CHECK(code == 0);
  CHECK(scratch.names() == std::vector<std::string>{"here.lks"});
}

TEST_CASE("what a killed process left behind is stepped over and kept") {
  const Scratch scratch;
  const std::string path = scratch.path("0001.lks");
  const std::string left = path + ".tmp." + std::to_string(::getpid());
  put(left, "half");
  REQUIRE(write_to(path, {{"a", "u1", "x", 1}}).status == WriteStatus::ok);
  CHECK(bytes_of(left).size() == 4);
  CHECK(scratch.names().size() == 2);
}

TEST_CASE("a planted link is not followed") {
  const Scratch scratch;
  const std::string path = scratch.path("0001.lks");
  const std::string victim = scratch.path("victim");
  put(victim, "precious");
  REQUIRE(::symlink(victim.c_str(), (path + ".tmp." + std::to_string(::getpid())).c_str()) == 0);
  REQUIRE(write_to(path, {{"a", "u1", "x", 1}}).status == WriteStatus::ok);
  CHECK(bytes_of(victim).size() == 8);
}

TEST_CASE("columns that cannot be written are refused before anything is touched") {
  const Scratch scratch;
  const std::string path = scratch.path("0001.lks");
  const std::uint64_t most = ~std::uint64_t{0};
  const std::vector<std::vector<Column>> bad = {
      {{"", "u1", "x", 1}},
      {{std::string(40, 'x'), "u1", "x", 1}},
      {{"with space", "u1", "x", 1}},
      {{"caf\xC3\xA9", "u1", "x", 1}},
      {{std::string("a\0b", 3), "u1", "x", 1}},
      {{"a", "f2", "x", 1}},
      {{"a", "", "x", 1}},
      {{"a", nullptr, "x", 1}},
      {{"a", "u1", nullptr, 1}},
      {{"a", "u8", "x", most}},
      {{"a", "u8", "x", most / 8 + 2}},
      {{"a", "u1", "x", std::uint64_t{1} << 62}, {"b", "u1", "x", std::uint64_t{1} << 62}},
      {{"a", "u1", "x", 1}, {"b", "u1", "x", 1}, {"a", "u1", "x", 1}},
      std::vector<Column>(4097, Column{"a", "u1", "x", 1}),
  };
  for (std::size_t i = 0; i < bad.size(); ++i) {
    CAPTURE(i);
    const WriteResult result = write_to(path, bad[i]);
    CHECK(result.status == WriteStatus::bad_column);
    CHECK_FALSE(result.text.empty());
    CHECK(scratch.names().empty());
  }
  CHECK(write_to(path, {{std::string(39, 'x'), "u1", "x", 1}}).status == WriteStatus::ok);
}

TEST_CASE("a folder that is not there is a failure with its errno") {
  const Scratch scratch;
  const WriteResult result = write_to(scratch.path("absent/0001.lks"), {});
  CHECK(result.status == WriteStatus::failed);
  CHECK(result.error == ENOENT);
  CHECK(result.text.find("0001.lks: No such file") != std::string::npos);
}

TEST_CASE("a failing rename leaves no temporary file") {
  const Scratch scratch;
  REQUIRE(::mkdir(scratch.path("0001.lks").c_str(), 0700) == 0);
  const WriteResult result = write_to(scratch.path("0001.lks"), big_columns());
  CHECK(result.status == WriteStatus::failed);
  CHECK(result.error == EISDIR);
  CHECK(scratch.names() == std::vector<std::string>{"0001.lks"});
}

TEST_CASE("a limit on file sizes leaves no file and keeps the old one") {
  const Scratch scratch;
  const std::string path = scratch.path("0001.lks");
  put(path, "old");
  const int code = in_child([&] {
    std::signal(SIGXFSZ, SIG_IGN);  // as CPython does
    const rlimit limit = {1'500'000, 1'500'000};
    if (::setrlimit(RLIMIT_FSIZE, &limit) != 0) return 77;
    const WriteResult result = write_to(path, big_columns());
    return result.status == WriteStatus::failed && result.error == EFBIG ? 0 : 1;
  });
  CHECK(code == 0);
  CHECK(scratch.names() == std::vector<std::string>{"0001.lks"});
  CHECK(bytes_of(path).size() == 3);
}

#ifdef __linux__
TEST_CASE("a full disk leaves no file") {
  const Scratch scratch;
  const std::string folder = scratch.path("small");
  REQUIRE(::mkdir(folder.c_str(), 0700) == 0);
  const int code = in_child([&] {
    if (::unshare(CLONE_NEWNS) != 0 && ::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) return 77;
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return 77;
    if (::mount("tmpfs", folder.c_str(), "tmpfs", 0, "size=2m") != 0) return 77;
    const WriteResult result = write_to(folder + "/0001.lks", big_columns());
    if (result.status != WriteStatus::disk_full || result.error != ENOSPC) return 1;
    if (!std::filesystem::is_empty(folder)) return 2;
    return write_to(folder + "/0001.lks", {{"a", "u1", "x", 1}}).status == WriteStatus::ok ? 0 : 3;
  });
  if (code == 77) {
    MESSAGE("skipped: no mounting here");
  } else {
    CHECK(code == 0);
  }
}
#endif

TEST_CASE("memory that changes while it is written never gives a damaged file") {
  constexpr std::size_t kWords = 400'000;
  void* shared = ::mmap(nullptr, kWords * 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(shared != MAP_FAILED);
  const pid_t writer = ::fork();  // another process, as the recorder is
  if (writer == 0) {
    ::alarm(60);  // should nobody be left to end it
    auto* words = static_cast<volatile std::uint64_t*>(shared);
    for (std::uint64_t i = 0;; ++i) words[i % kWords] = i;
  }
  for (int round = 0; round < 4; ++round) {
    const std::array<Column, 1> columns = {{{"live.size", "u8", shared, kWords}}};
    CHECK(check_columns(written(columns)).status == ReadStatus::ok);
  }
  ::kill(writer, SIGKILL);
  ::waitpid(writer, nullptr, 0);
  ::munmap(shared, kWords * 8);
}

TEST_CASE("every status of writing has its slug") {
  CHECK(std::string(slug(WriteStatus::ok)) == "ok");
  CHECK(std::string(slug(WriteStatus::bad_column)) == "bad-column");
  CHECK(std::string(slug(WriteStatus::disk_full)) == "disk-full");
  CHECK(std::string(slug(WriteStatus::failed)) == "write");
  CHECK(std::string(slug(WriteStatus::no_memory)) == "no-memory");
}
