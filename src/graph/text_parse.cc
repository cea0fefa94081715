#include <algorithm>
#include <charconv>
#include <map>

#include "base/error.h"
#include "graph/op.h"
#include "graph/text.h"
#include "graph/text_words.h"

namespace tercel::inline graph {
namespace {

/// Recursive descent over the statements.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Graph parse() {
    while (true) {
      skip_space();
      if (at_ >= text_.size()) break;
      if (peek() == '\n') {
        next_line();
        continue;
      }
      statement();
      skip_space();
      if (at_ < text_.size() && peek() != '\n') fail_here("expected the end of the line");
    }
    for (const auto& [name, value] : undefined_) {
      if (value->producer == nullptr) fail_input("%{} is used but has no producer", name);
    }
    graph_.sort();
    return std::move(graph_);
  }

 private:
  template <typename... A>
  [[noreturn]] void fail_here(fmt::format_string<A...> format, A&&... args) const {
    fail_input("line {}: {}", line_, fmt::format(format, std::forward<A>(args)...));
  }

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() {
    while (at_ < text_.size() && (peek() == ' ' || peek() == '\t' || peek() == '\r')) ++at_;
  }
  void next_line() {
    ++at_;
    ++line_;
  }
  bool accept(char c) {
    skip_space();
    if (peek() != c || at_ >= text_.size()) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail_here("expected '{}'", c);
  }

  std::string_view bare_word() {
    skip_space();
    const size_t from = at_;
    while (at_ < text_.size() && plain_word(text_.substr(at_, 1))) ++at_;
    // '_' alone is no plain word but may stand inside one.
    while (at_ < text_.size() && (peek() == '_' || plain_word(text_.substr(at_, 1)))) ++at_;
    if (at_ == from) fail_here("expected a word");
    return text_.substr(from, at_ - from);
  }

  std::string quoted_text() {
    expect('"');
    std::string out;
    while (true) {
      if (at_ >= text_.size() || peek() == '\n') fail_here("a quoted text is not closed");
      const char c = text_[at_++];
      if (c == '"') return out;
      if (c != '\\') {
        out += c;
        continue;
      }
      const char escape = peek();
      ++at_;
      if (escape == '"' || escape == '\\') {
        out += escape;
      } else if (escape == 'x' && at_ + 2 <= text_.size()) {
        unsigned code = 0;
        const auto result = std::from_chars(text_.data() + at_, text_.data() + at_ + 2, code, 16);
        if (result.ptr != text_.data() + at_ + 2) fail_here("bad escape in a quoted text");
        out += static_cast<char>(code);
        at_ += 2;
      } else {
        fail_here("bad escape in a quoted text");
      }
    }
  }

  std::string word_or_quoted() {
    skip_space();
    std::string name = peek() == '"' ? quoted_text() : std::string(bare_word());
    if (name.empty()) fail_here("a name is empty");
    return name;
  }

  template <typename T>
  T number() {
    skip_space();
    T value{};
    const auto result = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (result.ec != std::errc()) fail_here("expected a number that fits its type");
    at_ = static_cast<size_t>(result.ptr - text_.data());
    return value;
  }

  template <typename F>
  void bracketed(F&& item) {
    expect('[');
    if (accept(']')) return;
    do item();
    while (accept(','));
    expect(']');
  }

  /// One number, or a list of them.
  template <typename T>
  std::vector<T> numbers() {
    std::vector<T> values;
    skip_space();
    if (peek() == '[') bracketed([&] { values.push_back(number<T>()); });
    else values.push_back(number<T>());
    return values;
  }

  /// "{scale = 0.5, zero = 128}" behind a type; the brace is read already.
  QuantizationPtr quantization(const ValueType& t) {
    auto out = std::make_shared<Quantization>();
    const auto field = [&](std::string_view name) {
      if (bare_word() != name) fail_here("expected '{}' of a quantization", name);
      expect('=');
    };
    skip_space();
    if (text_.substr(at_, 4) == "axis") {
      field("axis");
      out->axis = number<int64_t>();
      expect(',');
    }
    field("scale");
    out->scales = numbers<float>();
    expect(',');
    field("zero");
    out->zeros = numbers<int32_t>();
    expect('}');
    const auto count = static_cast<int64_t>(out->scales.size());
    const bool fits = out->axis < 0 ? count == 1
                                    : t.ranked && out->axis < static_cast<int64_t>(t.dims.size()) &&
                                          t.dims[static_cast<size_t>(out->axis)] == count;
    if (!fits || out->zeros.size() != out->scales.size() || is_float(t.dtype))
      fail_here("{} scales and {} zero points do not fit {}", count, out->zeros.size(), to_string(t));
    return out;
  }

  ValueType type(std::vector<std::string>* dim_names = nullptr) {
    ValueType out = plain_type(dim_names);
    if (accept('{')) out.quantization = quantization(out);
    return out;
  }

  ValueType plain_type(std::vector<std::string>* dim_names) {
    ValueType out;
    if (!accept('?')) {
      std::string name;
      skip_space();
      while (std::isalnum(static_cast<unsigned char>(peek()))) name += text_[at_++];
      out.dtype = parse_dtype(name);
      if (out.dtype == DType::none) fail_here("unknown element type '{}'", name);
    }
    expect('[');
    if (text_.substr(at_, 4) == "...]") {
      at_ += 4;
      return out;
    }
    out.ranked = true;
    if (accept(']')) return out;
    do {
      skip_space();
      std::string name;
      if (peek() == '"') {
        name = quoted_text();
        out.dims.push_back(kUnknown);
      } else if (accept('?')) {
        out.dims.push_back(kUnknown);
      } else {
        out.dims.push_back(number<int64_t>());
        if (out.dims.back() < 0) fail_here("an extent is negative");
      }
      if (dim_names != nullptr) dim_names->push_back(name);
    } while (accept('x'));
    expect(']');
    return out;
  }

