// Layer normalisation folded away: which graphs lose it, which keep it and say why, and that the answers stay.

#include <unistd.h>

#include <filesystem>
#include <set>

#include "session/passes_testing.h"

namespace tercel::inline session {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

struct Rewritten {
  Graph graph;
  std::string notes;

  std::vector<int64_t> centred() const {  // of every RowScale
    std::vector<int64_t> flags;
    for (const auto& node : graph.nodes())
      if (node->is("ai.tercel.RowScale")) flags.push_back(node->attrs.get_int("centred"));
    return flags;
  }
};

Rewritten engine_form(const std::string& text) {
  Rewritten out{graph_of(text), {}};
  for (const auto recipe : {portable_recipe(), engine_recipe()})
    for (const PassLogEntry& entry : rewrite(out.graph, recipe))
      for (const std::string& note : entry.notes) out.notes += note + "\n";
  return out;
}

/// Patches, class token, position; attention left out: a product with residual stands for it.
constexpr const char* kViT = R"(input %x : f32[2x3x8x8]
input %w_patch : f32[12x3x4x4]
input %w_patch_b : f32[12]
input %w_cls : f32[2x1x12]
input %w_pos : f32[1x5x12]
input %w_gamma : f32[12]
input %w_beta : f32[12]
input %w_fc1 : f32[12x20]
input %w_fc1_b : f32[20]
input %w_fc2 : f32[20x12]
input %w_fc2_b : f32[12]
input %w_head : f32[7x12]
input %w_head_b : f32[7]
const %rows : i64[3] = [2, 12, 4]
const %zero : i64[] = [0]
%p : f32[2x12x2x2] = Conv(%x, %w_patch, %w_patch_b) {strides = [4, 4]}
%q : f32[2x12x4] = Reshape(%p, %rows)
%t : f32[2x4x12] = Transpose(%q) {perm = [0, 2, 1]}
%c : f32[2x5x12] = Concat(%w_cls, %t) {axis = 1}
%s0 : f32[2x5x12] = Add(%c, %w_pos)
%n0 : f32[2x5x12] = LayerNormalization(%s0, %w_gamma, %w_beta) {epsilon = 1e-06} "norm0"
%m1 : f32[2x5x20] = MatMul(%n0, %w_fc1)
%b1 : f32[2x5x20] = Add(%w_fc1_b, %m1)
%g1 : f32[2x5x20] = Gelu(%b1)
%m2 : f32[2x5x12] = MatMul(%g1, %w_fc2)
%b2 : f32[2x5x12] = Add(%w_fc2_b, %m2)
%s1 : f32[2x5x12] = Add(%s0, %b2)
%n1 : f32[2x5x12] = LayerNormalization(%s1, %w_gamma, %w_beta) {epsilon = 1e-06} "norm1"
%k : f32[2x12] = Gather(%n1, %zero) {axis = 1}
%y : f32[2x7] = Gemm(%k, %w_head, %w_head_b) {transB = 1}
)";

TEST(FoldLayernorm, TransformerKeepsNoNorm) {
  const std::string text = std::string(kViT) + "output %y\n";
  EXPECT_THAT(engine(text), ElementsAre("FusedConv", "Reshape", "Transpose", "Concat", "Add", "ai.tercel.RowScale",
                                        "FusedMatMul", "FusedMatMul", "Gather", "ai.tercel.RowScale", "FusedMatMul"));
  const Rewritten r = engine_form(text);
  EXPECT_THAT(r.centred(), ElementsAre(1, 1));
  EXPECT_EQ(r.notes, "");
  for (const auto& node : r.graph.nodes())
    if (node->is("ai.tercel.RowScale")) {
      EXPECT_EQ(node->attrs.get_float("epsilon"), 1e-6f);
    }
}

TEST(FoldLayernorm, PortableFormHasUnitScales) {
  Graph graph = graph_of(std::string(kViT) + "output %y\n");
  rewrite(graph, portable_recipe());
  int norms = 0;
  for (const auto& node : graph.nodes()) {
    if (!node->is("LayerNormalization")) continue;
    ++norms;
    EXPECT_EQ(node->inputs.size(), 2u);
    EXPECT_THAT(node->input(1)->constant.to_doubles(), testing::Each(1.0));
  }
  EXPECT_EQ(norms, 2);
  const std::string once = print(graph);
  rewrite(graph, portable_recipe());
  EXPECT_EQ(print(graph), once);
}

