// One network being compressed to a ratio, or within a drop.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tune/compressor.h"
#include "tune/lossless.h"
#include "tune/rate_distortion.h"
#include "tune/trials.h"

namespace tercel::inline tune {

class CompressJob {
 public:
  /// Of a network that has been optimised; Trials and options outlive this object.
  CompressJob(const Model& lean, const Given& given, const Trials& trials, const CompressOptions& options,
              double temperature);

  /// The strength at which the closed form's network is as small as asked for.
  double strength_for_ratio(double ratio);
  /// Looks for better shares of the parts around this strength; false where none were found.
  bool polish(double strength);
  /// As well as the effort allows.
  Coded code(double strength);
  /// The network to be written: within the ratio or the drop. Of a drop, what the held-out pictures say to it as well;
  /// where that is more than was asked for, gentler steps, a few times.
  Coded choose();
  /// What may be said of the network that choose() gave; nothing where a ratio was asked for.
  const std::optional<DropPromise>& promise() const { return promise_; }

  const std::vector<Part>& parts() const { return compressor_.parts(); }
  double ratio_of(const Coded& coded) const { return ratio_of(bytes_of(coded)); }
  /// Has it lost no more than the options allow, by the tuning pictures? Where a ratio was asked for, anything goes.
  bool keeps_promise(const Coded& coded);
  /// Did all its levels come out zero? Then no weight is left of what could be quantized.
  bool is_void(const Coded& coded) const;
  /// On the tuning pictures.
  Evaluation try_out(const Coded& coded);
  bool stopped() const { return stopped_; }

  Compressed finish(const Coded& coded);
  /// Judged, but not written.
  CompressPoint point_of(const Coded& coded) const;

 private:
  /// A network, and how it does on the tuning pictures: they are run once for each.
  struct Tried {
    Coded coded;
    Evaluation judgement;
    double lost = 0;  ///< points, at most; 0 where a ratio was asked for
  };

  Settings settings(double strength) const { return search_->settings(strength, shares_); }
  double ratio_of(int64_t bytes) const { return static_cast<double>(given_.bytes) / static_cast<double>(bytes); }
  double ratio_at(double strength) { return ratio_of(compressor_.code(settings(strength))); }
  double drop_at(double strength);
  double strength_for_options();
  template <typename Function>
  double solve(Function&& grows, double target, int steps, const char* stage, double low = 1.0 / 64, double high = 64);

  bool counts_too_many(const Evaluation& j) const;
  Tried tried(Coded coded);
  bool drops_too_much(const Tried& t) const { return t.lost > options_.max_drop; }
  Coded chosen_at(double& strength);
  DropPromise checked(const Coded& coded, double limit) const;
  Tried better_in_order(double strength, Tried plain);
  Tried in_order_at(double strength);
  Coded best_at_ratio(double strength, Tried last);
  bool in_order() const;
  bool tell(std::string_view stage, double done);
  int64_t bytes_of(const Coded& coded) const;
  std::string file_of(const Coded& coded) const;

  const CompressOptions& options_;
  Given given_;
  Model lean_;
  const Trials& trials_;
  Compressor compressor_;
  std::unique_ptr<RateDistortion> search_;
  Genome shares_;         // of the parts; empty: the closed form's
  int64_t overhead_ = 0;  // of a file, besides streams
  int drops_ = 0;         // networks run to see what is lost
  std::optional<DropPromise> promise_;
  bool stopped_ = false;
};

/// The network that a file gives back.
Model read_back(const std::string& file, const Model& as);

/// How the bytes of a file are spent, into the report.
void count_bytes(CompressReport& report, const std::string& file);

}  // namespace tercel::inline tune
