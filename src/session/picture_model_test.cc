// Networks that do not classify as most do.
#include "session/picture_model.h"

#include "base/error_testing.h"
#include "session/passes_testing.h"

namespace tercel::inline session {
namespace {

using testing::HasSubstr;

Model model_of(const std::string& text) {
  return Model(std::make_shared<Model::Impl>(Model::Impl{"net", graph_of(text), {}, {}}));
}

/// `end`: what becomes of %s, four scores of which the third is the highest.
Model with_end(const std::string& end) {
  return model_of(R"(input %x : f32[1x3x2x2]
const %zero : f32[] = [0]
const %scores : f32[1x4] = [1, 2, 4, 3]
%p : f32[1x3x1x1] = GlobalAveragePool(%x)
%m : f32[1x1x1x1] = ReduceMean(%p) {keepdims = 1}
%n : f32[1x1x1x1] = Mul(%m, %zero)
const %shape : i64[2] = [1, 1]
%f : f32[1x1] = Reshape(%n, %shape)
%s : f32[1x4] = Add(%f, %scores)
)" + end);
}

std::vector<Class> classes_of(const Model& model) {
  Preprocessing how;
  how.width = how.height = how.resize = 2;
  return Session(model).classify(Image(2, 2), how, 3);
}

TEST(PictureModel, AnArgMaxGivesTheClass) {
  for (const char* end :
       {"%y : i64[1x1] = ArgMax(%s) {axis = 1}\noutput %y\n",
        "%y : i64[1] = ArgMax(%s) {axis = 1, keepdims = 0}\noutput %y\n",
        "%a : i64[1x1] = ArgMax(%s) {axis = 1}\n%y : f32[1x1] = Cast(%a) {to = \"f32\"}\noutput %y\n"}) {
    const std::vector<Class> classes = classes_of(with_end(end));
    ASSERT_EQ(classes.size(), 1u) << end;
    EXPECT_EQ(classes[0].index, 2) << end;
    EXPECT_TRUE(std::isnan(classes[0].probability)) << end;
  }
}

TEST(PictureModel, ProbabilitiesStayBehindNodesThatOnlyReshape) {
  const Model scores = with_end("output %s\n");
  const Model probabilities = with_end("%a : f32[1x4] = Softmax(%s)\n%y : f32[1x4] = Identity(%a)\noutput %y\n");
  EXPECT_EQ(first_output(scores), FirstOutput::scores);
  EXPECT_EQ(first_output(probabilities), FirstOutput::probabilities);
  const std::vector<Class> wanted = classes_of(scores), got = classes_of(probabilities);
  ASSERT_EQ(got.size(), 3u);
  for (size_t i = 0; i < got.size(); ++i) {
    EXPECT_EQ(got[i].index, wanted[i].index);
    EXPECT_NEAR(got[i].probability, wanted[i].probability, 1e-6);
  }
}

TEST(PictureModel, NetworksThatDoNotClassifyAreRefused) {
  EXPECT_THAT(
      error_of([] {
        classes_of(with_end("const %k : i64[1] = [2]\n%y, %i : f32[1x2], i64[1x2] = TopK(%s, %k)\noutput %y\n"));
      }),
      HasSubstr("ends in TopK"));
  EXPECT_THAT(
      error_of([] { classes_of(model_of("input %x : f32[1x3x2x2]\n%y : f32[1x3x2x2] = Relu(%x)\noutput %y\n")); }),
      HasSubstr("the first output is 1x3x2x2, not one score for each class"));
  EXPECT_THAT(error_of([] {
                classes_of(model_of("input %x : f32[1x3x2x2]\n%y : i64[1x1x2x2] = ArgMax(%x) {axis = 1}\noutput %y\n"));
              }),
              HasSubstr("the first output is 1x1x2x2, not one class"));
}

TEST(PictureModel, APreprocessingThatDoesNotFitIsNamed) {
  const Model model = model_of("input %x : f32[1x3x8x8]\n%y : f32[1x3x8x8] = Relu(%x)\noutput %y\n");
  EXPECT_THAT(error_of([&] { picture_dims(model, Preprocessing::preset("cifar")); }),
              HasSubstr("the preprocessing 'cifar' makes 1x3x32x32 of a picture, but the input 'x' is 1x3x8x8"));
  EXPECT_EQ(picture_dims(model, model.preprocessing()), (std::vector<int64_t>{1, 3, 8, 8}));
}

}  // namespace
}  // namespace tercel::inline session
