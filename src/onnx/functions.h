// What a model brings along besides its graph: the versions of the operator domains it uses, and functions of its own
// (nodes that stand for one). Nodes as the file has them.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "onnx/protozero.h"

namespace tercel::onnx {

/// Versions by domain; "" is the standard's.
class Imports {
 public:
  /// Takes in an OperatorSetIdProto. Throws Error for two versions of a domain.
  void add(const protozero::pbf_reader& message);
  std::optional<int64_t> find(std::string_view domain) const;
  /// Of the standard operators. Throws Error where none is named, or one that Tercel does not read.
  int64_t opset() const;

 private:
  std::map<std::string, int64_t, std::less<>> versions_;
};

struct RawNode {
  std::string op, name, domain, overload;  ///< domain "" for the standard's, also where the file says "ai.onnx"
  std::vector<std::string> inputs, outputs;
  std::vector<protozero::pbf_reader> attributes;
};

RawNode read_raw_node(const protozero::pbf_reader& message);
/// As Node::describe; `prefix` stands in front of names inside a function.
std::string describe(const RawNode& node, std::string_view prefix);

struct Function {
  std::vector<std::string> inputs, outputs, attributes;
  std::vector<protozero::pbf_reader> defaults;  ///< attributes that have one
  std::vector<protozero::pbf_reader> nodes;
  Imports imports;
};

class Functions {
 public:
  void add(const protozero::pbf_reader& message);
  /// The one that the node calls, nullptr where the model has none.
  const Function* find(const RawNode& node) const;

 private:
  std::map<std::tuple<std::string, std::string, std::string>, Function> by_name_;  // domain, name, overload
};

}  // namespace tercel::onnx
