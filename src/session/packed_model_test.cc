// Networks read from `.tercel` files: their weights are decoded where they are used, and let go.
#include <gmock/gmock.h>

#include <vector>

#include "base/file.h"
#include "pack/pack.h"
#include "session/model_impl.h"
#include "tercel/tercel.h"

namespace tercel::inline session {
namespace {

const char* const kModel = TERCEL_SOURCE_DIR "/models/resnet20_cifar10.tercel";

std::vector<float> answer_of(const Model& model) {
  SessionOptions options;
  options.threads = 1;
  Session session(model, options);
  Array input(DType::f32, {1, 3, 32, 32});
  for (size_t i = 0; i < input.floats().size(); ++i) input.floats()[i] = static_cast<float>(i % 37) / 18 - 1;
  return session.run({input}).at(0).to_floats();
}

/// As many constants of the model as wait to be decoded.
int waiting(const Model& model) {
  int count = 0;
  for (const auto& value : model.impl().graph.values()) count += value->is_constant() && value->constant.lazy();
  return count;
}

TEST(PackedModel, WeightsAreDecodedForASessionAndLetGo) {
  const Model model = load(kModel);
  const int all = waiting(model);
  EXPECT_GT(all, 15);
  const Model lean = optimize(model);
  const int lean_ones = waiting(lean);
  EXPECT_GT(lean_ones, 15);
  const std::vector<float> answer = answer_of(lean);
  EXPECT_EQ(waiting(model), all);
  EXPECT_EQ(waiting(lean), lean_ones);

  const auto file = MappedFile::open(kModel);
  onnx::ReadResult at_once = pack::read(file->bytes());
  const Model decoded(std::make_shared<Model::Impl>(Model::Impl{"decoded", std::move(at_once.graph), {}, {}}));
  EXPECT_EQ(waiting(decoded), 0);
  EXPECT_EQ(answer_of(optimize(decoded)), answer);
}

}  // namespace
}  // namespace tercel::inline session
