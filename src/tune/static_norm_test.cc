#include "tercel/static_norm.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>

#include <cmath>
#include <fstream>
#include <iterator>

#include "base/folder_testing.h"
#include "base/rng.h"
#include "graph/infer.h"
#include "graph/text.h"
#include "session/model_impl.h"
#include "tercel/error.h"
#include "tercel/session.h"
#include "tune/norm_sites.h"

namespace tercel::inline tune {
namespace {

namespace fs = std::filesystem;
using testing::Contains;
using testing::HasSubstr;

/// 16 patches, two blocks without attention, mean of the tokens, 5 classes.
constexpr const char* kNet = R"(input %x : f32[1x3x16x16]
input %w_patch : f32[12x3x4x4]
input %w_pos : f32[1x16x12]
input %w_gamma : f32[12]
input %w_beta : f32[12]
input %w_a1 : f32[12x24]
input %w_b1 : f32[24]
input %w_a2 : f32[24x12]
input %w_c1 : f32[12x24]
input %w_c2 : f32[24x12]
input %w_head : f32[12x5]
const %rows : i64[3] = [1, 12, 16]
const %axes : i64[1] = [1]
%p : f32[1x12x4x4] = Conv(%x, %w_patch) {strides = [4, 4]}
%q : f32[1x12x16] = Reshape(%p, %rows)
%t : f32[1x16x12] = Transpose(%q) {perm = [0, 2, 1]}
%s0 : f32[1x16x12] = Add(%t, %w_pos)
%n0 : f32[1x16x12] = LayerNormalization(%s0, %w_gamma, %w_beta) "norm0"
%a1 : f32[1x16x24] = MatMul(%n0, %w_a1)
%a2 : f32[1x16x24] = Add(%a1, %w_b1)
%a3 : f32[1x16x24] = Relu(%a2)
%a4 : f32[1x16x12] = MatMul(%a3, %w_a2)
%s1 : f32[1x16x12] = Add(%s0, %a4)
%n1 : f32[1x16x12] = LayerNormalization(%s1, %w_gamma, %w_beta) "norm1"
%c1 : f32[1x16x24] = MatMul(%n1, %w_c1)
%c2 : f32[1x16x24] = Tanh(%c1)
%c3 : f32[1x16x12] = MatMul(%c2, %w_c2)
%s2 : f32[1x16x12] = Add(%s1, %c3)
%n2 : f32[1x16x12] = LayerNormalization(%s2, %w_gamma, %w_beta) "norm2"
%m : f32[1x12] = ReduceMean(%n2, %axes) {keepdims = 0}
%y : f32[1x5] = MatMul(%m, %w_head)
output %y
)";

Model model_of(const std::string& text) {
  Graph graph = parse_graph(text);
  Rng rng(3);
  for (Value* input : std::vector<Value*>(graph.inputs())) {
    if (input->name.rfind("w_", 0) != 0) continue;
    std::vector<float> values(static_cast<size_t>(count_elements(input->type.dims)));
    for (float& v : values) v = static_cast<float>(rng.uniform(-1, 1));
    graph.make_constant(input, Tensor::of<float>(input->type.dims, values));
  }
  infer_types(graph);
  return Model(std::make_shared<Model::Impl>(Model::Impl{"net", std::move(graph), {}, {}}));
}

std::vector<std::string> operators(const Model& model) {
  std::vector<std::string> ops;
  for (const NodeInfo& node : model.nodes()) ops.push_back(node.op);
  return ops;
}

std::vector<float> answer(const Model& model, uint64_t seed) {
  Rng rng(seed);
  Array input(DType::f32, {1, 3, 16, 16});
  for (float& v : input.floats()) v = static_cast<float>(rng.uniform(-1, 1));
  return Session(model).run({input}).at(0).to_floats();
}

class StaticNorm : public testing::Test {
 protected:
  /// Noise of a contrast of its own, so that tokens differ in their deviation.
  void draw(int count) {
    for (int n = 0; n < count; ++n) {
      Rng rng(static_cast<uint64_t>(n) + 100);
      std::vector<uint8_t> pixels(20 * 20 * 3);
      const double contrast = rng.uniform(40, 120);
      for (uint8_t& level : pixels) level = static_cast<uint8_t>(128 + contrast * rng.uniform(-1, 1));
      png_image image{};
      image.version = PNG_IMAGE_VERSION;
      image.width = image.height = 20;
      image.format = PNG_FORMAT_RGB;
      const std::string path = (folder_ / ("picture" + std::to_string(n) + ".png")).string();
      ASSERT_NE(png_image_write_to_file(&image, path.c_str(), 0, pixels.data(), 0, nullptr), 0);
    }
  }