TEST(FoldLayernorm, EngineFormIsReachedFromWrittenFiles) {
  const Graph before = graph_of(std::string(kViT) + "output %y\n");
  const Model model(std::make_shared<Model::Impl>(Model::Impl{"test", before.clone(), {}, {}}));
  const auto path = std::filesystem::temp_directory_path() / ("tercel_lean_" + std::to_string(::getpid()) + ".onnx");
  optimize(model).save_onnx(path);
  const Model lean = load(path);
  std::filesystem::remove(path);
  std::vector<std::string> steps[2];
  for (const Model* m : {&model, &lean})
    for (const StepReport& step : Session(*m).prepare().steps) steps[m == &lean].push_back(step.op);
  EXPECT_EQ(steps[0], steps[1]);
  EXPECT_THAT(steps[1], Not(Contains("LayerNormalization")));
  const std::vector<float> wanted = answer(before, false), got = answer(lean.impl().graph, true);
  for (size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 2e-5);
}

TEST(FoldLayernorm, PassesCanBeLeftOut) {
  const Graph graph = graph_of(std::string(kViT) + "output %y\n");
  const Model model(std::make_shared<Model::Impl>(Model::Impl{"test", graph.clone(), {}, {}}));
  SessionOptions options;
  options.without = {"fold_layernorm"};
  std::vector<std::string> steps;
  for (const StepReport& step : Session(model, options).prepare().steps) steps.push_back(step.op);
  EXPECT_THAT(steps, Contains("LayerNormalization"));
  options.without = {"fold_everything"};
  EXPECT_THROW(Session(model, options), Error);
  EXPECT_THROW(optimize(model, {.without = {"fold"}}), Error);
}

TEST(HoistGather, ItsFormerNameLeavesItOutToo) {
  const Graph graph = graph_of(std::string(kViT) + "output %y\n");
  const Model model(std::make_shared<Model::Impl>(Model::Impl{"test", graph.clone(), {}, {}}));
  const auto without = [&](std::vector<std::string> names) {
    return operators(optimize(model, {.without = std::move(names)}).impl().graph);
  };
  EXPECT_EQ(without({"lift_pick"}), without({"hoist_gather"}));
  EXPECT_NE(without({"lift_pick"}), without({}));
}

TEST(FoldLayernorm, StreamsThatSomebodySeesAreNotCentred) {
  const Rewritten r = engine_form(std::string(kViT) + "output %y\noutput %s1\n");
  EXPECT_THAT(r.centred(), ElementsAre(0, 0));
  EXPECT_THAT(r.notes, HasSubstr("'s1' is a result of the network"));
  engine(std::string(kViT) + "output %s1\noutput %y\n");  // what is seen stays as it was
}

TEST(FoldLayernorm, QueriesKeysAndValuesShareOneScale) {
  const std::string text = R"(input %x : f32[3x17x16]
input %w_gamma : f32[16]
input %w_beta : f32[16]
input %w_q : f32[16x16]
input %w_v : f32[16x16]
input %w_v_b : f32[16]
%n : f32[3x17x16] = LayerNormalization(%x, %w_gamma, %w_beta)
%q : f32[3x17x16] = MatMul(%n, %w_q)
%k : f32[3x17x16] = MatMul(%n, %w_q)
%v0 : f32[3x17x16] = MatMul(%n, %w_v)
%v : f32[3x17x16] = Add(%v0, %w_v_b)
%qk : f32[3x17x16] = Mul(%q, %k)
%y : f32[3x17x16] = Mul(%qk, %v)
output %y
)";
  EXPECT_THAT(engine(text),
              ElementsAre("ai.tercel.RowScale", "FusedMatMul", "FusedMatMul", "FusedMatMul", "Mul", "Mul"));
  EXPECT_THAT(engine_form(text).centred(), ElementsAre(0));
}

TEST(FoldLayernorm, SharedParametersAreNotEdited) {
  // One scale, bias and matrix for two norms, one of which has to stay; the matrix is read without a norm too.
  EXPECT_THAT(engine(R"(input %x : f32[5x9]
input %w_gamma : f32[9]
input %w_beta : f32[9]
input %w_w : f32[9x9]
%n : f32[5x9] = LayerNormalization(%x, %w_gamma, %w_beta)
%a : f32[5x9] = MatMul(%n, %w_w)
%m : f32[5x9] = LayerNormalization(%a, %w_gamma, %w_beta)
%r : f32[5x9] = Tanh(%m)
%b : f32[5x9] = MatMul(%r, %w_w)
%y : f32[5x9] = Add(%b, %m)
output %y
)"),
              ElementsAre("ai.tercel.RowScale", "FusedMatMul", "LayerNormalization", "Tanh", "FusedMatMul"));
}

