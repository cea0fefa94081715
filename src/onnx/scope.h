// The names of a graph, or of one call of a function, and the values they stand for.
#pragma once

#include <string>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "graph/graph.h"
#include "onnx/functions.h"

namespace tercel::onnx {

class Scope {
 public:
  /// The model's graph.
  Scope(Graph& graph, const Imports& imports) : graph_(graph), imports_(imports) {}
  /// The body of a function, called with these attributes. Values that it makes are named `prefix` and their name.
  Scope(Graph& graph, const Imports& imports, const Attrs& arguments, std::string prefix)
      : graph_(graph), imports_(imports), arguments_(&arguments), prefix_(std::move(prefix)) {}

  const Imports& imports() const { return imports_; }
  const Attrs* arguments() const { return arguments_; }  ///< nullptr outside of functions
  const std::string& prefix() const { return prefix_; }

  bool knows(const std::string& name) const { return named_.contains(name); }
  Value* find(const std::string& name) const {
    const auto at = named_.find(name);
    return at == named_.end() ? nullptr : at->second;
  }

  /// An initializer, an input; nullptr: an operand that the call of a function leaves out.
  void bind(const std::string& name, Value* value) { named_[name] = value; }
  /// A value that a node of this scope has to make.
  void promise(const std::string& name, Value* value) {
    named_[name] = value;
    promised_.insert(value);
  }

  /// The value of a name that is read.
  Value* mention(const std::string& name) {
    if (knows(name)) return find(name);
    Value* value = add(name);
    promised_.insert(value);
    return value;
  }

  /// The value of a name that is made. Throws Error where something makes it already.
  Value* claim(const std::string& name) {
    Value* value = find(name);
    if (value == nullptr && !knows(name)) {
      value = add(name);
      claimed_.insert(value);
      return value;
    }
    const bool free = promised_.contains(value) && value->producer == nullptr && !value->is_constant();
    if (!free || !claimed_.insert(value).second) fail_input("makes '{}', which is made already", name);
    return value;
  }

 private:
  /// In the model's graph a value that a translation made and called so gives way.
  Value* add(const std::string& name) {
    if (arguments_ == nullptr)
      if (Value* made = graph_.find_value(name)) graph_.rename(made, name + ".made");
    return named_[name] = graph_.add_value(prefix_ + name);
  }

  Graph& graph_;
  const Imports& imports_;
  const Attrs* arguments_ = nullptr;
  std::string prefix_;
  std::unordered_map<std::string, Value*> named_;
  std::unordered_set<const Value*> promised_;  // read before any node made it
  std::unordered_set<const Value*> claimed_;   // made by a node read so far
};

}  // namespace tercel::onnx
