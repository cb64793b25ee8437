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
// M is fine at first: a 4096th of what the process has asked for so far, from 1 KiB up to the interval that was chosen.
// A program that runs for a hundredth of a second asks for too little to be seen at 64 KiB, and what it asks for may
// leak; this costs as many records as 4 MiB, and half as many again whenever the program has asked for 1.6 times as
// much: some 21,000 until 64 KiB are reached, at 256 MiB. Each block is judged by the M that its gap was drawn with,
// which was known before the block came, so the estimates stay unbiased.
//
// The distance to the next mark is memoryless, so drawing it anew at any time (thread start, fork, a large block)
// changes nothing. The hook only subtracts sizes from a countdown; all else happens when that runs out.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace leakscope {

class Sampler {
 public:
  static constexpr std::uint64_t finest = 1024, marks_at_first = 4096;

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

  // Mean distance for the next gap of a process that has asked for so many bytes.
  static std::uint64_t mean_after(std::uint64_t asked, std::uint64_t interval) noexcept {
    const std::uint64_t mean = asked / marks_at_first;
    return mean < finest ? std::min(finest, interval) : std::min(mean, interval);
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
