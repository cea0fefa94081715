#include "onnx/functions.h"

#include "base/error.h"
#include "graph/op.h"
#include "onnx/proto.h"
#include "onnx/reader.h"

namespace tercel::onnx {
namespace {

using protozero::pbf_message;
using protozero::pbf_reader;

std::string domain_of(std::string name) { return name == "ai.onnx" ? std::string() : name; }

}  // namespace

void Imports::add(const pbf_reader& message) {
  std::string domain;
  int64_t version = 0;
  for (pbf_message<OpsetField> m(message); m.next();) {
    switch (m.tag()) {
      case OpsetField::domain: domain = m.get_string(); break;
      case OpsetField::version: version = m.get_int64(); break;
      default: m.skip();
    }
  }
  domain = domain_of(std::move(domain));
  const auto [at, fresh] = versions_.emplace(domain, version);
  if (fresh || at->second == version) return;
  if (domain.empty()) fail_input("names two opsets for the standard operators, {} and {}", at->second, version);
  fail_input("names two versions of the domain '{}', {} and {}", domain, at->second, version);
}

std::optional<int64_t> Imports::find(std::string_view domain) const {
  const auto at = versions_.find(domain);
  return at == versions_.end() ? std::nullopt : std::optional(at->second);
}

int64_t Imports::opset() const {
  const auto opset = find("");
  if (!opset) fail_input("names no opset for the standard operators");
  if (*opset < kOldestOpset || *opset > kNewestOpset)
    fail_unsupported("opset {}; Tercel reads {} to {}", *opset, kOldestOpset, kNewestOpset);
  return *opset;
}

RawNode read_raw_node(const pbf_reader& message) {
  RawNode node;
  for (pbf_message<NodeField> m(message); m.next();) {
    switch (m.tag()) {
      case NodeField::input: node.inputs.push_back(m.get_string()); break;
      case NodeField::output: node.outputs.push_back(m.get_string()); break;
      case NodeField::name: node.name = m.get_string(); break;
      case NodeField::op_type: node.op = m.get_string(); break;
      case NodeField::domain: node.domain = domain_of(m.get_string()); break;
      case NodeField::overload: node.overload = m.get_string(); break;
      case NodeField::attribute: node.attributes.push_back(m.get_message()); break;
      default: m.skip();
    }
  }
  return node;
}

std::string describe(const RawNode& node, std::string_view prefix) {
  const std::string name = !node.name.empty() ? node.name : node.outputs.empty() ? "" : node.outputs[0];
  const std::string own = node.domain == kTercelDomain ? node.domain + "." : "";
  return fmt::format("node '{}{}' ({}{})", prefix, name, own, node.op);
}

void Functions::add(const pbf_reader& message) {
  Function function;
  std::string domain, name, overload;
  for (pbf_message<FunctionField> m(message); m.next();) {
    switch (m.tag()) {
      case FunctionField::name: name = m.get_string(); break;
      case FunctionField::domain: domain = domain_of(m.get_string()); break;
      case FunctionField::overload: overload = m.get_string(); break;
      case FunctionField::input: function.inputs.push_back(m.get_string()); break;
      case FunctionField::output: function.outputs.push_back(m.get_string()); break;
      case FunctionField::attribute: function.attributes.push_back(m.get_string()); break;
      case FunctionField::attribute_proto: function.defaults.push_back(m.get_message()); break;
      case FunctionField::node: function.nodes.push_back(m.get_message()); break;
      case FunctionField::opset_import: function.imports.add(m.get_message()); break;
      default: m.skip();
    }
  }
  if (!by_name_.emplace(std::tuple(domain, name, overload), std::move(function)).second)
    fail_input("defines the function '{}' of domain '{}' twice", name, domain);
}

const Function* Functions::find(const RawNode& node) const {
  const auto at = by_name_.find(std::tuple(node.domain, node.op, node.overload));
  return at == by_name_.end() ? nullptr : &at->second;
}

}  // namespace tercel::onnx
