// The readable name of a C++ symbol. It knows what a hostile name can do to the C++ library's demangler, and hands
// over only names that cannot do it.
#pragma once

#include <string>
#include <string_view>

namespace leakscope {

// Printable ASCII, at most 4 KiB. A name that is not C++, not well-formed, or too intricate to be expanded safely
// (about one in a thousand of real ones) comes back as it is, other characters shown as '?'. May throw bad_alloc.
[[nodiscard]] std::string demangled(std::string_view symbol);

}  // namespace leakscope
