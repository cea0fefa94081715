// A Hopfield memory in place of the fully connected layers at the end of a network (after Keddous and Nakib 2022;
// docs/hopfield.md says when that pays).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tercel/export.h"
#include "tercel/model.h"
#include "tercel/progress.h"

namespace tercel {

struct HopfieldOptions {
  /// Where the network ends and the memory begins: the name of a node (cut before it: its first operand that is no
  /// constant) or of a value. Empty: before the first of the fully connected layers at the network's end.
  std::string cut;
  bool pool = false;  ///< average the features at the cut over height and width
  /// How features become bits: zero, median, hadamard or itq. Empty: whichever of the first three names most of the
  /// held-out pictures right.
  std::string binarization;
  int64_t bits = 0;                     ///< of a pattern; 0: as many as there are features
  int patterns_per_class = 1;           ///< 1: the class mean; more: centres by k-means
  std::string rule = "softmax";         ///< softmax, pseudo_inverse, storkey or hebb
  int networks = 1;                     ///< in parallel, each with some of the patterns; softmax has one
  std::string assignment = "greedy";    ///< of patterns to networks: greedy, random, genetic or exhaustive
  int evaluations = 6000;               ///< of assignments, where it is random or genetic
  std::string recall = "asynchronous";  ///< or synchronous; softmax is read out without settling
  int max_sweeps = 50;
  double beta = 0;    ///< inverse temperature of the scores; 0: the likeliest on held-out pictures
  int pictures = 0;   ///< at most so many, drawn by the seed; 0: all
  uint64_t seed = 1;  ///< the same seed gives the same file
  int threads = 0;    ///< 0: one per processor this process may use
  Progress progress;
  Warn warn;  ///< patterns beyond capacity, patterns that do not recall themselves, classes without pictures
};

struct HopfieldReport {
  std::string cut;  ///< the value at which the network ends
  int64_t features = 0, bits = 0, patterns = 0, networks = 1;
  int classes = 0;
  std::string binarization, rule, assignment;
  double beta = 0;
  double capacity = 0;          ///< random patterns that one network can hold under the rule; infinity under softmax
  int64_t most_in_network = 0;  ///< patterns of the fullest network
  int64_t kept = 0;             ///< patterns that are fixed points of their network; all of them under softmax
  double crosstalk = 0;         ///< cost of the assignment: sums of squared overlaps inside networks
  int64_t assignment_evaluations = 0;
  std::vector<std::pair<int64_t, double>> convergence;  ///< of the assignment: evaluations, least cost so far
  size_t fitted = 0, held_out = 0;                      ///< pictures; the memory is then fitted again on all
  double held_out_accuracy = -1;                        ///< of a memory fitted without them; -1: too few pictures
  double network_accuracy = -1;  ///< of the network as it was, on the same; -1 where its classes are others
  std::vector<std::pair<std::string, double>> binarizations;  ///< those tried, with their held-out accuracy
  int64_t removed_bytes = 0;                                  ///< constants behind the cut, as they were
  int64_t head_bytes = 0;    ///< of all that the memory stores: projection, thresholds, patterns, classes, networks
  int64_t memory_bytes = 0;  ///< that its networks take when they run: W, inverse Gram matrices, columns
};

struct TERCEL_API HopfieldResult {
  Model model;
  HopfieldReport report;
};

/// Cuts the network and fits a memory on labelled pictures: a folder with labels.tsv or one folder per class, a folder
/// of IDX files (its training part), or one IDX file of pictures beside one of labels. Labels that the model has are
/// kept where there are as many classes; else folders name them. Throws Error: a cut that separates nothing, fewer than
/// two classes, no pictures, features that are no finite numbers.
TERCEL_API HopfieldResult fit_hopfield(const Model& model, const std::filesystem::path& pictures,
                                       const HopfieldOptions& options = {});

/// The memory of a network that was trained towards code words (tercel.torch.CodeWords; docs/hopfield.md): it ends in
/// the signs of its features, and in weights of one magnitude, whose signs are the patterns. Needs no pictures, and
/// answers as the network does where the rule is softmax. Throws Error where the network ends otherwise, and for
/// options that code words decide: cut, pool, binarization, bits, patterns_per_class, pictures, beta.
TERCEL_API HopfieldResult hopfield_of_code_words(const Model& model, const HopfieldOptions& options = {});

/// Classes that a fitted model does not know yet, each from the pictures of one folder (its subfolders are classes, or
/// it is one itself): the old pictures are not needed. Throws Error where the model has no memory, and where a class
/// has a label that is there already.
TERCEL_API HopfieldResult add_hopfield_classes(const Model& model, const std::filesystem::path& pictures,
                                               const HopfieldOptions& options = {});

/// Forgets a class, by label or number; classes behind it move up. Throws Error where there is none such, and for the
/// last but one.
TERCEL_API Model remove_hopfield_class(const Model& model, std::string_view name);

/// The model with its memory in standard operators only, for other runtimes. Throws Error for a memory that settles
/// asynchronously (as a loop over units it has no such form) and for a softmax memory that settles.
TERCEL_API Model in_standard_operators(const Model& model);

struct HopfieldCompareOptions {
  std::string cut;  ///< as in HopfieldOptions
  bool pool = false;
  std::string binarization;  ///< of all rows that say nothing else; empty: zero or median, by the features' signs
  int64_t bits = 0;
  std::filesystem::path test;  ///< pictures to be tested on; empty: the t10k part of IDX, else a fifth of the pictures
  bool quick = false;          ///< fewer pictures, seeds and rows: under a minute for small networks
  int seeds = 5;               ///< each draws four fifths of the pictures, and what is random in the heads
  int pictures = 20000;        ///< to fit on at most
  /// Above 0: heads are fitted on so many pictures of each class, drawn anew for each seed, and compared with a fully
  /// connected layer trained on the same; the network may tell other classes apart.
  int shots = 0;
  /// Only heads whose name holds one of these words, and no comparison of assignments; empty: all.
  std::vector<std::string> heads;
  int test_pictures = 10000;    ///< to test on at most
  int settled_pictures = 1000;  ///< of these, for networks that settle and for nearest neighbours, which are slow
  uint64_t seed = 1;
  int threads = 0;
  Progress progress;
};

/// How networks settled, in parts of the probes' recalls.
struct SettlingReport {
  double stored = 0, inverse = 0, spurious = 0, unsettled = 0;  ///< the last: cycles and the bound
  double fell_back = 0;  ///< parts of the probes of which no network settled on a stored pattern
  double sweeps = 0;     ///< mean
  /// Parts of the probes that the nearest pattern named right and settling wrong, and the reverse.
  double right_to_wrong = 0, wrong_to_right = 0;
};

/// One way to name the class from the same features.
struct HopfieldComparisonRow {
  std::string head;
  double accuracy = 0, deviation = 0;  ///< over the seeds
  int seeds = 1;
  size_t tested = 0;
  double difference = 0;  ///< accuracy less that of the network as it was (few shots: of the trained layer)
  double mcnemar = 1;     ///< probability of so unequal a split of the pictures that only one names right; first seed
  int64_t bytes = 0;      ///< that a file needs: weights, projection, thresholds, patterns
  int64_t memory = 0;     ///< that it takes when it runs, W and inverse Gram matrices included
  double median_us = 0, p95_us = 0;  ///< to name the class of one picture from its features, one thread
  bool settles = false;
  SettlingReport settling;
};

struct AssignmentComparison {
  std::string method;
  double mean = 0, least = 0;                           ///< cost over the seeds
  std::vector<std::pair<int64_t, double>> convergence;  ///< of the first seed
};

struct HopfieldComparison {
  std::string cut;
  int64_t features = 0, bits = 0;
  int classes = 0;
  size_t fitted = 0, tested = 0;
  int shots = 0;  ///< pictures of each class fitted on; 0: four fifths of all
  std::string binarization;
  std::vector<HopfieldComparisonRow> rows;
  int64_t assigned_patterns = 0;
  int assignment_networks = 0, assignment_evaluations = 0, assignment_seeds = 0;
  std::vector<AssignmentComparison> assignments;  ///< on the same patterns, at equal evaluations
  std::string assignment_verdict;                 ///< in words
};

/// Every head on the same frozen features. Throws Error as fit_hopfield does, and where the network tells other classes
/// apart than the pictures have: it is what the heads are compared with.
TERCEL_API HopfieldComparison compare_hopfield(const Model& model, const std::filesystem::path& pictures,
                                               const HopfieldCompareOptions& options = {});

}  // namespace tercel