  Tensor tensor_elements(const ValueType& t) {
    if (t.dtype == DType::none || !t.static_shape()) fail_here("a constant needs a full type");
    const int64_t count = count_elements(t.dims);
    // Every element takes at least a digit and a comma: what the text cannot hold is not allocated.
    if (count > static_cast<int64_t>(text_.size())) fail_here("the type has {} elements, the text is too short", count);
    return visit_dtype(t.dtype, [&](auto tag) {
      using T = typename decltype(tag)::type;
      std::vector<T> values;
      bracketed([&] {
        if constexpr (std::is_same_v<T, double>) values.push_back(number<double>());
        else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
          values.push_back(T(number<float>()));
        else if constexpr (std::is_same_v<T, Bool>) values.push_back(Bool(number<int>() != 0));
        else values.push_back(number<T>());
      });
      if (static_cast<int64_t>(values.size()) != count)
        fail_here("{} elements for shape {}", values.size(), to_string(t.dims));
      return Tensor::of<T>(t.dims, values);
    });
  }

  Attr attr_value(AttrKind kind) {
    switch (kind) {
      case AttrKind::integer: return number<int64_t>();
      case AttrKind::real: return number<float>();
      case AttrKind::text: return quoted_text();
      case AttrKind::integers: {
        std::vector<int64_t> values;
        bracketed([&] { values.push_back(number<int64_t>()); });
        return values;
      }
      case AttrKind::reals: {
        std::vector<float> values;
        bracketed([&] { values.push_back(number<float>()); });
        return values;
      }
      case AttrKind::texts: {
        std::vector<std::string> values;
        bracketed([&] { values.push_back(quoted_text()); });
        return values;
      }
      case AttrKind::tensor: {
        const ValueType t = type();
        return tensor_elements(t);
      }
    }
    raise_bug(__FILE__, __LINE__, "kind", "unknown attribute kind");
  }

  /// The value of that name, created on first mention: uses may come before the producer.
  Value* value_named(const std::string& name) {
    if (Value* value = graph_.find_value(name)) return value;
    Value* value = graph_.add_value(name);
    undefined_[value->name] = value;
    return value;
  }

  Value* operand() {
    skip_space();
    if (accept('_')) return nullptr;
    expect('%');
    return value_named(word_or_quoted());
  }

  std::string fresh_name() {
    expect('%');
    std::string name = word_or_quoted();
    if (graph_.find_value(name) != nullptr)
      fail_here("duplicate %{}, or one used before its input or const line", name);
    return name;
  }

  void statement() {
    skip_space();
    if (peek() == '%' || peek() == '_') return node();
    const std::string_view keyword = bare_word();
    if (keyword == "graph") {
      graph_.name = quoted_text();
    } else if (keyword == "meta") {
      std::string key = quoted_text();
      expect('=');
      graph_.metadata[std::move(key)] = quoted_text();
    } else if (keyword == "input") {
      const std::string name = fresh_name();
      expect(':');
      std::vector<std::string> dim_names;
      ValueType t = type(&dim_names);
      graph_.add_input(name, std::move(t))->dim_names = std::move(dim_names);
    } else if (keyword == "const") {
      const std::string name = fresh_name();
      expect(':');
      const ValueType t = type();
      expect('=');
      if (accept('#')) fail_here("%{} is shown as a digest only, its elements are not in this text", name);
      graph_.add_constant(name, tensor_elements(t))->type.quantization = t.quantization;
    } else if (keyword == "output") {
      Value* value = operand();
      if (value == nullptr) fail_here("an output must be a value");
      graph_.add_output(value);
    } else {
      fail_here("unknown statement '{}'", keyword);
    }
  }

  void node() {
    std::vector<Value*> outputs;
    do {
      Value* value = operand();
      if (value != nullptr) {
        const bool taken = value->producer != nullptr || value->is_constant() || !undefined_.contains(value->name) ||
                           std::find(outputs.begin(), outputs.end(), value) != outputs.end();
        if (taken) fail_here("duplicate %{}", value->name);
      }
      outputs.push_back(value);
    } while (accept(','));
    expect(':');
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (i > 0) expect(',');
      if (accept('_')) continue;
      ValueType t = type();
      if (outputs[i] != nullptr) outputs[i]->type = std::move(t);
    }
    expect('=');
    const std::string op(bare_word());
    const OpSpec* spec = find_op(op);
    if (spec == nullptr) fail_here("Tercel has no operator '{}'", op);
    expect('(');
    std::vector<Value*> inputs;
    if (!accept(')')) {
      do inputs.push_back(operand());
      while (accept(','));
      expect(')');
    }
    Attrs attrs;
    if (accept('{')) {
      do {
        const std::string name(bare_word());
        expect('=');
        const auto known =
            std::find_if(spec->attrs.begin(), spec->attrs.end(), [&](const AttrSpec& a) { return a.name == name; });
        if (known == spec->attrs.end()) fail_here("{} has no attribute '{}'", op, name);
        attrs.set(name, attr_value(known->kind));
      } while (accept(','));
      expect('}');
    }
    skip_space();
    const std::string name = peek() == '"' ? quoted_text() : std::string();
    at_place([&] { return fmt::format("line {}", line_); },
             [&] { graph_.add_node(op, std::move(inputs), std::move(outputs), std::move(attrs), name); });
  }

  std::string_view text_;
  size_t at_ = 0;
  int line_ = 1;
  Graph graph_;
  std::map<std::string, Value*> undefined_;  // values mentioned so far, which a node must produce
};

}  // namespace

Graph parse_graph(std::string_view text) { return Parser(text).parse(); }

}  // namespace tercel::inline graph