TEST(FoldLayernorm, GemmWithFactorsAndWithoutBias) {
  constexpr const char* kNorm = R"(input %x : f32[5x9]
input %w_gamma : f32[9]
input %w_beta : f32[9]
input %w_w : f32[4x9]
input %w_b : f32[4]
%n : f32[5x9] = LayerNormalization(%x, %w_gamma, %w_beta)
)";
  for (const char* gemm : {"%y : f32[5x4] = Gemm(%n, %w_w, %w_b) {alpha = 0.5, beta = 3.0, transB = 1}\n",
                           "%y : f32[5x4] = Gemm(%n, %w_w) {alpha = 2.0, beta = 0.0, transB = 1}\n"})
    EXPECT_THAT(engine(std::string(kNorm) + gemm + "output %y\n"), ElementsAre("ai.tercel.RowScale", "FusedMatMul"));
}

TEST(FoldLayernorm, PostNormStays) {
  const std::string text = R"(input %x : f32[5x9]
input %w_gamma : f32[9]
input %w_beta : f32[9]
input %w_w : f32[9x9]
%n : f32[5x9] = LayerNormalization(%x, %w_gamma, %w_beta) "post"
%a : f32[5x9] = MatMul(%n, %w_w)
%y : f32[5x9] = Add(%a, %n) "sum"
output %y
)";
  EXPECT_THAT(engine(text), ElementsAre("LayerNormalization", "FusedMatMul"));
  EXPECT_THAT(engine_form(text).notes,
              HasSubstr("node 'post' (LayerNormalization) keeps its scale: node 'sum' (Add) reads it"));
}

TEST(FoldLayernorm, WhatItCannotFoldStays) {
  const auto notes_of = [](const std::string& norm, const std::string& rest = "") {
    const std::string text =
        "input %x : f32[5x6x9]\ninput %g : f32[9]\ninput %w_gamma : f32[9]\ninput %w_gamma2 : "
        "f32[6x9]\ninput %w_one : f32[1]\ninput %w_w : f32[9x9]\ninput %w_w3 : f32[1x9x9]\n" +
        norm + (rest.empty() ? "%y : f32[5x6x9] = MatMul(%n, %w_w)\n" : rest) + "output %y\n";
    EXPECT_THAT(engine(text), Contains("LayerNormalization"));
    return engine_form(text).notes;
  };
  EXPECT_THAT(notes_of("%n : f32[5x6x9] = LayerNormalization(%x, %g)\n"), HasSubstr("no constant of one number"));
  EXPECT_THAT(notes_of("%n : f32[5x6x9] = LayerNormalization(%x, %w_one)\n"), HasSubstr("no constant of one number"));
  EXPECT_THAT(notes_of("%n : f32[5x6x9] = LayerNormalization(%x, %w_gamma, %g)\n"), HasSubstr("its bias"));
  EXPECT_THAT(notes_of("%n : f32[5x6x9] = LayerNormalization(%x, %w_gamma2) {axis = 1}\n"), HasSubstr("last axis"));
  const std::string norm = "%n : f32[5x6x9] = LayerNormalization(%x, %w_gamma)\n";
  EXPECT_THAT(notes_of(norm, "%y : f32[5x6x9] = MatMul(%n, %w_w3)\n"), HasSubstr("no matrix product with constant"));
  EXPECT_THAT(
      notes_of(norm, "%t : f32[5x9x6] = Transpose(%n) {perm = [0, 2, 1]}\n%y : f32[5x9x6] = MatMul(%w_w, %t)\n"),
      HasSubstr("no matrix product with constant"));
  EXPECT_THAT(notes_of(norm, "%y : f32[5x6x9] = MatMul(%n, %w_w)\noutput %n\n"), HasSubstr("result of the network"));
  EXPECT_THAT(notes_of(norm, "%c : f32[5x12x9] = Concat(%n, %x) {axis = 1}\n%y : f32[5x12x9] = MatMul(%c, %w_w)\n"),
              HasSubstr("joins it with something else"));
}

