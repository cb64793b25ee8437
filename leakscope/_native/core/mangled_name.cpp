#include "mangled_name.h"

#include <array>
#include <cstddef>
#include <utility>

namespace leakscope {
namespace {

constexpr std::string_view kBuiltinTypes = "vwbcahstijlmxynofdegz";
constexpr std::string_view kExtendedBuiltinTypes = "defhiusacn";  // after a D
using Spelling = std::pair<std::string_view, std::string_view>;
constexpr std::array<Spelling, 48> kOperators = {
    {{"nw", " new"}, {"na", " new[]"}, {"dl", " delete"}, {"da", " delete[]"}, {"aw", " co_await"},
     {"ps", "+"},    {"ng", "-"},      {"ad", "&"},       {"de", "*"},         {"co", "~"},
     {"pl", "+"},    {"mi", "-"},      {"ml", "*"},       {"dv", "/"},         {"rm", "%"},
     {"an", "&"},    {"or", "|"},      {"eo", "^"},       {"aS", "="},         {"pL", "+="},
     {"mI", "-="},   {"mL", "*="},     {"dV", "/="},      {"rM", "%="},        {"aN", "&="},
     {"oR", "|="},   {"eO", "^="},     {"ls", "<<"},      {"rs", ">>"},        {"lS", "<<="},
     {"rS", ">>="},  {"eq", "=="},     {"ne", "!="},      {"lt", "<"},         {"gt", ">"},
     {"le", "<="},   {"ge", ">="},     {"ss", "<=>"},     {"nt", "!"},         {"aa", "&&"},
     {"oo", "||"},   {"pp", "++"},     {"mm", "--"},      {"cm", ","},         {"pm", "->*"},
     {"pt", "->"},   {"cl", "()"},     {"ix", "[]"}}};
constexpr std::array<std::pair<char, std::string_view>, 7> kAbbreviations = {{{'t', "std"},
                                                                              {'a', "std::allocator"},
                                                                              {'b', "std::basic_string"},
                                                                              {'s', "std::string"},
                                                                              {'i', "std::istream"},
                                                                              {'o', "std::ostream"},
                                                                              {'d', "std::iostream"}}};

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

// What has been understood of the symbol's own name; parsers of names inside types write to nobody.
class Brief {
 public:
  void part(std::string_view name) {
    if (text_.size() > kMost) return;  // "C1C1C1": each constructor repeats the name of its class
    if (!text_.empty()) text_ += "::";
    text_ += name;
    last_ = name;
  }
  void arguments() {
    if (text_.size() <= kMost) text_ += "<...>";
  }
  void more() { text_ += "..."; }
  [[nodiscard]] const std::string& last() const { return last_; }
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  static constexpr std::size_t kMost = 4096;
  std::string text_;
  std::string last_;
};

// Each function takes what it is named after from the front of the text and says whether it was there. After a
// "no" the reading is over: nothing is tried a second time, so the time is that of one pass.
class Reader {
 public:
  explicit Reader(std::string_view text) : rest_(text) {}

  MangledName read() {
    Brief brief;
    const bool whole = take("_Z") && encoding(&brief) && (rest_.empty() || rest_.front() == '.');
    if (!whole && !brief.text().empty() && !brief.text().ends_with('>')) brief.more();
    return {whole, references_, expansions_, brief.text()};
  }

 private:
  // Deep enough for any real name; the stack of a thread holds it many times over.
  static constexpr int kDepthMost = 100;

  class Deeper {
   public:
    explicit Deeper(int& depth) : depth_(++depth) {}
    Deeper(const Deeper&) = delete;
    Deeper& operator=(const Deeper&) = delete;
    ~Deeper() { --depth_; }

   private:
    int& depth_;
  };

  [[nodiscard]] char peek(std::size_t ahead = 0) const { return ahead < rest_.size() ? rest_[ahead] : '\0'; }

