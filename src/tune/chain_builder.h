// Appending nodes to a graph, one behind the other.
#pragma once

#include <string_view>
#include <utility>
#include <vector>

#include "graph/graph.h"

namespace tercel::inline tune {

inline Tensor floats(Dims dims, const std::vector<float>& values) { return Tensor::of<float>(std::move(dims), values); }
inline Tensor integers(const std::vector<int64_t>& values) {
  return Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values);
}

class ChainBuilder {
 public:
  ChainBuilder(Graph& graph, Value* at) : graph_(graph), at_(at) {}

  Value* at() const { return at_; }
  Value* constant(std::string_view hint, Tensor tensor) { return graph_.add_constant(hint, std::move(tensor)); }

  /// The node reads what the last one made, and then the others. Gives its result.
  Value* then(std::string_view op, std::string_view name, std::vector<Value*> others = {}, Attrs attrs = {}) {
    others.insert(others.begin(), at_);
    return add(op, name, std::move(others), std::move(attrs));
  }

  Value* add(std::string_view op, std::string_view name, std::vector<Value*> operands, Attrs attrs = {}) {
    at_ = graph_.add_value(name);
    graph_.add_node(op, std::move(operands), {at_}, std::move(attrs), at_->name);  // no two have the same
    return at_;
  }

 private:
  Graph& graph_;
  Value* at_;
};

}  // namespace tercel::inline tune
