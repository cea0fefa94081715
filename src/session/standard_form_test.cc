// What Tercel's own operators mean in standard ones (graph/standard_form.h), against their reference kernels.

#include "graph/standard_form.h"

#include <set>

#include "graph/op.h"
#include "onnx/reader.h"
#include "onnx/writer.h"
#include "session/passes_testing.h"

namespace tercel::inline session {
namespace {

/// The model as a Tercel sees it that does not know the operators: its file says that they are of a later version.
Graph in_standard_operators(const Graph& graph) {
  auto bytes = std::make_shared<std::string>(onnx::write_model(graph));
  int64_t version = 0;
  for (const auto& node : graph.nodes())
    if (node->spec->domain == Domain::tercel) version = std::max<int64_t>(version, node->spec->since);
  const std::string import = std::string(kTercelDomain) + "\x10" + static_cast<char>(version);
  const size_t at = bytes->find(import);
  EXPECT_NE(at, std::string::npos);
  (*bytes)[at + import.size() - 1] = 99;
  onnx::ReadResult result = onnx::read_model(std::as_bytes(std::span(*bytes)), bytes);
  for (const auto& node : result.graph.nodes()) EXPECT_EQ(node->spec->domain, Domain::onnx) << node->describe();
  return std::move(result.graph);
}

struct Case {
  std::string_view op;  ///< of `y`
  std::string text;
};

/// At least one of each operator of ours that has a standard form.
std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* attributes : {"", "{centred = 1}", "{epsilon = 0.25}", "{epsilon = 0, centred = 0}"})
    all.push_back(
        {"ai.tercel.RowScale",
         fmt::format("input %x : f32[2x3x7]\n%y : f32[2x3x1] = ai.tercel.RowScale(%x) {}\noutput %y\n", attributes)});
  // Squares of f16 beyond its range.
  all.push_back({"ai.tercel.RowScale",
                 "input %x : f32[2x7]\nconst %big : f32[] = [3000]\n%l : f32[2x7] = Mul(%x, %big)\n"
                 "%h : f16[2x7] = Cast(%l) {to = \"f16\"}\n%s : f16[2x1] = ai.tercel.RowScale(%h)\n"
                 "%y : f32[2x1] = Cast(%s) {to = \"f32\"}\noutput %y\n"});
  for (const char* x : {"f32[1x19]", "f32[3x19]"})
    for (const char* beta : {"0.25", "8"})
      all.push_back(
          {"ai.tercel.SoftmaxMemory",
           fmt::format("input %x : {}\nconst %patterns : u8[5x3] = [1, 255, 7, 20, 30, 2, 200, 99, 0, 1, 255, 6, "
                       "77, 88, 5]\nconst %classes : i64[5] = [0, 2, 1, 0, 2]\n"
                       "%y : f32[{}x3] = ai.tercel.SoftmaxMemory(%x, %patterns, %classes) "
                       "{{beta = {}, class_count = 3}}\noutput %y\n",
                       x, x[4], beta)});
  return all;
}

TEST(StandardForm, SaysWhatTheReferenceComputes) {
  for (const Case& c : cases()) {
    const Graph own = graph_of(c.text);
    const std::vector<float> wanted = answer(own, false), got = answer(in_standard_operators(own), false);
    ASSERT_EQ(wanted.size(), got.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      EXPECT_TRUE(std::isfinite(wanted[i]) && wanted[i] != 0) << c.text << i;
      EXPECT_NEAR(got[i], wanted[i], 1e-6 * std::abs(wanted[i])) << c.text << i;
    }
  }
}

TEST(StandardForm, EveryOneHasACase) {
  std::set<std::string_view> tried;
  for (const Case& c : cases()) tried.insert(c.op);
  for (const OpSpec* spec : all_ops())
    EXPECT_TRUE(spec->standard_form.empty() || tried.contains(spec->name)) << spec->name;
}

}  // namespace
}  // namespace tercel::inline session