  bool take(std::string_view token) {
    if (!rest_.starts_with(token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  bool take_any(std::string_view characters) {
    if (rest_.empty() || characters.find(rest_.front()) == std::string_view::npos) return false;
    rest_.remove_prefix(1);
    return true;
  }

  std::string_view digits() {
    std::size_t count = 0;
    while (is_digit(peek(count))) ++count;
    const std::string_view found = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return found;
  }

  bool number_and_underscore() {
    digits();
    return take("_");
  }

  // The function's name and the types of its parameters, up to the end, an E or the suffix of a clone.
  bool encoding(Brief* brief) {
    if (!name(brief)) return false;
    while (!rest_.empty() && peek() != 'E' && peek() != '.') {
      if (!type()) return false;
    }
    return true;
  }

  bool name(Brief* brief) {
    const Deeper deeper(depth_);
    if (depth_ > kDepthMost) return false;
    if (take("N")) return nested_name(brief);
    if (take("Z")) return local_name(brief);
    if (take("St")) say(brief, "std");
    return unqualified_name(brief) && optional_arguments(brief);
  }

  bool nested_name(Brief* brief) {
    while (take_any("rVK")) {
    }
    (void)take_any("RO");
    while (!take("E")) {
      if (!(peek() == 'I'   ? arguments(brief)
            : peek() == 'S' ? substitution(brief)
            : peek() == 'T' ? reference()
                            : unqualified_name(brief))) {
        return false;
      }
    }
    return true;
  }

  // Something inside a function: "Z" function "E" name.
  bool local_name(Brief* brief) {
    if (!encoding(brief) || !take("E")) return false;
    if (take("s")) return discriminator();
    if (take("d") && !number_and_underscore()) return false;
    return name(brief) && discriminator();
  }

  bool discriminator() {
    if (take("__")) return number_and_underscore();
    if (peek() == '_' && is_digit(peek(1))) rest_.remove_prefix(2);
    return true;
  }

  bool unqualified_name(Brief* brief) {
    (void)take("L");  // internal linkage
    if (!(is_digit(peek())   ? identifier(brief)
          : peek() == 'U'    ? unnamed(brief)
          : is_upper(peek()) ? constructor(brief)
                             : operator_name(brief))) {
      return false;
    }
    while (take("B")) {  // ABI tags: [abi:cxx11]
      if (!identifier(nullptr)) return false;
    }
    return true;
  }

  bool identifier(Brief* brief) {
    const std::string_view count = digits();
    if (count.empty() || count.size() > 4) return false;
    std::size_t length = 0;
    for (const char digit : count) length = length * 10 + static_cast<std::size_t>(digit - '0');
    if (length == 0 || length > rest_.size()) return false;
    const std::string_view found = rest_.substr(0, length);
    rest_.remove_prefix(length);
    say(brief, found.starts_with("_GLOBAL__N") ? "(anonymous namespace)" : found);
    return true;
  }

  bool unnamed(Brief* brief) {
    if (take("Ut")) {
      say(brief, "{unnamed}");
      return number_and_underscore();
    }
    if (!take("Ul")) return false;
    say(brief, "{lambda}");
    do {
      if (!type()) return false;
    } while (!take("E"));
    return number_and_underscore();
  }

  bool constructor(Brief* brief) {
    const bool destructor = peek() == 'D';
    if (!take_any("CD") || !take_any("012345")) return false;
    if (brief != nullptr) brief->part((destructor ? "~" : "") + brief->last());
    return true;
  }

  bool operator_name(Brief* brief) {
    if (take("li")) {
      say(brief, "operator\"\"");
      return identifier(nullptr);
    }
    for (const auto& [code, symbol] : kOperators) {
      if (!take(code)) continue;
      if (brief != nullptr) brief->part("operator" + std::string(symbol));
      return true;
    }
    return false;
  }

  bool optional_arguments(Brief* brief) { return peek() != 'I' || arguments(brief); }

  bool arguments(Brief* brief) {
    if (!take("I")) return false;
    if (brief != nullptr) brief->arguments();
    return arguments_to_end();
  }

  bool arguments_to_end() {
    const Deeper deeper(depth_);
    if (depth_ > kDepthMost) return false;
    while (!take("E")) {
      if (!(take("J") ? arguments_to_end() : take("L") ? literal() : type())) return false;
    }
    return true;
  }

  bool literal() {
    if (peek() == '_' || !type()) return false;  // "L_Z": the address of a function, an expression
    (void)take("n");                             // minus
    digits();
    return take("E");
  }

  bool type() {
    const Deeper deeper(depth_);
    if (depth_ > kDepthMost) return false;
    while (take_any("PROKVrCG")) {
    }
    if (take_any(kBuiltinTypes)) return true;
    if (is_digit(peek()) || peek() == 'N' || peek() == 'Z') return name(nullptr);
    switch (peek()) {
      case 'S':
        return substitution(nullptr) && optional_arguments(nullptr);
      case 'T':
        return reference() && optional_arguments(nullptr);
      case 'D':
        return extended_type();
      case 'F':
        return take("F") && function_type();
      case 'A':
        return take("A") && number_and_underscore() && type();
      case 'M':
        return take("M") && type() && type();
      default:
        return false;
    }
  }

  bool function_type() {
    (void)take("Y");
    do {
      if (!type()) return false;
      if ((peek() == 'R' || peek() == 'O') && peek(1) == 'E') rest_.remove_prefix(1);
    } while (!take("E"));
    return true;
  }

  bool extended_type() {
    if (!take("D")) return false;
    if (take_any(kExtendedBuiltinTypes)) return true;
    if (take("p")) return ++expansions_, type();
    if (take("v")) return is_digit(peek()) && number_and_underscore() && type();
    if (take("F")) return is_digit(peek()) && number_and_underscore();
    return take("oF") && function_type();
  }

  // "S_", "S1A_"; "St" followed by a name; "Sa" and the like. Never both a number and an abbreviation.
  bool substitution(Brief* brief) {
    for (const auto& [letter, meaning] : kAbbreviations) {
      if (peek(1) != letter) continue;
      rest_.remove_prefix(2);
      say(brief, meaning);
      return letter != 't' || unqualified_name(brief);
    }
    return reference();
  }

  bool reference() {
    ++references_;
    if (!take_any("ST")) return false;
    while (is_digit(peek()) || is_upper(peek())) rest_.remove_prefix(1);
    return take("_");
  }

  static void say(Brief* brief, std::string_view name) {
    if (brief != nullptr) brief->part(name);
  }

  std::string_view rest_;
  int depth_ = 0;
  int references_ = 0;
  int expansions_ = 0;
};

}  // namespace

MangledName read_mangled_name(std::string_view symbol) {
  return Reader(symbol).read();
}

}  // namespace leakscope
