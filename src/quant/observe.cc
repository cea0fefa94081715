#include "quant/observe.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "base/error.h"
#include "session/model_impl.h"
#include "session/picture_model.h"

namespace tercel::inline quant {
namespace {

int most_likely(const std::vector<float>& row) {
  return static_cast<int>(std::max_element(row.begin(), row.end()) - row.begin());
}

}  // namespace

bool ends_in_softmax(const Model& model) { return first_output(model) == FirstOutput::probabilities; }

Model with_outputs(const Model& model, const std::vector<std::string>& values) {
  auto impl = changeable_copy(model);
  for (const std::string& name : values) {
    Value* value = impl->graph.find_value(name);
    if (value == nullptr) fail_input("{}: has no value '{}'", model.name(), name);
    impl->graph.add_output(value);
  }
  return Model(std::move(impl));
}

void observe(const Model& model, const std::vector<std::string>& values, const std::vector<Array>& inputs,
             const std::function<void(size_t, const std::vector<Array>&)>& see, const SessionOptions& options,
             const Progress& progress) {
  Session session(with_outputs(model, values), options);
  const auto own = static_cast<std::ptrdiff_t>(model.outputs().size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    std::vector<Array> outputs = session.run({inputs[i]});
    outputs.erase(outputs.begin(), outputs.begin() + own);
    see(i, outputs);
    if (progress && !progress("measure", static_cast<double>(i + 1) / static_cast<double>(inputs.size())))
      fail(ErrorCode::stopped, "stopped while measuring");
  }
}

Answers answers_of(Session& session, const std::vector<Array>& inputs, const Progress& progress) {
  const FirstOutput kind = first_output(session.model());
  if (kind == FirstOutput::classes)
    fail_input(
        "{}: ends in ArgMax and answers a class without scores, so there is nothing to measure losses by; take the "
        "network without its last node",
        session.model().name());
  Answers answers;
  for (const Array& input : inputs) {
    std::vector<float> row = session.run({input}).at(0).to_floats();
    if (row.empty()) fail_input("{}: the first output is empty", session.model().name());
    if (kind == FirstOutput::probabilities) {
      for (float& x : row) x = std::log(std::max(x, 1e-30f));
    } else {
      const float most = *std::max_element(row.begin(), row.end());
      double sum = 0;
      for (float x : row) sum += std::exp(static_cast<double>(x - most));
      const auto log_sum = static_cast<float>(std::log(sum)) + most;
      for (float& x : row) x -= log_sum;
    }
    answers.push_back(std::move(row));
    if (progress && !progress("run", static_cast<double>(answers.size()) / static_cast<double>(inputs.size())))
      fail(ErrorCode::stopped, "stopped while running the network");
  }
  return answers;
}

Evaluation evaluate(const Answers& reference, const Answers& answers, const std::vector<int>& classes) {
  TERCEL_CHECK(reference.size() == answers.size() && !reference.empty());
  TERCEL_CHECK(classes.empty() || classes.size() == answers.size());
  Evaluation j;
  j.inputs = answers.size();
  size_t agree = 0, right = 0, reference_right = 0;
  for (size_t i = 0; i < answers.size(); ++i) {
    const std::vector<float>& p = reference[i];
    const std::vector<float>& q = answers[i];
    TERCEL_CHECK(p.size() == q.size());
    double kl = 0;
    for (size_t c = 0; c < p.size(); ++c)
      kl += std::exp(static_cast<double>(p[c])) * (static_cast<double>(p[c]) - static_cast<double>(q[c]));
    // A network that broke down answers NaN: as far from right as can be, but for one that always did.
    const bool same = std::memcmp(p.data(), q.data(), p.size() * sizeof(float)) == 0;
    j.kl += same ? 0 : std::isfinite(kl) ? std::max(kl, 0.0) : 1e3;  // rounding may leave it below 0
    agree += most_likely(p) == most_likely(q);
    if (!classes.empty()) {
      right += most_likely(q) == classes[i];
      reference_right += most_likely(p) == classes[i];
    }
  }
  const auto n = static_cast<double>(answers.size());
  j.kl /= n;
  j.agreement = static_cast<double>(agree) / n;
  j.top1 = classes.empty() ? -1 : static_cast<double>(right) / n;
  j.reference_top1 = classes.empty() ? -1 : static_cast<double>(reference_right) / n;
  return j;
}

}  // namespace tercel::inline quant
