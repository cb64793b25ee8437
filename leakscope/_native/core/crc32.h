// The CRC-32 of zlib, gzip and PNG (reflected polynomial 0xEDB88320), in plain tables: a reader in any language
// has it in its standard library. It knows bytes only; it is a check against accidents, not against forgery.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace leakscope {

// CRC-32 of `data`; pass the CRC of what came before to continue it. crc32(b, crc32(a)) == crc32(a + b).
[[nodiscard]] std::uint32_t crc32(std::span<const std::byte> data, std::uint32_t before = 0) noexcept;

}  // namespace leakscope
