// The readable name of a C++ symbol. It knows what a hostile name can do to the C++ library's demangler (GNU's needs
// nine characters, "_Z1fIXsrU", to run for ever), and hands over only names that cannot do it.
#pragma once

#include <string>
#include <string_view>

namespace leakscope {

// Printable ASCII, at most 4 KiB; what is no C++ name comes back as it is, other characters shown as '?'. A name
// with expressions in it, or too intricate to be expanded within 2**26 steps, is told in brief, without template
// arguments and parameters: "pybind11::class_<...>::def<...>". Of LLVM's names that are 2 in 100; of SciPy's, which
// fill a screen each, 20. May throw bad_alloc.
[[nodiscard]] std::string demangled(std::string_view symbol);

}  // namespace leakscope
