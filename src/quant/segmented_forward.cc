#include "quant/segmented_forward.h"

#include <algorithm>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "session/model_impl.h"

namespace tercel::inline quant {

Model segment_of(const Model& model, const std::vector<std::string>& from, const std::vector<std::string>& to) {
  auto impl = changeable_copy(model);
  Graph& graph = impl->graph;
  const auto find = [&](const std::string& name) {
    Value* value = graph.find_value(name);
    if (value == nullptr) fail_input("{}: has no value '{}'", model.name(), name);
    return value;
  };
  for (const std::string& name : from) {
    Value* made = find(name);
    const ValueType type = made->type;
    graph.rename(made, name + "/made");
    graph.replace_uses(made, graph.add_input(name, type));
  }
  // The former outputs are replaced first; where there are more of them than `to`, the last value is repeated.
  TERCEL_CHECK(!to.empty());
  const size_t outputs = std::max(to.size(), graph.outputs().size());
  for (size_t i = 0; i < outputs; ++i) {
    Value* value = find(to[std::min(i, to.size() - 1)]);
    if (i < graph.outputs().size()) graph.set_output(i, value);
    else graph.add_output(value);
  }
  graph.drop_unused();
  return Model(std::move(impl));
}

std::optional<std::vector<std::string>> live_set_before(const Graph& graph, const Node* node, int64_t most_bytes) {
  std::set<const Node*> before;
  std::vector<std::string> names;
  for (const auto& n : graph.nodes()) {
    if (n.get() == node) break;
    before.insert(n.get());
  }
  int64_t bytes = 0;
  for (const auto& n : graph.nodes()) {
    if (!before.contains(n.get())) break;
    for (const Value* value : n->outputs) {
      if (value == nullptr) continue;
      const bool read = graph.is_output(value) || std::any_of(value->users.begin(), value->users.end(),
                                                              [&](const Node* user) { return !before.contains(user); });
      if (!read) continue;
      if (value->type.dtype != DType::f32 || !value->type.static_shape()) return std::nullopt;
      bytes += count_elements(value->type.dims) * static_cast<int64_t>(sizeof(float));
      if (bytes > most_bytes) return std::nullopt;
      names.push_back(value->name);
    }
  }
  return names;
}

SegmentedForward::Runner::Runner(SegmentedForward& pass, const Model& model, const std::vector<std::string>& values,
                                 const std::vector<std::string>* next)
    : pass_(pass), moves_(next != nullptr) {
  std::vector<std::string> wanted;
  const auto source = [&](const std::string& name) -> Source {
    const auto kept = std::find(pass.names_.begin(), pass.names_.end(), name);
    if (kept != pass.names_.end()) return {true, static_cast<size_t>(kept - pass.names_.begin())};
    const auto had = std::find(wanted.begin(), wanted.end(), name);
    const Source made{false, static_cast<size_t>(had - wanted.begin())};
    if (had == wanted.end()) wanted.push_back(name);
    return made;
  };
  for (const std::string& name : values) values_.push_back(source(name));
  if (moves_)
    for (const std::string& name : *next) next_.push_back(source(name));
  if (wanted.empty()) return;
  SessionOptions alone;
  alone.threads = 1;
  session_.emplace(segment_of(model, pass.names_, wanted), alone);
}

std::vector<Array> SegmentedForward::Runner::run(size_t input) {
  const std::vector<Array>& kept = pass_.kept_[input];
  std::vector<Array> made;
  if (session_) {
    std::vector<Array> operands{pass_.inputs_[input]};
    operands.insert(operands.end(), kept.begin(), kept.end());
    made = session_->run(operands);
  }
  const auto pick = [&](const std::vector<Source>& sources) {
    std::vector<Array> arrays;
    for (const Source& source : sources) arrays.push_back((source.kept ? kept : made)[source.index]);
    return arrays;
  };
  if (moves_) pass_.next_[input] = pick(next_);
  return pick(values_);
}

void SegmentedForward::move(const std::vector<std::string>& next) {
  names_ = next;
  kept_.swap(next_);
}

}  // namespace tercel::inline quant
