// Networks of all kinds through every way to compress. TERCEL_NETWORKS=200 takes that many (docs/compression.md).
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "base/error.h"
#include "base/folder_testing.h"
#include "quant/widen.h"
#include "session/model_impl.h"
#include "tercel/compress.h"
#include "tune/networks_testing.h"
#include "tune/photos_testing.h"
#include "tune/picture_splits.h"

namespace tercel::inline tune {
namespace {

namespace fs = std::filesystem;

constexpr int kNetworks = 24;

int networks() {
  const char* text = std::getenv("TERCEL_NETWORKS");
  return text == nullptr ? kNetworks : std::atoi(text);
}

int64_t bytes_in(const fs::path& folder) {
  int64_t bytes = 0;
  for (const auto& file : fs::directory_iterator(folder)) bytes += static_cast<int64_t>(file.file_size());
  return bytes;
}

/// What is wrong, one sentence each; none where all is as it should be.
class Findings {
 public:
  void expect(bool right, const std::string& what) {
    if (!right) wrong_.push_back(what);
  }
  const std::vector<std::string>& wrong() const { return wrong_; }

 private:
  std::vector<std::string> wrong_;
};

struct Counts {
  int files = 0, points = 0, refused = 0, wrong = 0;
};

/// One made network, and a folder for what becomes of it.
class Case {
 public:
  Case(uint64_t seed, const fs::path& pictures, Counts& counts)
      : seed_(seed), counts_(counts), made_(seed), folder_("networks"), pictures_(pictures) {
    fs::create_directories(folder_.path() / "given");
    given_ = load(made_.write(folder_.path() / "given"));
    bytes_ = bytes_in(folder_.path() / "given");
    Rng rng(seed + 1000);
    const Port port = given_.inputs()[0];
    std::vector<float> values(3 * 32 * 32);
    for (float& x : values) x = static_cast<float>(rng.normal());
    input_ = Array(port.dtype, port.dims);
    narrow(values, port.dtype, input_.data());
  }

  void run() {
    lossless();
    for (double ratio : {1.0, kRatios[seed_ % std::size(kRatios)]}) to_ratio(ratio, false);
    to_ratio(kRatios[(seed_ + 2) % std::size(kRatios)], true);
    within_drop();
    if (seed_ % 3 == 0) front();
  }

 private:
  static constexpr double kRatios[] = {2, 4, 1.3, 8, 3, 30, 300};

  CompressOptions options(bool pictures) const {
    CompressOptions o;
    o.profile = static_cast<CodingProfile>((seed_ / 3) % 3);
    o.effort = static_cast<int>(1 + seed_ % 6);
    o.threads = 1;
    o.seed = seed_;
    o.calibration_pictures = o.tuning_pictures = o.held_out_pictures = 3;
    if (pictures) {
      o.pictures = pictures_;
      o.preprocessing = Preprocessing::preset("cifar");
    }
    return o;
  }

  std::string answers(const Model& model) const {
    SessionOptions o;
    o.threads = 1;
    const Array y = Session(model, o).run({input_}).at(0);
    return {reinterpret_cast<const char*>(y.data()), y.bytes()};
  }

  /// A file, or a refusal in words; `check` looks at the file.
  template <typename Function>
  void attempt(const std::string& mode, const CompressOptions& o, Function&& check) {
    Findings findings;
    const std::string title = fmt::format("network {} ({}), {}, {}, effort {}", seed_, made_.describe(), mode,
                                          to_string(o.profile), o.effort);
    try {
      const Compressed made = compress(given_, o);
      ++counts_.files;
      common(made, findings);
      check(made, findings);
    } catch (const Error& error) {
      ++counts_.refused;
      const std::string why = error.what();
      const bool in_words =
          why.find("out of reach") != std::string::npos || why.find("cannot be made smaller") != std::string::npos ||
          (o.max_drop != CompressOptions().max_drop && why.find("cannot be promised: ") != std::string::npos);
      findings.expect(in_words, why);
    } catch (const std::exception& bug) {
      findings.expect(false, bug.what());
    }
    report(title, findings);
  }

  void report(const std::string& title, const Findings& findings) {
    counts_.wrong += findings.wrong().empty() ? 0 : 1;
    for (const std::string& wrong : findings.wrong()) ADD_FAILURE() << title << ": " << wrong;
  }

