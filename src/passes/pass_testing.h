// For tests of passes as documentation: the graph as text before and after one pass. That answers stay is tested where
// there are kernels (session/passes_test.cc).
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "graph/infer.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "passes/pass.h"

namespace tercel::inline passes {

/// The text as the printer writes it: what a graph is compared with.
inline std::string normalized(const std::string& text) {
  Graph graph = parse_graph(text);
  infer_types(graph);
  verify(graph, "parsing");
  return print(graph);
}

/// The graph after one pass, as text. `notes`: what the pass says of nodes that it leaves alone. `evaluate`: as in
/// PassContext; without it no node is computed.
inline std::string after(int (*run)(Graph&, PassContext&), const std::string& text, std::string* notes = nullptr,
                         std::function<std::vector<Tensor>(const Node&)> evaluate = {}) {
  Graph graph = parse_graph(text);
  infer_types(graph);
  PassContext context;
  context.evaluate = evaluate ? std::move(evaluate) : [](const Node&) { return std::vector<Tensor>(); };
  const Pass pass{"tested", "", run};
  const auto log = run_passes(graph, {&pass, 1}, context);
  if (notes != nullptr)
    for (const std::string& note : log.at(0).notes) *notes += note + "\n";
  return print(graph);
}

/// The pass turns `before` into `wanted`.
inline void expect_after(int (*run)(Graph&, PassContext&), const std::string& before, const std::string& wanted) {
  EXPECT_EQ(after(run, before), normalized(wanted));
}

/// The pass leaves the graph as it is.
inline void expect_unchanged(int (*run)(Graph&, PassContext&), const std::string& text) {
  EXPECT_EQ(after(run, text), normalized(text));
}

}  // namespace tercel::inline passes
