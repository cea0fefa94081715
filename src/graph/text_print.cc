#include <cmath>

#include "base/error.h"
#include "graph/op.h"
#include "graph/text.h"
#include "graph/text_words.h"

namespace tercel::inline graph {
namespace {

std::string in_quotes(std::string_view text) {
  std::string out = "\"";
  for (unsigned char c : text) {
    if (c == '"' || c == '\\') out += {'\\', static_cast<char>(c)};
    else if (c < 0x20 || c == 0x7F) out += fmt::format("\\x{:02x}", c);
    else out += static_cast<char>(c);
  }
  return out + "\"";
}

std::string word(std::string_view text) { return plain_word(text) ? std::string(text) : in_quotes(text); }

std::string ref(const Value* value) { return value == nullptr ? "_" : "%" + word(value->name); }

template <typename Range, typename F>
std::string list(const Range& range, F&& item) {
  std::string out;
  for (const auto& x : range) out += (out.empty() ? "" : ", ") + item(x);
  return out;
}

std::string number(double value) {
  if (std::isnan(value)) return std::signbit(value) ? "-nan" : "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  return fmt::format("{}", value);
}
std::string number(float value) {
  return std::isfinite(value) ? fmt::format("{}", value) : number(static_cast<double>(value));
}

std::string elements(const Tensor& tensor) {
  return visit_dtype(tensor.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::string out = "[";
    const int64_t count = tensor.elements();
    for (int64_t i = 0; i < count; ++i) {
      if (i > 0) out += ", ";
      const T x = tensor.at<T>(i);
      if constexpr (std::is_same_v<T, double>) out += number(x);
      else if constexpr (std::is_same_v<T, float> || std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>)
        out += number(static_cast<float>(x));
      else if constexpr (std::is_same_v<T, Bool>) out += x ? "1" : "0";
      else out += std::to_string(x);
    }
    return out + "]";
  });
}

std::string type_of(const Tensor& tensor) { return to_string(ValueType{tensor.dtype(), true, tensor.dims()}); }

std::string print_attr(const Attr& attr) {
  struct Printer {
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(float v) const { return number(v); }
    std::string operator()(const std::string& v) const { return in_quotes(v); }
    std::string operator()(const std::vector<int64_t>& v) const {
      return "[" + list(v, [](int64_t x) { return std::to_string(x); }) + "]";
    }
    std::string operator()(const std::vector<float>& v) const {
      return "[" + list(v, [](float x) { return number(x); }) + "]";
    }
    std::string operator()(const std::vector<std::string>& v) const {
      return "[" + list(v, [](const std::string& x) { return in_quotes(x); }) + "]";
    }
    std::string operator()(const Tensor& v) const { return type_of(v) + " " + elements(v); }
  };
  return std::visit(Printer{}, attr);
}

std::string print_type(const Value* value) {
  if (value == nullptr) return "_";
  // The symbol of an extent is printed in its place.
  if (value->type.ranked && value->dim_names.size() == value->type.dims.size()) {
    std::string out(value->type.dtype == DType::none ? "?" : to_string(value->type.dtype));
    out += "[";
    for (size_t i = 0; i < value->type.dims.size(); ++i) {
      const int64_t d = value->type.dims[i];
      out += i > 0 ? "x" : "";
      out += d != kUnknown ? std::to_string(d) : value->dim_names[i].empty() ? "?" : in_quotes(value->dim_names[i]);
    }
    out += "]";
    return value->type.quantization == nullptr ? out : out + to_string(*value->type.quantization);
  }
  return to_string(value->type);
}

std::string print_node(const Node& node) {
  std::string out = list(node.outputs, [](const Value* v) { return ref(v); }) + " : " +
                    list(node.outputs, [](const Value* v) { return print_type(v); }) + " = " + node.op + "(" +
                    list(node.inputs, [](const Value* v) { return ref(v); }) + ")";
  std::string attrs;
  for (const auto& [name, value] : node.attrs)
    if (!is_default(*node.spec, name, value)) attrs += (attrs.empty() ? "" : ", ") + name + " = " + print_attr(value);
  if (!attrs.empty()) out += " {" + attrs + "}";
  if (!node.name.empty()) out += " " + in_quotes(node.name);
  return out;
}

}  // namespace

uint64_t digest(const Tensor& tensor) {
  uint64_t hash = 0xCBF29CE484222325u;
  const auto mix = [&](const void* data, size_t size) {
    for (size_t i = 0; i < size; ++i) hash = (hash ^ static_cast<const uint8_t*>(data)[i]) * 0x100000001B3u;
  };
  const std::string type = type_of(tensor);
  mix(type.data(), type.size());
  mix(tensor.data(), tensor.bytes());
  return hash;
}

std::string print(const Graph& graph, const TextOptions& options) {
  std::string out = "graph " + in_quotes(graph.name) + "\n";
  for (const auto& [key, value] : graph.metadata) out += "meta " + in_quotes(key) + " = " + in_quotes(value) + "\n";
  for (const Value* value : graph.inputs()) out += "input " + ref(value) + " : " + print_type(value) + "\n";
  for (const auto& value : graph.values()) {
    if (!value->is_constant()) continue;
    const Tensor& tensor = value->constant;
    out += "const " + ref(value.get()) + " : " + print_type(value.get()) + " = " +
           (tensor.elements() <= options.max_elements ? elements(tensor) : fmt::format("#{:016x}", digest(tensor))) +
           "\n";
  }
  for (const auto& node : graph.nodes()) out += print_node(*node) + "\n";
  for (const Value* value : graph.outputs()) out += "output " + ref(value) + "\n";
  return out;
}

}  // namespace tercel::inline graph