  /// Of every file: its size, its ratio, and that what it gives back is what the report spoke of.
  void common(const Compressed& made, Findings& findings) {
    const auto size = static_cast<int64_t>(made.bytes().size());
    const CompressReport& r = made.report();
    findings.expect(size <= bytes_, fmt::format("{} bytes of {}", size, bytes_));
    findings.expect(r.given_bytes == bytes_, fmt::format("counts {} bytes, {} were given", r.given_bytes, bytes_));
    findings.expect(r.result.ratio == static_cast<double>(bytes_) / static_cast<double>(size), "another ratio");
    made.save(folder_.path() / "m.tercel");
    back_ = load(folder_.path() / "m.tercel");
    back_.save_onnx(folder_.path() / "back.onnx");
    onnx_ = load(folder_.path() / "back.onnx");
    const std::string answer = answers(made.model());
    findings.expect(answers(back_) == answer, "the file answers otherwise than the network that was reported");
    findings.expect(answers(onnx_) == answer, "the ONNX file answers otherwise than the .tercel file");
    for (const auto& value : made_.graph.values()) {
      const Value* now = value->is_constant() ? onnx_.impl().graph.find_value(value->name) : nullptr;
      if (now == nullptr || !now->is_constant()) continue;
      findings.expect(now->type == value->type, value->name + " has another type");
      if (!is_float(value->type.dtype)) findings.expect(now->constant == value->constant, value->name + " has changed");
      else if (finite(value->constant)) findings.expect(finite(now->constant), value->name + " is not finite any more");
    }
  }

  static bool finite(const Tensor& tensor) {
    const std::vector<double> values = tensor.to_doubles();
    return std::all_of(values.begin(), values.end(), [](double x) { return std::isfinite(x); });
  }

  void lossless() {
    CompressOptions o = options(false);
    o.lossless = true;
    attempt("lossless", o, [&](const Compressed& made, Findings& findings) {
      findings.expect(answers(made.model()) == answers(given_), "answers differ");
      for (const auto& value : made_.graph.values()) {
        if (!value->is_constant()) continue;
        const Value* now = onnx_.impl().graph.find_value(value->name);
        findings.expect(now != nullptr && now->is_constant() && now->constant == value->constant,
                        value->name + " is not what was given");
      }
    });
  }

  void to_ratio(double ratio, bool pictures) {
    CompressOptions o = options(pictures);
    o.target_ratio = ratio;
    attempt(fmt::format("{}x{}", ratio, pictures ? " by pictures" : ""), o,
            [&](const Compressed& made, Findings& findings) {
              const CompressReport& r = made.report();
              const bool noted = std::any_of(r.notes.begin(), r.notes.end(), [](const std::string& note) {
                return note.find("asked for") != std::string::npos;
              });
              findings.expect(r.result.ratio > 0.99 * ratio || noted, fmt::format("{}x instead", r.result.ratio));
              if (r.lossless) findings.expect(answers(made.model()) == answers(given_), "lossless, but answers differ");
            });
  }

  void within_drop() {
    CompressOptions o = options(true);
    o.max_drop = static_cast<double>(seed_ % 3) * 20;
    o.calibration_pictures = o.tuning_pictures = o.held_out_pictures = 12;  // fewer than 24 in all: no promise
    attempt(fmt::format("a drop of {}", o.max_drop), o, [&](const Compressed& made, Findings& findings) {
      const PictureSplits splits(widened(optimize(given_)), o);
      const double drop = 100 * splits.try_out(widened(optimize(made.model())), o).top1_drop();
      findings.expect(drop <= o.max_drop, fmt::format("drops by {}", drop));
      const auto& promise = made.report().promise;
      findings.expect(promise && promise->promised && promise->bound <= o.max_drop, "a file without its promise");
      if (o.max_drop == 0) findings.expect(made.report().lossless && drop == 0, "a drop of 0 that is not lossless");
    });
  }

  void front() {
    const CompressOptions o = options(true);
    Findings findings;
    try {
      const std::vector<double> ratios{1.2, 4, 500};
      const std::vector<CompressPoint> points = compression_front(given_, ratios, o);
      findings.expect(points.size() == ratios.size(), "points are missing");
      for (size_t i = 0; i < points.size(); ++i) {
        findings.expect(points[i].asked == ratios[i], "points of other ratios");
        if (points[i].why_not.empty()) {
          ++counts_.points;
          findings.expect(points[i].ratio > 0.98 * ratios[i], fmt::format("{}x for {}x", points[i].ratio, ratios[i]));
          findings.expect(points[i].pictures > 0, "a point without an evaluation");
        } else {
          ++counts_.refused;
          findings.expect(points[i].why_not.find("out of reach") != std::string::npos, points[i].why_not);
        }
      }
    } catch (const std::exception& error) {
      findings.expect(false, error.what());
    }
    report(fmt::format("network {} ({}), front", seed_, made_.describe()), findings);
  }

  uint64_t seed_;
  Counts& counts_;
  MadeNetwork made_;
  TemporaryFolder folder_;
  const fs::path& pictures_;
  Model given_, back_, onnx_;
  int64_t bytes_ = 0;
  Array input_;
};

TEST(CompressNetworks, OfEveryKindAreAsAskedForOrRefusedInWords) {
  const TemporaryFolder pictures("network_pictures");
  write_photos(pictures.path(), 12);
  Counts counts;
  for (int seed = 0; seed < networks(); ++seed) Case(static_cast<uint64_t>(seed), pictures.path(), counts).run();
  std::cout << fmt::format("{} networks: {} files and {} points of fronts as asked, {} refused in words, {} wrong\n",
                           networks(), counts.files, counts.points, counts.refused, counts.wrong);
  EXPECT_GT(counts.files, networks());
}

}  // namespace
}  // namespace tercel::inline tune