  std::string error_of(const Model& model, const StaticNormOptions& options = {}) {
    try {
      fix_norms(model, folder_, options);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  TemporaryFolder temporary_{"static_norm"};
  const fs::path& folder_ = temporary_.path();
};

TEST_F(StaticNorm, FixesAllWhereAnythingMayBeLost) {
  draw(24);
  for (NormEstimator estimator : {NormEstimator::scalar, NormEstimator::position, NormEstimator::channel,
                                  NormEstimator::affine, NormEstimator::ridge, NormEstimator::position_ridge}) {
    StaticNormOptions options;
    options.estimator = estimator;
    options.max_drop = 100;
    const StaticNormResult result = fix_norms(model_of(kNet), folder_, options);
    EXPECT_EQ(result.report.sites.size(), 2u);
    EXPECT_EQ(result.report.chosen.fixed, 2);
    EXPECT_EQ(result.report.measured + result.report.held_out, 24u);
    EXPECT_EQ(result.report.original_top1, -1);
    EXPECT_THAT(result.report.exact, Contains(HasSubstr("node 'norm2'")));  // the mean of the tokens comes first
    EXPECT_THAT(operators(result.model), Contains("LayerNormalization").Times(1));
    EXPECT_GT(result.report.sites[0].spread, 0);
    EXPECT_GT(result.report.sites[0].sensitivity, 0);
    EXPECT_LT(result.report.sites[0].residual, 1);
  }
}

TEST_F(StaticNorm, LosesNoMoreThanAllowed) {
  draw(24);
  StaticNormOptions options;
  options.estimator = NormEstimator::channel;
  options.max_drop = 0;
  const StaticNormResult result = fix_norms(model_of(kNet), folder_, options);
  EXPECT_EQ(result.report.chosen.agreement, 1);
  int fixed = 0;
  for (const StaticNormSite& site : result.report.sites) fixed += site.fixed ? 1 : 0;
  EXPECT_EQ(fixed, result.report.chosen.fixed);
  EXPECT_THAT(operators(result.model), Contains("LayerNormalization").Times(3 - fixed));
}

TEST_F(StaticNorm, PromisesForPicturesLikeThese) {
  draw(60);
  const StaticNormReport loose = fix_norms(model_of(kNet), folder_, {.max_drop = 60}).report;
  ASSERT_TRUE(loose.promise.has_value());
  EXPECT_TRUE(loose.promise->promised);
  EXPECT_GT(loose.chosen.fixed, 0);
  EXPECT_LE(loose.promise->bound, 60);
  // No answer changes on these pictures, or hardly one, but so few cannot show a loss as small as this.
  const StaticNormReport strict = fix_norms(model_of(kNet), folder_, {.max_drop = 0.001}).report;
  EXPECT_EQ(strict.chosen.fixed, 0);
  EXPECT_TRUE(strict.promise->promised);
  EXPECT_EQ(strict.promise->bound, 0);
  EXPECT_FALSE(fix_norms(model_of(kNet), folder_, {.sites = {1}}).report.promise.has_value());
}

TEST_F(StaticNorm, PromisesNothingOnFewPicturesOrTheirCopies) {
  draw(20);
  EXPECT_THAT(error_of(model_of(kNet)), HasSubstr("20 pictures are too few to promise"));
  for (int n = 0; n < 10; ++n)
    fs::copy_file(folder_ / ("picture" + std::to_string(n) + ".png"), folder_ / ("again" + std::to_string(n) + ".png"));
  EXPECT_THAT(error_of(model_of(kNet)), HasSubstr("20 pictures are too few to promise"));
}

TEST_F(StaticNorm, SameSeedSameBytes) {
  draw(12);
  std::string bytes[2];
  for (std::string& written : bytes) {
    StaticNormOptions options;
    options.sites = {1};
    const fs::path path = folder_ / "fixed.onnx";
    fix_norms(model_of(kNet), folder_, options).model.save_onnx(path);
    std::ifstream file(path, std::ios::binary);
    written.assign(std::istreambuf_iterator<char>(file), {});
    const Model again = load(path);
    EXPECT_THAT(operators(again), Contains("LayerNormalization").Times(2));
    EXPECT_EQ(answer(again, 1).size(), 5u);
  }
  EXPECT_EQ(bytes[0], bytes[1]);
}

TEST_F(StaticNorm, SaysWhatIsWrong) {
  EXPECT_THAT(error_of(model_of(kNet)), HasSubstr("holds no picture"));
  draw(1);
  EXPECT_THAT(error_of(model_of(kNet)), HasSubstr("only picture"));
  draw(3);
  EXPECT_THAT(error_of(model_of("input %x : f32[1x3x4x4]\n%y : f32[1x3x4x4] = Relu(%x)\noutput %y\n")),
              HasSubstr("no layer normalization"));
  StaticNormOptions options;
  options.sites = {3};
  EXPECT_THAT(error_of(model_of(kNet), options), HasSubstr("3 of 2"));
  options = {};
  options.max_drop = std::nan("");
  EXPECT_THAT(error_of(model_of(kNet), options), HasSubstr("max_drop"));
  std::ofstream(folder_ / "broken.png") << "these are words";
  options = {};
  options.sites = {1};
  EXPECT_THAT(error_of(model_of(kNet), options), HasSubstr("broken.png"));
  fs::remove_all(folder_);
  EXPECT_THAT(error_of(model_of(kNet)), HasSubstr("no such folder"));
  EXPECT_THROW(parse_norm_estimator("guess"), Error);
}

TEST(NormSites, AnyAffineMapFolds) {
  const Model model = optimize(model_of(kNet));
  std::vector<std::string> refused;
  const std::vector<NormSite> sites = find_norm_sites(model.impl().graph, refused);
  ASSERT_EQ(sites.size(), 2u);
  Rng rng(9);
  NormMap map{std::vector<double>(16), Eigen::MatrixXd(12, 12), Eigen::VectorXd(12)};
  for (double& s : map.row_scale) s = rng.uniform(0.5, 2);
  for (int64_t i = 0; i < 12; ++i) {
    map.shift(i) = rng.uniform(-1, 1);
    for (int64_t j = 0; j < 12; ++j) map.matrix(i, j) = rng.uniform(-1, 1);
  }
  Graph folded = model.impl().graph.clone(), spelled = model.impl().graph.clone();
  fix_norm(folded, sites[1], map);

  // The same map as operators of its own in the place of the norm.
  Value* out = spelled.find_value(sites[1].output);
  Node* norm = out->producer;
  std::vector<float> matrix, shift, scale(map.row_scale.begin(), map.row_scale.end());
  for (int64_t i = 0; i < 12; ++i) {
    shift.push_back(static_cast<float>(map.shift(i)));
    for (int64_t j = 0; j < 12; ++j) matrix.push_back(static_cast<float>(map.matrix(i, j)));
  }
  Value *scaled = spelled.add_value("scaled"), *mapped = spelled.add_value("mapped"), *sum = spelled.add_value("sum");
  spelled.replace_uses(out, sum);
  spelled.add_node("Mul", {norm->input(0), spelled.add_constant("s", Tensor::of<float>({1, 16, 1}, scale))}, {scaled},
                   {}, "", norm);
  spelled.add_node("MatMul", {scaled, spelled.add_constant("m", Tensor::of<float>({12, 12}, matrix))}, {mapped}, {}, "",
                   norm);
  spelled.add_node("Add", {mapped, spelled.add_constant("c", Tensor::of<float>({12}, shift))}, {sum}, {}, "", norm);
  spelled.drop_unused();
  infer_types(spelled);
  const auto wrap = [](Graph graph) {
    return Model(std::make_shared<Model::Impl>(Model::Impl{"net", std::move(graph), {}, {}}));
  };
  const std::vector<float> got = answer(wrap(std::move(folded)), 4), wanted = answer(wrap(std::move(spelled)), 4);
  ASSERT_EQ(got.size(), wanted.size());
  for (size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], wanted[i], 1e-4 * (1 + std::abs(wanted[i])));

  map.row_scale.pop_back();
  EXPECT_THAT(refuse_map(model.impl().graph, sites[1], map), HasSubstr("another number of rows"));
}

}  // namespace
}  // namespace tercel::inline tune
