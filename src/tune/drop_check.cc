#include "tune/drop_check.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace tercel::inline tune {
namespace {

constexpr double kByChance = 0.05;  // significance level of the test for changed classes

}  // namespace

bool loses_too_many(const Evaluation& e, double max_drop) {
  return e.top1_drop() * static_cast<double>(e.inputs) > 1.5 && 100 * e.top1_drop() > max_drop;
}

std::string why_above(const DropPromise& promise, double limit) {
  return fmt::format(
      "on the tuning and held-out pictures the drop is estimated at {:.2g} points, its upper bound at {:.2g}{}",
      promise.estimate, promise.bound,
      limit < promise.limit ? fmt::format(", and a check after others on the same pictures allows {:.2g}", limit) : "");
}

DropPromise check_drop(const Model& model, const PictureSplits& splits, const CompressOptions& options, double limit) {
  Session session = session_of(model, options);
  const Answers held_out = answers_of(session, splits.held_out);
  Answers before = splits.tuning_answers, after = answers_of(session, splits.tuning);
  const Evaluation tuned = evaluate(before, after, splits.tuning_classes);
  before.insert(before.end(), splits.held_out_answers.begin(), splits.held_out_answers.end());
  after.insert(after.end(), held_out.begin(), held_out.end());
  const DropEstimate all = splits.drops->estimate(before, after);
  // Nothing was chosen by the held-out pictures: their estimate needs no margin and is not optimistic.
  const DropEstimate unseen = splits.drops->estimate(splits.held_out_answers, held_out);
  DropPromise promise{options.max_drop, 100 * std::max(all.drop, unseen.drop), 100 * all.bound, false, ""};
  const Evaluation e = evaluate(splits.held_out_answers, held_out, splits.held_out_classes);
  const auto changed = static_cast<size_t>(std::lround((1 - e.agreement) * static_cast<double>(e.inputs)));
  const double expected = all.flips_bound * static_cast<double>(e.inputs);
  if (chance_of(changed, expected) < kByChance)
    promise.why_not =
        fmt::format("{} of the {} held-out pictures change their class, where at most {:.1f} are expected", changed,
                    e.inputs, expected);
  else if (std::max(promise.estimate, promise.bound) > limit) promise.why_not = why_above(promise, limit);
  else if (loses_too_many(tuned, options.max_drop))
    promise.why_not = fmt::format("{:.2g} points are lost on the tuning pictures", 100 * tuned.top1_drop());
  promise.promised = promise.why_not.empty();
  return promise;
}

}  // namespace tercel::inline tune
