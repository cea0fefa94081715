#include "tune/trials.h"

#include "base/error.h"
#include "quant/pictures.h"

namespace tercel::inline tune {

Session session_of(const Model& model, const CompressOptions& options) {
  SessionOptions how;
  how.threads = options.threads;
  return Session(model, how);
}

Trials::Trials(const Model& model, const CompressOptions& options) {
  if (options.pictures.empty()) return;
  const auto size = [](int count) { return static_cast<size_t>(count); };
  const PictureSet all = find_pictures(options.pictures);
  if (all.size() < 4)
    fail_input("{}: {} pictures are too few to measure, choose and judge", options.pictures.string(), all.size());
  auto [measured, judged] = split_pictures(all, size(options.calibration_pictures + options.tuning_pictures),
                                           size(options.judging_pictures), options.seed);
  auto [calibrated, tuned] =
      split_pictures(measured, size(options.calibration_pictures), size(options.tuning_pictures), options.seed);
  const Preprocessing how = options.preprocessing.value_or(model.preprocessing());
  calibration = load_inputs(model, calibrated, how, options.progress, options.warn);
  tuning = load_inputs(model, tuned, how, options.progress, options.warn);
  judging = load_inputs(model, judged, how, options.progress, options.warn);
  tuning_classes = tuned.classes;
  judging_classes = judged.classes;
  Session session = session_of(model, options);
  tuning_answers = answers_of(session, tuning, options.progress);
  judging_answers = answers_of(session, judging, options.progress);
  const auto known = static_cast<int>(judging_answers.at(0).size());
  for (size_t i = 0; i < all.classes.size(); ++i)
    if (all.classes[i] >= known)
      fail_input("{}: class {} is wanted, and the network knows {} (0 to {})", all.files[i].string(), all.classes[i],
                 known, known - 1);
  if (options.target_ratio > 0 || options.lossless) return;
  // Of the network as it was, so nothing is chosen by them: the calibration pictures count as well.
  Answers reference = answers_of(session, calibration, options.progress);
  reference.insert(reference.end(), tuning_answers.begin(), tuning_answers.end());
  reference.insert(reference.end(), judging_answers.begin(), judging_answers.end());
  std::vector<int> classes = calibrated.classes;
  classes.insert(classes.end(), tuning_classes.begin(), tuning_classes.end());
  classes.insert(classes.end(), judging_classes.begin(), judging_classes.end());
  drops.emplace(reference, classes);
}

Answers Trials::tuning_answers_of(const Model& model, const CompressOptions& options) const {
  Session session = session_of(model, options);
  return answers_of(session, tuning);
}

Evaluation Trials::try_out(const Model& model, const CompressOptions& options) const {
  return evaluate(tuning_answers, tuning_answers_of(model, options), tuning_classes);
}

void Trials::count_into(CompressReport& report) const {
  report.calibration_pictures = static_cast<int>(calibration.size());
  report.tuning_pictures = static_cast<int>(tuning.size());
}

void Trials::judge_into(CompressPoint& point, const Model& model, const CompressOptions& options,
                        const Progress& progress) const {
  if (judging.empty()) return;
  Session session = session_of(model, options);
  Answers answers;
  try {
    answers = answers_of(session, judging, progress);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::stopped) throw;
    return;  // the network is there, and not judged
  }
  const Evaluation j = evaluate(judging_answers, answers, judging_classes);
  point.pictures = static_cast<int>(j.inputs);
  point.agreement = j.agreement;
  point.kl = j.kl;
  point.top1 = j.top1;
  point.reference_top1 = j.reference_top1;
}

}  // namespace tercel::inline tune
