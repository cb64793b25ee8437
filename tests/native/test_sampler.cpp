// The sampler's promises: who is recorded, for how much each stands, and that the sums come out right on average.
// Random streams are seeded; tolerances are five standard deviations of the estimate.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

#include "sampler.h"
#include "scratch_ledger.h"

namespace {

using namespace leakscope;        // NOLINT: a test's subject
using namespace leakscope::test;  // NOLINT

constexpr std::uint64_t mean = 65536;
constexpr std::uint64_t always = 65536;  // blocks this large are always recorded

double probability(std::uint64_t size, std::uint64_t distance) {
  return 1.0 - std::exp(-static_cast<double>(size) / static_cast<double>(distance));
}

// What a thread does with a gap: it counts down, and a block that goes below zero is recorded.
class Countdown {
 public:
  Countdown(std::uint64_t seed, std::uint64_t distance)
      : random_(seed), distance_(distance), left_(Sampler::gap(random_, distance)) {}
  bool records(std::uint64_t size) {
    left_ -= static_cast<std::int64_t>(size);
    if (left_ >= 0 && size < always) return false;
    left_ = Sampler::gap(random_, distance_);
    return true;
  }

 private:
  std::uint64_t random_, distance_;
  std::int64_t left_;
};

// Allocates `blocks` blocks of changing sizes and compares the estimates with the truth.
void check_unbiased(std::uint64_t seed, std::uint64_t distance, const std::vector<std::uint64_t>& sizes,
                    int blocks) {
  CAPTURE(seed);
  CAPTURE(distance);
  Random random(seed);
  Countdown countdown(seed * 77 + 1, distance);
  double true_bytes = 0, bytes = 0, variance_bytes = 0, estimated = 0, variance_blocks = 0;
  for (int block = 0; block < blocks; ++block) {
    const std::uint64_t size = sizes[between(random, 0, sizes.size() - 1)];
    const double s = static_cast<double>(size), p = size >= always ? 1.0 : probability(size, distance);
    true_bytes += s;
    variance_bytes += s * s * (1 - p) / p;
    variance_blocks += (1 - p) / p;
    if (!countdown.records(size)) continue;
    const std::uint64_t weight = Sampler::weight(size, distance, always);
    bytes += static_cast<double>(weight);
    estimated += static_cast<double>(Sampler::blocks(size, weight)) / 256.0;
  }
  CHECK(std::abs(bytes - true_bytes) <= 5 * std::sqrt(variance_bytes) + 1e-6 * true_bytes);
  // A row's blocks are rounded to 1/256: half of that for each recorded one at most.
  CHECK(std::abs(estimated - blocks) <= 5 * std::sqrt(variance_blocks) + blocks / 512.0);
}

}  // namespace

