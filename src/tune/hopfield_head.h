// Fitting a memory on features: bits, prototypes, networks, and the factor of the scores.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tercel/hopfield.h"
#include "tune/code_words.h"
#include "tune/hopfield_cut.h"
#include "tune/pattern_assignment.h"

namespace tercel::inline tune {

/// Rows of features with the class of each.
struct LabelledFeatures {
  int64_t width = 0;
  std::vector<float> values;
  std::vector<int32_t> classes;

  hopfield::FeatureRows rows() const { return {values, width}; }
  int64_t count() const { return static_cast<int64_t>(classes.size()); }
  /// The threshold that fits where none is named: zero where a fair part of the features lies on either side of it,
  /// else median.
  const char* simple_binarization() const;
  LabelledFeatures selected(const std::vector<size_t>& numbers) const;
};

/// Throws Error where a feature is no finite number, and where all rows are the same: of such no head can tell classes.
/// `cut` names the value they stand for.
void check_features(const LabelledFeatures& data, const std::string& cut);

struct FittedHead {
  hopfield::Binarizer binarizer;
  MemoryHead head;
  PatternAssignment assignment;
  /// Of random patterns in one network; patterns of the fullest network; patterns that are fixed points of theirs.
  double capacity = 0;
  int64_t most_in_network = 0, kept = 0;
  int64_t memory_bytes = 0;  ///< that the networks take in memory
};

/// With options.binarization as named; scores have the factor 1 / sqrt(bits).
FittedHead fit_head(const LabelledFeatures& data, int64_t class_count, const HopfieldOptions& options);
/// The same with a map fitted already.
FittedHead fit_head(const LabelledFeatures& data, const hopfield::Binarizer& binarizer, int64_t class_count,
                    const HopfieldOptions& options);

/// Given patterns (networks of the memory are assigned here), which the map makes of features.
FittedHead head_of_patterns(hopfield::BitPatterns patterns, std::vector<int32_t> classes,
                            const hopfield::Binarizer& binarizer, int64_t class_count, const HopfieldOptions& options);

/// A class has one code word, a feature one bit; scores have the factor of the network's own.
FittedHead head_of_code_words(const CodeWords& words, const HopfieldOptions& options);

/// Patterns that are also the pattern of another class: pictures near them are named by whichever class comes first.
int64_t shared_patterns(const hopfield::PatternMemory& memory);

/// Bytes that a file needs for it: map, patterns (a bit a unit), classes and networks (2 bytes each).
int64_t stored_bytes(const FittedHead& fitted);

/// What settles, and how, where head.settles.
hopfield::ParallelNetworks networks_of(const MemoryHead& head);
hopfield::RecallOptions recall_of(const MemoryHead& head);

/// Scores of probes: rows of class_count numbers, factor `head.beta` included. `progress` may stop what settles.
std::vector<float> scores_of(const MemoryHead& head, const hopfield::BitPatterns& probes,
                             const Progress& progress = {});

/// The first class of the largest score of each row.
std::vector<int32_t> named_classes(const std::vector<float>& scores, int64_t class_count);
double accuracy_of(const std::vector<int32_t>& named, const std::vector<int32_t>& classes);

/// The factor under which the classes are likeliest, among powers of the square root of 2.
double likeliest_beta(const MemoryHead& head, const hopfield::BitPatterns& probes, const std::vector<int32_t>& classes,
                      const Progress& progress = {});

/// Numbers of the rows held out: of each class of five rows or more a fifth, `most` in all, drawn by the seed; the
/// others come first.
std::pair<std::vector<size_t>, std::vector<size_t>> hold_out(const std::vector<int32_t>& classes, size_t most,
                                                             uint64_t seed);

}  // namespace tercel::inline tune
