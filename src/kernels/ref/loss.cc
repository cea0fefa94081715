#include "kernels/ref/axes.h"
#include "kernels/ref/number.h"
#include "kernels/ref/reduce_parts.h"

namespace tercel::inline kernels {
namespace {

int64_t label_at(const View& labels, int64_t i) {
  return labels.dtype == DType::i32 ? labels.as<int32_t>()[i] : labels.as<int64_t>()[i];
}

/// -w[label] * log_prob[label] for every label; ignored labels weigh nothing. The mean is over the weights, not their
/// number. Log-probabilities are the scores themselves, or made from them by log-softmax over the classes.
template <typename T>
void loss_of(const Attrs& attrs, std::span<const View> src, std::span<const View> dst, bool from_scores) {
  const AxisSplit classes(src[0].dims, 1);
  const std::string& reduction = attrs.get_string("reduction");
  const bool ignores = attrs.has("ignore_index");
  const int64_t ignored = ignores ? attrs.get_int("ignore_index") : 0;
  const View weights = operand(src, 2);
  const View log_probs = operand(dst, 1);
  double total = 0;
  double total_weight = 0;
  int64_t number = 0;
  classes.for_each_line([&](int64_t first) {
    const T* scores = src[0].as<T>() + first;
    const auto score = [&](int64_t i) { return to_double(scores[i * classes.inner]); };
    double log_sum = 0;  // of the exponentials, so that score - log_sum is a log-probability
    if (from_scores) {
      double largest = score(0);
      for (int64_t i = 1; i < classes.extent; ++i) largest = std::max(largest, score(i));
      for (int64_t i = 0; i < classes.extent; ++i) log_sum += std::exp(score(i) - largest);
      log_sum = std::log(log_sum) + largest;
    }
    if (log_probs)
      for (int64_t i = 0; i < classes.extent; ++i)
        log_probs.as<T>()[first + i * classes.inner] = convert<T>(score(i) - log_sum);
    const int64_t label = label_at(src[1], number);
    double loss = 0;
    if (!ignores || label != ignored) {
      if (label < 0 || label >= classes.extent) fail_input("label {} of {} classes", label, classes.extent);
      const double weight = weights ? to_double(weights.as<T>()[label]) : 1;
      loss = -weight * (score(label) - log_sum);
      total += loss;
      total_weight += weight;
    }
    if (reduction == "none" && dst[0]) dst[0].as<T>()[number] = convert<T>(loss);
    ++number;
  });
  if (!dst[0]) return;
  if (reduction == "sum") dst[0].as<T>()[0] = convert<T>(total);
  if (reduction == "mean") dst[0].as<T>()[0] = convert<T>(total / total_weight);
  // Without classes there are no lines to visit, but there may be labels.
  if (reduction == "none" && number == 0) std::fill_n(dst[0].as<T>(), dst[0].elements(), T{});
}

void nll_loss(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  visit_float(src[0].dtype, [&](auto tag) { loss_of<typename decltype(tag)::type>(attrs, src, dst, false); });
}

void cross_entropy_loss(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  visit_float(src[0].dtype, [&](auto tag) { loss_of<typename decltype(tag)::type>(attrs, src, dst, true); });
}

}  // namespace

std::vector<RefEntry> loss_refs() {
  return {{"NegativeLogLikelihoodLoss", nll_loss}, {"SoftmaxCrossEntropyLoss", cross_entropy_loss}};
}

}  // namespace tercel::inline kernels