TEST(FoldLayernorm, NodesKeepNamesOfTheirOwn) {
  // Other runtimes refuse a file in which two nodes share a name.
  Graph graph = graph_of(R"(input %x : f32[2x6x8]
input %w_g : f32[8]
input %w_b : f32[8]
input %w_w : f32[8x4]
const %zero : i64[] = [0]
const %one : i64[] = [1]
%n : f32[2x6x8] = LayerNormalization(%x, %w_g, %w_b) "norm"
%c : f32[2x8] = Gather(%n, %zero) {axis = 1} "class"
%d : f32[2x8] = Gather(%n, %one) {axis = 1} "distilled"
%y : f32[2x4] = MatMul(%c, %w_w) "head"
%z : f32[2x4] = MatMul(%d, %w_w) "head2"
output %y
output %z
)");
  rewrite(graph, portable_recipe());
  EXPECT_THAT(operators(graph), ElementsAre("Gather", "LayerNormalization", "Gather", "LayerNormalization", "MatMul",
                                            "Add", "MatMul", "Add"));
  std::set<std::string> names;
  for (const auto& node : graph.nodes()) EXPECT_TRUE(names.insert(node->name).second) << node->name;
}

/// Swin's shifted windows on 6 x 6 tokens: roll by 1, windows of 3 x 3.
constexpr const char* kWindows = R"(const %one : i64[1] = [1]
const %zero : i64[1] = [0]
const %far : i64[1] = [100]
const %axis : i64[1] = [1]
const %split : i64[6] = [2, 2, 3, 2, 3, 8]
const %windows : i64[3] = [8, 9, 8]
input %w_gamma : f32[8]
input %w_beta : f32[8]
input %w_w : f32[8x24]
)";

TEST(FoldLayernorm, ThroughShiftedWindows) {
  const std::string text = std::string("input %x : f32[2x6x6x8]\n") + kWindows + R"(
%n : f32[2x6x6x8] = LayerNormalization(%x, %w_gamma, %w_beta)
%a : f32[2x5x6x8] = Slice(%n, %one, %far, %axis)
%b : f32[2x1x6x8] = Slice(%n, %zero, %one, %axis)
%r : f32[2x6x6x8] = Concat(%a, %b) {axis = 1}
%s : f32[2x2x3x2x3x8] = Reshape(%r, %split)
%t : f32[2x2x2x3x3x8] = Transpose(%s) {perm = [0, 1, 3, 2, 4, 5]}
%w : f32[8x9x8] = Reshape(%t, %windows)
%y : f32[8x9x24] = MatMul(%w, %w_w)
output %y
)";
  EXPECT_THAT(engine(text), ElementsAre("Slice", "Slice", "Concat", "Reshape", "Transpose", "Reshape",
                                        "ai.tercel.RowScale", "FusedMatMul"));
}

TEST(FoldLayernorm, ZeroPaddingBehindABiasIsRefused) {
  const auto text = [](const char* norm) {
    return std::string("input %x : f32[2x5x6x8]\n") + kWindows + norm + R"(
const %pads : i64[8] = [0, 0, 0, 0, 0, 1, 0, 0]
%p : f32[2x6x6x8] = Pad(%n, %pads) "pad"
%s : f32[2x2x3x2x3x8] = Reshape(%p, %split)
%t : f32[2x2x2x3x3x8] = Transpose(%s) {perm = [0, 1, 3, 2, 4, 5]}
%w : f32[8x9x8] = Reshape(%t, %windows)
%y : f32[8x9x24] = MatMul(%w, %w_w)
output %y
)";
  };
  const std::string biased = text("%n : f32[2x5x6x8] = LayerNormalization(%x, %w_gamma, %w_beta)");
  EXPECT_THAT(engine(biased), Contains("LayerNormalization"));
  EXPECT_THAT(engine_form(biased).notes, HasSubstr("zeros are added to its result"));
  EXPECT_THAT(engine(text("%n : f32[2x5x6x8] = LayerNormalization(%x, %w_gamma)")),
              Not(Contains("LayerNormalization")));
}

