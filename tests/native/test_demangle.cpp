// Readable names, and names made to hurt.
#include <doctest/doctest.h>

#include <algorithm>
#include <string>

#include "demangle.h"

using leakscope::demangled;

namespace {

// A back reference to the candidate of this number: "S_", "S0_", ... "S9_", "SA_", ...
std::string reference(int number) {
  if (number == 0) return "S_";
  return std::string("S") + "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"[number - 1] + "_";
}

// f(B<B<B<A, A>, B<A, A>>, ...>): 2**depth letters, if expanded, for 7 characters each level. Candidates for back
// references are first the templates from the outermost in, then A, then each type as it is complete.
std::string doubling(int depth) {
  std::string type = "1A";
  for (int level = 0; level < depth; ++level)
    type = "1BI" + type + reference(std::min(depth + level, 36)) + "E";
  return "_Z1f" + type;
}

}  // namespace

TEST_CASE("names are written as in the source") {
  CHECK(demangled("_ZN9leakscope5crc32ESt4spanIKSt4byteLm18446744073709551615EEj") ==
        "leakscope::crc32(std::span<std::byte const, 18446744073709551615ul>, unsigned int)");
  CHECK(demangled("_ZNSs6appendEPKcm") == "std::string::append(char const*, unsigned long)");
  CHECK(demangled("_ZN3foo3barEv.constprop.0") == "foo::bar() [clone .constprop.0]");
}

TEST_CASE("names that are not C++ stay as they are, without their version") {
  CHECK(demangled("malloc") == "malloc");
  CHECK(demangled("memcpy@@GLIBC_2.14") == "memcpy");
  CHECK(demangled("i") == "i");  // not "int"
  CHECK(demangled("_Z") == "_Z");
  CHECK(demangled("_ZN3foo") == "_ZN3foo");
  CHECK(demangled("").empty());
}

TEST_CASE("characters that could move a cursor are shown as question marks") {
  CHECK(demangled("a\x1B[2J\xFF"
                  "b") == "a?[2J?b");
}

TEST_CASE("names too long to show are cut") {
  const std::string name = demangled(std::string(100'000, 'x'));
  CHECK(name.size() == 4096);
  CHECK(name.substr(4090) == "xxx...");
}

TEST_CASE("a name that doubles a few times is expanded") {
  CHECK(demangled(doubling(2)) == "f(B<B<A, A>, B<A, A> >)");
  CHECK(demangled(doubling(10)).size() == 4096);
}

TEST_CASE("a name that doubles at each step is not expanded") {
  for (int depth = 19; depth < 300; ++depth) REQUIRE(demangled(doubling(depth)) == "f...");
}

TEST_CASE("intricate names are shortened to how they begin") {
  std::string many = "S_";
  for (int i = 0; i < 30; ++i) many += "S0_";
  CHECK(demangled("_ZN5boost4math10ibeta_impxIdNS0_6policyE" + many + "EEvv") ==
        "boost::math::ibeta_impx<...>");
  CHECK(demangled("_ZNK5torch3runIJ" + many + "EEvv") == "torch::run<...>");
  CHECK(demangled("_ZNSt6vectorI" + many + "E4pushEv") == "std::vector<...>");
  CHECK(demangled("_ZL4copyI" + many + "EvT_") == "copy<...>");
  CHECK(demangled("_ZNSt999xI" + many + "E4pushEv") == "std...");
  CHECK(demangled("_ZTV" + many).substr(0, 4) == "_ZTV");
}

TEST_CASE("names that nest deeply do not exhaust the stack") {
  CHECK(demangled("_Z1f" + std::string(900, 'P') + "i").size() > 900);
  CHECK(demangled("_Z1f" + std::string(100'000, 'P') + "i").size() <= 4096);
  CHECK(demangled("_Z1f" + std::string(500, 'F')).size() <= 4096);
}
