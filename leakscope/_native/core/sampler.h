// Which blocks are recorded, and for how much each stands.
//
// Every byte that a thread asks for is marked with probability 1/M, independently (a Poisson process of mean
// distance M bytes). A block of s bytes is recorded if it holds a mark:
//
//     P(s) = 1 - exp(-s / M)
//
// and a recorded block stands for s / P(s) bytes, so that the sum over recorded blocks is an unbiased estimate of the
// live bytes, and s / P(s) / s = 1 / P(s) of the live blocks. Worked numbers at M = 64 KiB: a 100-byte block is
// recorded once in 656 and stands for 65,586 bytes; a 32 KiB block in 39 % of cases, for 81 KiB; blocks of
// `exact_bytes` (64 KiB) and more are always recorded and stand for themselves. The estimate of a stack from k
// recorded small blocks has a relative error of about 1/sqrt(k).
//
// Exact recording is M = 1: every byte is marked, every block stands for itself.
//
// The distance to the next mark is memoryless, so drawing it anew at any time (thread start, fork, a large block)
// changes nothing. The hook only subtracts sizes from a countdown; all else happens when that runs out.
#pragma once

#include <cmath>
#include <cstdint>

namespace leakscope {

class Sampler {
 public:
  // Bytes to the next mark. The hook's countdown starts from the smaller of this and exact_bytes, so that one
  // comparison finds large blocks too.
  static std::int64_t gap(std::uint64_t& random, std::uint64_t mean) noexcept {
    random ^= random >> 12;
    random ^= random << 25;
    random ^= random >> 27;
    const std::uint64_t bits = random * 0x2545F4914F6CDD1DULL;
    const double uniform = (static_cast<double>(bits >> 11) + 0.5) * 0x1.0p-53;
    return static_cast<std::int64_t>(-std::log(uniform) * static_cast<double>(mean));
  }

  // Bytes that a recorded block of `size` stands for.
  static std::uint64_t weight(std::uint64_t size, std::uint64_t mean, std::uint64_t exact_bytes) noexcept {
    if (mean <= 1 || size >= exact_bytes || size == 0) return size;
    const double s = static_cast<double>(size);
    return static_cast<std::uint64_t>(std::llround(s / -std::expm1(-s / static_cast<double>(mean))));
  }

  // Blocks (in 1/256) that a recorded block stands for. Depends on size and weight alone, so that what is taken
  // away at the free is what was added at the allocation.
  static std::uint64_t blocks(std::uint64_t size, std::uint64_t weight) noexcept {
    if (size == weight || size == 0) return 256;
    return static_cast<std::uint64_t>(
        std::llround(256.0 * static_cast<double>(weight) / static_cast<double>(size)));
  }
};

}  // namespace leakscope
