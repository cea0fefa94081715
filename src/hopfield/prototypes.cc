#include "hopfield/prototypes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "base/error.h"
#include "base/rng.h"
#include "base/threads.h"

namespace tercel::inline hopfield {
namespace {

double distance(const float* a, const float* b, int64_t width) {
  float parts[8] = {};
  int64_t i = 0;
  for (; i + 8 <= width; i += 8)
    for (int64_t k = 0; k < 8; ++k) parts[k] += (a[i + k] - b[i + k]) * (a[i + k] - b[i + k]);
  for (; i < width; ++i) parts[0] += (a[i] - b[i]) * (a[i] - b[i]);
  double sum = 0;
  for (float part : parts) sum += static_cast<double>(part);
  return sum;
}

/// The means of the rows of each group; a group without rows keeps what stands in `means`.
void set_means(const FeatureRows& rows, std::span<const int64_t> members, std::span<const int64_t> group,
               std::vector<float>& means) {
  const auto width = static_cast<size_t>(rows.width);
  std::vector<double> sums(means.size());
  std::vector<int64_t> counts(means.size() / width);
  for (size_t m = 0; m < members.size(); ++m) {
    const auto g = static_cast<size_t>(group[m]);
    const float* row = rows.row(members[m]);
    ++counts[g];
    for (size_t i = 0; i < width; ++i) sums[g * width + i] += static_cast<double>(row[i]);
  }
  for (size_t g = 0; g < counts.size(); ++g)
    for (size_t i = 0; i < width && counts[g] > 0; ++i)
      means[g * width + i] = static_cast<float>(sums[g * width + i] / static_cast<double>(counts[g]));
}

/// k-means++: each further centre is drawn by its squared distance to those before it. Ends early where every row is a
/// centre.
std::vector<float> first_centres(const FeatureRows& rows, std::span<const int64_t> members, int count, Rng& rng) {
  std::vector<float> centres;
  std::vector<double> nearest(members.size(), std::numeric_limits<double>::infinity());
  size_t drawn = static_cast<size_t>(rng.below(static_cast<int64_t>(members.size())));
  for (int k = 0; k < count; ++k) {
    const float* centre = rows.row(members[drawn]);
    centres.insert(centres.end(), centre, centre + rows.width);
    double total = 0;
    for (size_t m = 0; m < members.size(); ++m)
      total += nearest[m] = std::min(nearest[m], distance(rows.row(members[m]), centre, rows.width));
    if (total <= 0) break;
    double rest = rng.uniform() * total;
    for (drawn = 0; drawn + 1 < members.size() && (rest -= nearest[drawn]) >= 0;) ++drawn;
  }
  return centres;
}

/// Rows of centres.
std::vector<float> centres_of(const FeatureRows& rows, std::span<const int64_t> members,
                              const PrototypeOptions& options, uint64_t seed) {
  const auto width = static_cast<size_t>(rows.width);
  std::vector<int64_t> group(members.size(), 0);
  if (options.per_class == 1) {
    std::vector<float> mean(width);
    set_means(rows, members, group, mean);
    return mean;
  }
  Rng rng(seed);
  std::vector<float> centres = first_centres(rows, members, options.per_class, rng);
  const auto count = static_cast<int64_t>(centres.size() / width);
  for (int round = 0; round < options.iterations; ++round) {
    std::vector<int64_t> next(members.size());
    parallel_for(static_cast<int64_t>(members.size()), 16, [&](int64_t begin, int64_t end) {
      for (int64_t m = begin; m < end; ++m) {
        double least = std::numeric_limits<double>::infinity();
        for (int64_t c = 0; c < count; ++c) {
          const double d =
              distance(rows.row(members[static_cast<size_t>(m)]), centres.data() + c * rows.width, rows.width);
          if (d < least) {
            least = d;
            next[static_cast<size_t>(m)] = c;
          }
        }
      }
    });
    const bool still = round > 0 && next == group;
    group = std::move(next);
    if (still) break;
    set_means(rows, members, group, centres);
  }
  return centres;
}

}  // namespace

void check_finite(const FeatureRows& rows) {
  for (size_t i = 0; i < rows.values.size(); ++i)
    if (!std::isfinite(rows.values[i]))
      fail_input("feature {} of row {} is {}: features must be finite numbers", i % static_cast<size_t>(rows.width),
                 i / static_cast<size_t>(rows.width), rows.values[i]);
}

std::vector<float> means_of(const FeatureRows& rows) {
  std::vector<double> sums(static_cast<size_t>(rows.width));
  for (int64_t r = 0; r < rows.count(); ++r)
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += static_cast<double>(rows.row(r)[i]);
  std::vector<float> means(sums.size());
  for (size_t i = 0; i < sums.size(); ++i) means[i] = static_cast<float>(sums[i] / static_cast<double>(rows.count()));
  return means;
}

Prototypes find_prototypes(const FeatureRows& rows, std::span<const int32_t> classes, const PrototypeOptions& options) {
  TERCEL_CHECK(static_cast<int64_t>(classes.size()) == rows.count() && rows.count() > 0);
  if (options.per_class < 1) fail_input("{} prototypes a class: wanted at least one", options.per_class);
  check_finite(rows);
  const int32_t most = *std::max_element(classes.begin(), classes.end());
  std::vector<std::vector<int64_t>> members(static_cast<size_t>(most) + 1);
  for (size_t i = 0; i < classes.size(); ++i) {
    TERCEL_CHECK(classes[i] >= 0);
    members[static_cast<size_t>(classes[i])].push_back(static_cast<int64_t>(i));
  }
  Prototypes out;
  Rng seeds(options.seed);
  for (size_t c = 0; c < members.size(); ++c) {
    const uint64_t seed = seeds.next();
    if (members[c].empty()) continue;
    const std::vector<float> centres = centres_of(rows, members[c], options, seed);
    out.values.insert(out.values.end(), centres.begin(), centres.end());
    out.classes.insert(out.classes.end(), centres.size() / static_cast<size_t>(rows.width), static_cast<int32_t>(c));
  }
  return out;
}

}  // namespace tercel::inline hopfield