TEST(FoldLayernorm, PatchMergingSeesTheMeanOfEachPart) {
  // The norm behind the Concat subtracts one mean for both halves: a stream centred before would change it.
  const std::string text = R"(input %x : f32[2x6x9]
input %w_in : f32[9x8]
input %w_g1 : f32[8]
input %w_w1 : f32[8x8]
input %w_g2 : f32[16]
input %w_w2 : f32[16x8]
const %starts0 : i64[1] = [0]
const %starts1 : i64[1] = [1]
const %ends : i64[1] = [6]
const %axes : i64[1] = [1]
const %two : i64[1] = [2]
%s : f32[2x6x8] = MatMul(%x, %w_in)
%n : f32[2x6x8] = LayerNormalization(%s, %w_g1)
%m : f32[2x6x8] = MatMul(%n, %w_w1)
%r : f32[2x6x8] = Add(%s, %m)
%a : f32[2x3x8] = Slice(%r, %starts0, %ends, %axes, %two)
%b : f32[2x3x8] = Slice(%r, %starts1, %ends, %axes, %two)
%c : f32[2x3x16] = Concat(%a, %b) {axis = 2} "merge"
%l : f32[2x3x16] = LayerNormalization(%c, %w_g2)
%y : f32[2x3x8] = MatMul(%l, %w_w2)
output %y
)";
  EXPECT_THAT(engine(text), Not(Contains("LayerNormalization")));
  const Rewritten r = engine_form(text);
  EXPECT_THAT(r.centred(), ElementsAre(0, 0));
  EXPECT_THAT(r.notes, HasSubstr("node 'merge' (Concat) reads it"));
}

TEST(FoldLayernorm, MeansFarFromZero) {
  // Every constant the stream is written with has a mean of its own, far above the deviation.
  EXPECT_THAT(engine(R"(input %x : f32[2x7x8]
input %w_in : f32[8x24]
const %far : f32[1x1x1] = [40]
input %w_b : f32[24]
input %w_g : f32[24]
input %w_w : f32[24x5]
%s : f32[2x7x24] = MatMul(%x, %w_in)
%f : f32[1x1x24] = Mul(%far, %w_b)
%g : f32[1x1x24] = Add(%f, %far)
%t : f32[2x7x24] = Add(%s, %g)
%n : f32[2x7x24] = LayerNormalization(%t, %w_g)
%y : f32[2x7x5] = MatMul(%n, %w_w)
output %y
)"),
              ElementsAre("FusedMatMul", "ai.tercel.RowScale", "FusedMatMul"));
}

TEST(HoistGather, OnlyTheTokensReadAreNormalised) {
  const auto text = [](const std::string& picks) {
    return "input %x : f32[2x6x8]\ninput %w_g : f32[8]\ninput %w_b : f32[8]\nconst %zero : i64[] = [0]\nconst %one : "
           "i64[1] = [1]\nconst %two : i64[1] = [2]\n%n : f32[2x6x8] = LayerNormalization(%x, %w_g, %w_b) {axis = "
           "2}\n" +
           picks;
  };
  const std::string gather = "%c : f32[2x8] = Gather(%n, %zero) {axis = 1}\n";
  const std::string slice = "%d : f32[2x1x8] = Slice(%n, %one, %two, %one)\n";
  EXPECT_THAT(portable(text(gather + "output %c\n")), ElementsAre("Gather", "LayerNormalization"));
  EXPECT_THAT(portable(text(gather + slice + "output %d\noutput %c\n")),
              ElementsAre("Gather", "LayerNormalization", "Slice", "LayerNormalization"));
  EXPECT_THAT(portable(text(gather + "%e : f32[2x6x8] = Relu(%n)\noutput %c\noutput %e\n")),
              ElementsAre("LayerNormalization", "Gather", "Relu"));
}

/// Normalised once as it is and once transposed: scale, bias and row scale would go in along one axis only.
TEST(FoldLayernorm, AValueWithItsChannelsAlongTwoAxesIsRefused) {
  const Rewritten rewritten = engine_form(R"(input %x : f32[1x4x4]
input %w_gamma : f32[4]
input %w_beta : f32[4]
input %w_p : f32[4x3]
%n : f32[1x4x4] = LayerNormalization(%x, %w_gamma, %w_beta)
%t : f32[1x4x4] = Transpose(%n) {perm = [0, 2, 1]}
%c : f32[2x4x4] = Concat(%n, %t) {axis = 0}
%y : f32[2x4x3] = MatMul(%c, %w_p)
output %y
)");
  EXPECT_THAT(operators(rewritten.graph), Contains("LayerNormalization"));
  EXPECT_THAT(rewritten.notes, HasSubstr("along two axes"));
}

}  // namespace
}  // namespace tercel::inline session