TEST_CASE("the worked numbers are true") {
  CHECK(1 / probability(100, mean) == doctest::Approx(656).epsilon(0.001));
  CHECK(Sampler::weight(100, mean, always) == 65'586);
  CHECK(probability(32'768, mean) == doctest::Approx(0.39).epsilon(0.01));
  CHECK(Sampler::weight(32'768, mean, always) / 1024 == 81);
  CHECK(static_cast<double>(Sampler::blocks(32'768, Sampler::weight(32'768, mean, always))) / 256 ==
        doctest::Approx(2.54).epsilon(0.001));
  CHECK(Sampler::weight(65'536, mean, always) == 65'536);
  CHECK(Sampler::weight(1u << 30, mean, always) == 1u << 30);
}

TEST_CASE("exact recording takes every block for itself") {
  for (const std::uint64_t size : {0u, 1u, 100u, 65'535u, 1u << 30}) {
    CHECK(Sampler::weight(size, 1, always) == size);
    CHECK(Sampler::weight(size, 0, always) == size);
    CHECK(Sampler::blocks(size, size) == 256);
  }
}

TEST_CASE("a weight is the size over its probability, to half a byte") {
  for (const std::uint64_t distance : {2u, 512u, 4096u, 65'536u, 524'288u}) {
    for (std::uint64_t size = 1; size < always; size = size * 3 / 2 + 1) {
      CAPTURE(size);
      const double wanted =
          static_cast<double>(size) / -std::expm1(-static_cast<double>(size) / static_cast<double>(distance));
      REQUIRE(std::abs(static_cast<double>(Sampler::weight(size, distance, always)) - wanted) <=
              0.5 + 1e-9 * wanted);
      REQUIRE(Sampler::weight(size, distance, always) >= size);
    }
  }
}

TEST_CASE("a block of no bytes stands for no bytes and one block") {
  CHECK(Sampler::weight(0, mean, always) == 0);
  CHECK(Sampler::blocks(0, 0) == 256);
}

TEST_CASE("gaps have the mean and the distribution of a Poisson process") {
  constexpr int draws = 400'000;
  constexpr std::array<std::uint64_t, 6> limits = {1, 100, 8'192, 32'768, 65'536, 262'144};
  std::array<int, limits.size()> below{};
  std::uint64_t random = 0x123456789;
  double sum = 0;
  for (int draw = 0; draw < draws; ++draw) {
    const std::int64_t gap = Sampler::gap(random, mean);
    REQUIRE(gap >= 0);
    sum += static_cast<double>(gap);
    for (std::size_t at = 0; at < limits.size(); ++at)
      below[at] += gap < static_cast<std::int64_t>(limits[at]);
  }
  // A gap is cut to whole bytes, half a byte on average.
  CHECK(std::abs(sum / draws + 0.5 - static_cast<double>(mean)) <=
        5 * static_cast<double>(mean) / std::sqrt(draws));
  for (std::size_t at = 0; at < limits.size(); ++at) {
    CAPTURE(limits[at]);
    const double p = probability(limits[at], mean);
    CHECK(std::abs(below[at] - p * draws) <= 5 * std::sqrt(draws * p * (1 - p)));
  }
}

TEST_CASE("threads with neighbouring seeds draw different gaps") {
  std::uint64_t first = 1, second = 3;
  int equal = 0;
  for (int draw = 0; draw < 1'000; ++draw) equal += Sampler::gap(first, mean) == Sampler::gap(second, mean);
  CHECK(equal < 5);
}

TEST_CASE("the estimate of small blocks is unbiased") {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) check_unbiased(seed, mean, {64}, 400'000);
}

TEST_CASE("the estimate of mixed blocks is unbiased, large ones included") {
  for (std::uint64_t seed = 6; seed <= 10; ++seed)
    check_unbiased(seed, mean, {16, 100, 512, 2'048, 10'000, 32'768, 65'535, 65'536, 200'000}, 200'000);
}

TEST_CASE("the estimate is unbiased at other distances too") {
  for (const std::uint64_t distance : {1'024u, 8'192u, 524'288u})
    check_unbiased(distance, distance, {32, 56, 300, 4'000, 65'000}, 300'000);
}

TEST_CASE("of k recorded small blocks the estimate errs by one part in the root of k") {
  // 300 streams of about 100 recorded blocks: their spread is a tenth, itself known to 1/sqrt(2 * 300).
  constexpr int streams = 300, blocks = 65'586;
  double squares = 0;
  for (int stream = 0; stream < streams; ++stream) {
    Countdown countdown(static_cast<std::uint64_t>(stream) * 99 + 7, mean);
    double bytes = 0;
    for (int block = 0; block < blocks; ++block) {
      if (countdown.records(100)) bytes += static_cast<double>(Sampler::weight(100, mean, always));
    }
    const double error = bytes / (100.0 * blocks) - 1;
    squares += error * error;
  }
  const double spread = std::sqrt(squares / streams);
  CHECK(spread == doctest::Approx(0.1).epsilon(5 / std::sqrt(2.0 * streams)));
}

TEST_CASE("gaps are fine at first and end at the interval") {
  CHECK(Sampler::mean_after(0, mean) == 1024);
  CHECK(Sampler::mean_after(4u << 20, mean) == 1024);
  CHECK(Sampler::mean_after(64u << 20, mean) == 16'384);
  CHECK(Sampler::mean_after(256u << 20, mean) == mean);
  CHECK(Sampler::mean_after(~0ull, mean) == mean);
  CHECK(Sampler::mean_after(0, 512) == 512);
  CHECK(Sampler::mean_after(1u << 30, 512) == 512);
}

TEST_CASE("estimates come out right while the gaps become coarser") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    CAPTURE(seed);
    Random random(seed);
    std::uint64_t drawing = seed * 77 + 1, asked = 0, distance = Sampler::mean_after(0, mean);
    std::int64_t left = Sampler::gap(drawing, distance);
    double true_bytes = 0, bytes = 0, variance = 0;
    for (int block = 0; block < 400'000; ++block) {
      const std::uint64_t size = between(random, 1, 400);
      const double s = static_cast<double>(size), p = probability(size, distance);
      true_bytes += s;
      variance += s * s * (1 - p) / p;
      asked += size;
      left -= static_cast<std::int64_t>(size);
      if (left >= 0) continue;
      bytes += static_cast<double>(Sampler::weight(size, distance, always));
      distance = Sampler::mean_after(asked, mean);
      left = Sampler::gap(drawing, distance);
    }
    CHECK(distance > 10 * 1024);
    CHECK(std::abs(bytes - true_bytes) <= 5 * std::sqrt(variance));
  }
}
