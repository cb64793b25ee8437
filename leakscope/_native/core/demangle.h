// The readable name of a C++ symbol. It knows what a hostile name can do to the C++ library's demangler, and hands
// over only names that cannot do it.
#pragma once

#include <string>
#include <string_view>

namespace leakscope {

// Printable ASCII, at most 4 KiB. A name too intricate to be expanded safely is shortened to how it begins, up to
// its first template arguments: "boost::math::detail::ibeta_imp<...>" (of LLVM's names 4 in 1,000; of SciPy's, most
// of which would be longer than a screen, 16 in 100). What is no C++ name or not well-formed comes back as it is,
// other characters shown as '?'. Time and memory are bounded by 2**26 steps. May throw bad_alloc.
[[nodiscard]] std::string demangled(std::string_view symbol);

}  // namespace leakscope
