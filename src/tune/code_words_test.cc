#include "tune/code_words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/infer.h"
#include "graph/text.h"
#include "session/model_impl.h"
#include "tercel/hopfield.h"
#include "tercel/session.h"

namespace tercel::inline tune {
namespace {

using testing::HasSubstr;

/// A network of three features and two classes; `end` makes %y of the codes %s and reads %x's signs.
Model network(const std::string& end, const std::string& signs = "%s : f32[?x3] = Where(%above, %plus, %minus)") {
  Graph graph = parse_graph(R"(graph "codes"
input %in : f32[?x3]
const %double : f32[1x3] = [2, 2, 2]
const %zero : f32[] = [0]
const %one : f32[] = [1]
const %plus : f32[] = [1]
const %minus : f32[] = [-1]
const %w : f32[3x2] = [0.5, -0.5, 0.5, 0.5, -0.5, 0.5]
const %rows : f32[2x3] = [0.5, 0.5, -0.5, -0.5, 0.5, 0.5]
const %uneven : f32[3x2] = [0.5, -0.5, 0.5, 0.25, -0.5, 0.5]
const %huge : f32[3x2] = [1e30, -1e30, 1e30, 1e30, -1e30, 1e30]
const %endless : f32[3x2] = [inf, -inf, inf, inf, -inf, inf]
const %far : f32[] = [1e30]
const %minus_far : f32[] = [-1e30]
const %none : f32[3x2] = [0, 0, 0, 0, 0, 0]
const %no_bias : f32[2] = [0, 0]
const %bias : f32[2] = [0, 1]
%x : f32[?x3] = Mul(%in, %double)
%above : bool[?x3] = Greater(%x, %zero)
)" + signs + "\n" + end + "\noutput %y\n");
  infer_types(graph);
  graph.drop_unused();
  return Model(std::make_shared<Model::Impl>(Model::Impl{"test", std::move(graph), {}, {}}));
}

std::string why_not(const std::string& end, const std::string& signs = "%s : f32[?x3] = Where(%above, %plus, %minus)") {
  const auto found = find_code_words(network(end, signs));
  const auto* why = std::get_if<std::string>(&found);
  return why == nullptr ? "found" : *why;
}

void expect_words(const std::string& end, double beta,
                  const std::string& signs = "%s : f32[?x3] = Where(%above, %plus, %minus)") {
  const auto found = find_code_words(network(end, signs));
  ASSERT_TRUE(std::holds_alternative<CodeWords>(found)) << std::get<std::string>(found);
  const auto& words = std::get<CodeWords>(found);
  EXPECT_EQ(words.features, "x");
  EXPECT_DOUBLE_EQ(words.beta, beta);
  const std::vector<float> wanted{1, 1, -1, -1, 1, 1};
  EXPECT_EQ(words.words.to_bytes(), hopfield::BitPatterns::of_signs(wanted, 3).to_bytes());
}

TEST(CodeWords, AreReadFromEveryFormOfTheProduct) {
  expect_words("%y : f32[?x2] = MatMul(%s, %w)", 0.5);
  expect_words("%y : f32[?x2] = Gemm(%s, %rows, %no_bias) {transB = 1, alpha = 4.0}", 2);
  expect_words("%t : f32[?x2] = Gemm(%s, %w, _)\n%y : f32[?x2] = Softmax(%t)", 0.5);
}

TEST(CodeWords, WhatIsNoCodeWordsIsSaid) {
  EXPECT_THAT(why_not("%y : f32[?x2] = MatMul(%s, %uneven)"), HasSubstr("several magnitudes, 0.5 and 0.25"));
  EXPECT_THAT(why_not("%y : f32[?x2] = MatMul(%s, %none)"), HasSubstr("no code words"));
  EXPECT_THAT(why_not("%y : f32[?x2] = Gemm(%s, %w, %bias)"), HasSubstr("has a bias"));
  EXPECT_THAT(why_not("%y : f32[?x2] = MatMul(%x, %w)"), HasSubstr("does not read signs"));
  EXPECT_THAT(why_not("%y : f32[?x3] = Relu(%s)"), HasSubstr("it ends in node of 'y' (Relu)"));
  const std::string end = "%y : f32[?x2] = MatMul(%s, %w)";
  EXPECT_THAT(why_not(end, "%s : f32[?x3] = Where(%above, %minus, %plus)"), HasSubstr("does not read signs"));
  EXPECT_THAT(why_not(end, "%s : f32[?x3] = Where(%above, %plus, %zero)"), HasSubstr("does not read signs"));
  EXPECT_THAT(why_not(end, "%a : bool[?x3] = Greater(%x, %one)\n%s : f32[?x3] = Where(%a, %plus, %minus)"),
              HasSubstr("does not read signs"));
  EXPECT_THAT(why_not("%y : f32[?x2] = MatMul(%s, %endless)"), HasSubstr("are not finite"));
  EXPECT_THAT(why_not("%y : f32[?x2] = MatMul(%s, %huge)", "%s : f32[?x3] = Where(%above, %far, %minus_far)"),
              HasSubstr("beyond the numbers of f32"));
}

TEST(CodeWords, AnEndOfWhichTheMemoryCannotGiveTheProbabilitiesIsRefused) {
  const std::string scores = "%t : f32[?x2] = MatMul(%s, %w)\n";
  expect_words(scores + "%u : f32[?x2] = Identity(%t)\n%y : f32[?x2] = LogSoftmax(%u) {axis = 1}", 0.5);
  EXPECT_THAT(why_not(scores + "%y : f32[?x2] = Softmax(%t) {axis = 0}"), HasSubstr("is not over the classes"));
  EXPECT_THAT(why_not(scores + "%u : f32[?x2] = Softmax(%t)\n%y : f32[?x2] = Softmax(%u)"),
              HasSubstr("one of several softmaxes"));
}

TEST(CodeWords, TheMemoryAnswersAsTheNetwork) {
  const Model model = network("%y : f32[?x2] = MatMul(%s, %w)");
  const HopfieldResult result = hopfield_of_code_words(model);
  EXPECT_EQ(result.report.patterns, 2);
  EXPECT_EQ(result.report.head_bytes, 2 * (1 + 2));
  Session network_session(model), memory(result.model);
  for (const std::vector<float>& x : {std::vector<float>{1, 2, 3}, {-1, 0, 3}, {0, -0.0f, -1}, {5, 1, -2}}) {
    const std::vector<Array> wanted = network_session.run({Array({1, 3}, x)}), got = memory.run({Array({1, 3}, x)});
    EXPECT_EQ(std::vector<float>(got[0].floats().begin(), got[0].floats().end()),
              std::vector<float>(wanted[0].floats().begin(), wanted[0].floats().end()));
  }
}

TEST(CodeWords, OptionsThatTheyDecideAreRefused) {
  HopfieldOptions options;
  options.patterns_per_class = 4;
  EXPECT_THROW(hopfield_of_code_words(network("%y : f32[?x2] = MatMul(%s, %w)"), options), Error);
  EXPECT_THROW(hopfield_of_code_words(network("%y : f32[?x2] = MatMul(%s, %uneven)")), Error);
}

}  // namespace
}  // namespace tercel::inline tune
