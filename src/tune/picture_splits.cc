#include "tune/picture_splits.h"

#include "base/error.h"
#include "quant/pictures.h"

namespace tercel::inline tune {

Session session_of(const Model& model, const CompressOptions& options) {
  SessionOptions how;
  how.threads = options.threads;
  return Session(model, how);
}

PictureSplits::PictureSplits(const Model& model, const CompressOptions& options) {
  if (options.pictures.empty()) return;
  const auto size = [](int count) { return static_cast<size_t>(count); };
  const PictureSet all = without_copies(find_pictures(options.pictures), options.warn);
  if (all.size() < 4)
    fail_input("{}: {} pictures are too few for calibration, tuning and evaluation: give at least 4",
               options.pictures.string(), all.size());
  auto [measured, evaluated] = split_pictures(all, size(options.calibration_pictures + options.tuning_pictures),
                                              size(options.held_out_pictures), options.seed);
  auto [calibrated, tuned] =
      split_pictures(measured, size(options.calibration_pictures), size(options.tuning_pictures), options.seed);
  *this = PictureSplits(model, all, std::move(calibrated), std::move(tuned), std::move(evaluated), options);
}

PictureSplits::PictureSplits(const Model& model, const PictureSet& all, PictureSet calibrated, PictureSet tuned,
                             PictureSet evaluated, const CompressOptions& options) {
  const Preprocessing how = options.preprocessing.value_or(model.preprocessing());
  calibration = load_inputs(model, calibrated, how, options.progress, options.warn);
  tuning = load_inputs(model, tuned, how, options.progress, options.warn);
  held_out = load_inputs(model, evaluated, how, options.progress, options.warn);
  tuning_classes = tuned.classes;
  held_out_classes = evaluated.classes;
  Session session = session_of(model, options);
  tuning_answers = answers_of(session, tuning, options.progress);
  held_out_answers = answers_of(session, held_out, options.progress);
  const auto known = static_cast<int>(held_out_answers.at(0).size());
  for (size_t i = 0; i < all.classes.size(); ++i)
    if (all.classes[i] >= known)
      fail_input("{}: its label is class {}, and the network has {} classes (0 to {})", all.files[i].string(),
                 all.classes[i], known, known - 1);
  if (options.target_ratio > 0 || options.lossless) return;
  // The reference network was not fitted to the calibration pictures: they count as well.
  Answers reference = answers_of(session, calibration, options.progress);
  reference.insert(reference.end(), tuning_answers.begin(), tuning_answers.end());
  reference.insert(reference.end(), held_out_answers.begin(), held_out_answers.end());
  std::vector<int> classes = calibrated.classes;
  classes.insert(classes.end(), tuning_classes.begin(), tuning_classes.end());
  classes.insert(classes.end(), held_out_classes.begin(), held_out_classes.end());
  drops.emplace(reference, classes);
}

Answers PictureSplits::tuning_answers_of(const Model& model, const CompressOptions& options) const {
  Session session = session_of(model, options);
  return answers_of(session, tuning);
}

Evaluation PictureSplits::try_out(const Model& model, const CompressOptions& options) const {
  return evaluate(tuning_answers, tuning_answers_of(model, options), tuning_classes);
}

void PictureSplits::count_into(CompressReport& report) const {
  report.calibration_pictures = static_cast<int>(calibration.size());
  report.tuning_pictures = static_cast<int>(tuning.size());
}

void PictureSplits::evaluate_into(CompressPoint& point, const Model& model, const CompressOptions& options,
                                  const Progress& progress) const {
  if (held_out.empty()) return;
  Session session = session_of(model, options);
  Answers answers;
  try {
    answers = answers_of(session, held_out, progress);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::stopped) throw;
    return;  // the network is there, but without an evaluation
  }
  const Evaluation e = evaluate(held_out_answers, answers, held_out_classes);
  point.pictures = static_cast<int>(e.inputs);
  point.agreement = e.agreement;
  point.kl = e.kl;
  point.top1 = e.top1;
  point.reference_top1 = e.reference_top1;
}

}  // namespace tercel::inline tune
