#include "tune/code_words.h"

#include <cmath>
#include <optional>

#include "base/error.h"
#include "session/model_impl.h"

namespace tercel::inline tune {
namespace {

constexpr double kSameMagnitude = 1e-5;  // relative: of weights that f16 or a factor rounded

std::optional<double> scalar_of(const Value* value) {
  if (value == nullptr || !value->is_constant() || value->constant.elements() != 1) return {};
  if (!is_float(value->constant.dtype())) return {};
  return value->constant.to_doubles()[0];
}

/// What one weight is worth, and the words: rows of +1 and -1.
std::variant<CodeWords, std::string> words_of(const Node& product) {
  const Value* w = product.input(1);
  if (w == nullptr || !w->is_constant() || !is_float(w->type.dtype) || w->type.dims.size() != 2 ||
      w->constant.elements() == 0)
    return fmt::format("{} has no constant matrix of weights", product.describe());
  const bool gemm = product.is("Gemm");
  if (gemm && product.attrs.get_bool("transA")) return fmt::format("{} transposes its input", product.describe());
  const bool rows_are_words = gemm && product.attrs.get_bool("transB");
  const std::vector<double> weights = w->constant.to_doubles();
  const double magnitude = std::abs(weights[0]);
  if (!std::isfinite(magnitude)) return fmt::format("the weights of {} are not finite", product.describe());
  for (const double weight : weights)
    if (!(std::abs(std::abs(weight) - magnitude) <= kSameMagnitude * magnitude))
      return fmt::format("the weights of {} have several magnitudes, {:.6g} and {:.6g} among them", product.describe(),
                         magnitude, std::abs(weight));
  const double factor = gemm ? static_cast<double>(product.attrs.get_float("alpha")) : 1;
  const double beta = magnitude * factor;
  if (!(beta > 0)) return fmt::format("the weights of {} are no code words", product.describe());
  if (gemm && product.input(2) != nullptr) {
    if (!product.input(2)->is_constant()) return fmt::format("{} has a bias that is computed", product.describe());
    for (const double bias : product.input(2)->constant.to_doubles())
      if (bias != 0) return fmt::format("{} has a bias, which a memory has not", product.describe());
  }
  const int64_t bits = w->type.dims[rows_are_words ? 1 : 0], classes = w->type.dims[rows_are_words ? 0 : 1];
  std::vector<float> signs(weights.size());
  for (int64_t c = 0; c < classes; ++c)
    for (int64_t i = 0; i < bits; ++i)
      signs[static_cast<size_t>(c * bits + i)] =
          static_cast<float>(weights[static_cast<size_t>(rows_are_words ? c * bits + i : i * classes + c)]);
  return CodeWords{{}, hopfield::BitPatterns::of_signs(signs, bits), beta};
}

}  // namespace

Value* signed_value(const Value& value) {
  const Node* where = value.producer;
  if (where == nullptr || !where->is("Where")) return nullptr;
  const auto yes = scalar_of(where->input(1)), no = scalar_of(where->input(2));
  if (!yes || !no || !(*yes > 0) || *no != -*yes) return nullptr;
  const Node* greater = where->input(0) == nullptr ? nullptr : where->input(0)->producer;
  if (greater == nullptr || !greater->is("Greater") || scalar_of(greater->input(1)) != 0.0) return nullptr;
  return greater->input(0);
}

std::variant<CodeWords, std::string> find_code_words(const Model& model) {
  const Value* value = model.impl().graph.outputs().at(0);
  // A memory gives the scores, of which one softmax over the classes makes the probabilities; a second gives others.
  for (bool softmax = false; value->producer != nullptr; value = value->producer->input(0)) {
    const Node& end = *value->producer;
    if (end.is("Identity")) continue;
    if (!end.is("Softmax") && !end.is("LogSoftmax")) break;
    if (softmax) return fmt::format("{} is one of several softmaxes at its end", end.describe());
    softmax = true;
    if (const int64_t axis = end.attrs.get_int("axis"); axis != -1 && axis + 1 != std::ssize(value->type.dims))
      return fmt::format("{} is not over the classes", end.describe());
  }
  const Node* product = value->producer;
  if (product == nullptr || (!product->is("Gemm") && !product->is("MatMul")))
    return fmt::format("it ends in {}", product == nullptr ? "no layer" : product->describe());
  const Value* codes = product->input(0);
  const Value* features = codes == nullptr ? nullptr : signed_value(*codes);
  if (features == nullptr)
    return fmt::format("{} does not read signs of features (Where over Greater than 0)", product->describe());
  std::variant<CodeWords, std::string> found = words_of(*product);
  if (auto* words = std::get_if<CodeWords>(&found)) {
    words->features = features->name;
    words->beta *= *scalar_of(codes->producer->input(1));
    if (const auto beta = static_cast<float>(words->beta); !(beta > 0) || !std::isfinite(beta))
      return fmt::format("the scores of {} are beyond the numbers of f32", product->describe());
  }
  return found;
}

}  // namespace tercel::inline tune
