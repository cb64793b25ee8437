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
  CHECK(demangled("_ZTV3foo") == "_ZTV3foo");
  CHECK(demangled("_ZN") == "_ZN");
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
  for (int depth = 19; depth < 300; ++depth) {
    const std::string name = demangled(doubling(depth));
    REQUIRE(name.substr(0, 1) == "f");
    REQUIRE(name.size() < 10);
  }
}

TEST_CASE("names that the C++ library cannot bear are told in brief") {
  CHECK(demangled("_Z1fIXsrU") == "f<...>");  // GNU's demangler never returns from this
  const std::string pack = "_Z1fIJ" + std::string(200, 'i') + "EEv";
  CHECK(demangled(pack + "Dp1PIT_Dp1QIT_DpT_EE") == "f<...>");  // 200 * 200 * 200 types
}

TEST_CASE("names with expressions or too intricate are told in brief") {
  std::string many = "S_";
  for (int i = 0; i < 30; ++i) many += "S0_";
  CHECK(demangled("_ZN5boost4math4betaIdNS0_6policyE" + many + "EEvv") == "boost::math::beta<...>");
  CHECK(demangled("_ZNK5torch6runnerIJ" + many + "EE4stepEv") == "torch::runner<...>::step");
  CHECK(demangled("_ZNSt6vectorI" + many + "EC2Ev") == "std::vector<...>::vector");
  CHECK(demangled("_ZNSt6vectorI" + many + "ED0Ev") == "std::vector<...>::~vector");
  CHECK(demangled("_ZN1A1BlsI" + many + "EEvv") == "A::B::operator<<<...>");
  CHECK(demangled("_ZZN1A3runI" + many + "EEvvENKUlvE0_clEv") == "A::run<...>::{lambda}::operator()");
  CHECK(demangled("_ZN12_GLOBAL__N_13runI" + many + "EEvv") == "(anonymous namespace)::run<...>");
  CHECK(demangled("_ZL4copyI" + many + "EvT_") == "copy<...>");
  CHECK(demangled("_ZN1A3runIXltT_Li3EEE4stepEv") == "A::run<...>");
  CHECK(demangled("_ZN1A3runEDTfp_E") == "A::run...");
  CHECK(demangled("_ZN1A3runE" + std::string(2000, 'i')) == "A::run");
}

TEST_CASE("names that are cut short are told as far as they go") {
  CHECK(demangled("_ZN3foo") == "foo...");
  CHECK(demangled("_ZN3foo3ba") == "foo...");
  CHECK(demangled("_ZN3foo99bar") == "foo...");
  CHECK(demangled("_ZNSt6vectorIi") == "std::vector<...>");
}

TEST_CASE("names that nest deeply do not exhaust the stack") {
  const auto nested = [](const char* part, int times) {
    std::string name = "_Z1f";
    for (int i = 0; i < times; ++i) name += part;
    return name;
  };
  for (const char* part :
       {"P", "F", "1AI", "N1AI", "M", "A1_", "Z1f", "DpDp", "IJ", "J", "ZN1AC1E", "U", "UlU", "Dv1_"}) {
    CAPTURE(part);
    for (const int times : {10, 99, 100, 101, 200, 100'000})
      CHECK(demangled(nested(part, times)).size() <= 4096);
  }
  CHECK(demangled("_ZN1f" + nested("C1", 100'000)).size() <= 4096);
  CHECK(demangled("_Z1f" + std::string(900, 'P') + "i").size() > 900);
}
