// For tests of passes: graphs from text, their answers before and after.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/rng.h"
#include "graph/infer.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "passes/recipe.h"
#include "session/model_impl.h"
#include "session/optimizer.h"
#include "tercel/tercel.h"

namespace tercel::inline session {

inline Tensor random_tensor(Dims dims, uint64_t seed, double low = -1, double high = 1) {
  Rng rng(seed);
  std::vector<float> values(static_cast<size_t>(count_elements(dims)));
  for (float& v : values) v = static_cast<float>(rng.uniform(low, high));
  return Tensor::of<float>(std::move(dims), values);
}

/// Text of a graph in which inputs named w_... (var_...: positive) are constants of seeded noise.
inline Graph graph_of(const std::string& text) {
  Graph graph = parse_graph(text);
  uint64_t seed = 1;
  for (const auto& input : std::vector<Value*>(graph.inputs())) {
    // Inputs named like weights stand for constants: the text would be unreadable with their numbers in it.
    if (input->name.rfind("w_", 0) == 0) graph.make_constant(input, random_tensor(input->type.dims, ++seed));
    if (input->name.rfind("var_", 0) == 0) graph.make_constant(input, random_tensor(input->type.dims, ++seed, 0.5, 2));
  }
  infer_types(graph);
  verify(graph, "parsing");
  return graph;
}

inline std::vector<std::string> operators(const Graph& graph) {
  std::vector<std::string> ops;
  for (const auto& node : graph.nodes()) ops.push_back(node->op);
  return ops;
}

inline std::vector<float> answer(const Graph& graph, bool optimize) {
  const Model model(std::make_shared<Model::Impl>(Model::Impl{"test", graph.clone(), {}, {}}));
  SessionOptions options;
  options.optimize = optimize;
  options.reference = !optimize;
  Session session(model, options);
  std::vector<Array> inputs;
  for (const Port& port : model.inputs()) {
    const Tensor tensor = random_tensor(port.dims, 77);
    Array array(DType::f32, port.dims);
    std::copy(tensor.data(), tensor.data() + tensor.bytes(), array.data());
    inputs.push_back(std::move(array));
  }
  return session.run(inputs).at(0).to_floats();
}

/// The operators after the passes; the answer must be what it was.
inline std::vector<std::string> after(const std::string& text, std::span<const Pass> first,
                                      std::span<const Pass> second = {}) {
  const Graph before = graph_of(text);
  const std::vector<float> wanted = answer(before, false), got = answer(before, true);
  EXPECT_EQ(wanted.size(), got.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (std::isfinite(wanted[i])) EXPECT_NEAR(got[i], wanted[i], 2e-5 * (1 + std::abs(wanted[i]))) << i;
    else EXPECT_TRUE(got[i] == wanted[i] || (std::isnan(got[i]) && std::isnan(wanted[i]))) << i << ": " << got[i];
  }
  Graph graph = before.clone();
  rewrite(graph, first);
  rewrite(graph, second);
  return operators(graph);
}

inline std::vector<std::string> portable(const std::string& text) { return after(text, portable_recipe()); }
inline std::vector<std::string> engine(const std::string& text) {
  return after(text, portable_recipe(), engine_recipe());
}

}  // namespace tercel::inline session
