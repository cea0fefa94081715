#include "hopfield/recall.h"

#include <gmock/gmock.h>

#include <set>

#include "base/error_testing.h"
#include "hopfield/parallel_networks.h"
#include "hopfield/patterns_testing.h"

namespace tercel::inline hopfield {
namespace {

BitPatterns patterns_of(int64_t bits, const std::vector<std::string>& rows) {
  BitPatterns patterns(bits, static_cast<int64_t>(rows.size()));
  for (size_t k = 0; k < rows.size(); ++k)
    for (int64_t i = 0; i < bits; ++i)
      if (rows[k][static_cast<size_t>(i)] == '+') BitPatterns::flip(patterns.row(static_cast<int64_t>(k)), i);
  return patterns;
}

std::vector<uint64_t> inverse_of(std::span<const uint64_t> row, int64_t bits) {
  std::vector<uint64_t> inverse(row.begin(), row.end());
  for (int64_t i = 0; i < bits; ++i) BitPatterns::flip(inverse.data(), i);
  return inverse;
}

TEST(Recall, HebbSettlesOnTheInverseOfItsPatternFromNearIt) {
  const BitPatterns patterns = random_patterns(64, 1, 1);
  const auto network = find_rule("hebb").learn(patterns, {});
  std::vector<uint64_t> probe = inverse_of(patterns.row_span(0), 64);
  BitPatterns::flip(probe.data(), 5);
  const Recalled recalled = recall(*network, probe);
  EXPECT_EQ(recalled.end, RecallEnd::fixed_point);
  EXPECT_EQ(recalled.changes, 1);
  const StateMatch match = match_state(recalled.state, patterns);
  EXPECT_EQ(match.kind, StateKind::inverse);
  EXPECT_EQ(match.overlap, -64);
}

TEST(Recall, MixturesAreSpurious) {
  // The majority of three patterns is a fixed point under Hebb, and none of them.
  const BitPatterns patterns = random_patterns(512, 3, 9);
  BitPatterns mixture(512, 1);
  for (int64_t i = 0; i < 512; ++i)
    if (patterns.sign(0, i) + patterns.sign(1, i) + patterns.sign(2, i) > 0) BitPatterns::flip(mixture.row(0), i);
  const auto network = find_rule("hebb").learn(patterns, {});
  const Recalled recalled = recall(*network, mixture.row_span(0));
  EXPECT_EQ(recalled.changes, 0);
  EXPECT_EQ(match_state(recalled.state, patterns).kind, StateKind::spurious);
}

TEST(Recall, SynchronousCyclesAreReported) {
  // Two units that want to agree, and do not: each takes the other's sign, for ever.
  const auto network = find_rule("hebb").learn(patterns_of(2, {"++"}), {});
  RecallOptions options;
  options.mode = RecallMode::synchronous;
  const BitPatterns probe = patterns_of(2, {"+-"});
  const Recalled recalled = recall(*network, probe.row_span(0), options);
  EXPECT_EQ(recalled.end, RecallEnd::cycle);
  EXPECT_EQ(recall(*network, probe.row_span(0)).end, RecallEnd::fixed_point);
}

TEST(Recall, TheBoundEndsItAndIsReported) {
  const BitPatterns patterns = random_patterns(256, 40, 5);
  const auto network = find_rule("hebb").learn(patterns, {});
  RecallOptions options;
  options.max_sweeps = 1;
  const BitPatterns probe = random_patterns(256, 1, 8);
  const Recalled recalled = recall(*network, probe.row_span(0), options);
  EXPECT_EQ(recalled.end, RecallEnd::bound);
  EXPECT_EQ(recalled.sweeps, 1);
  options.max_sweeps = 50;
  EXPECT_EQ(recall(*network, probe.row_span(0), options).end, RecallEnd::fixed_point);
}

TEST(Recall, SameSeedSameState) {
  const BitPatterns patterns = random_patterns(200, 50, 5);
  const auto network = find_rule("hebb").learn(patterns, {});
  const BitPatterns probe = random_patterns(200, 1, 8);
  RecallOptions options;
  std::set<std::vector<uint64_t>> states;
  for (const uint64_t seed : {0, 1, 2, 3, 4, 5}) {
    options.seed = seed;
    const Recalled first = recall(*network, probe.row_span(0), options);
    EXPECT_EQ(first.state, recall(*network, probe.row_span(0), options).state);
    states.insert(first.state);
  }
  EXPECT_GT(states.size(), 1u) << "the order of the units makes no difference";
}

PatternMemory memory_of(BitPatterns patterns, std::vector<int32_t> classes, std::vector<int32_t> networks) {
  return {std::move(patterns), std::move(classes), std::move(networks)};
}

TEST(ParallelNetworks, TheFewestChangesNameTheClass) {
  const BitPatterns patterns = random_patterns(300, 6, 1);
  const ParallelNetworks networks(memory_of(patterns, {0, 1, 2, 3, 4, 5}, {0, 1, 2, 0, 1, 2}), find_rule("hebb"));
  Rng rng(2);
  for (int64_t k = 0; k < 6; ++k) {
    const Verdict verdict = networks.decide(disturbed(patterns.row_span(k), 300, 0.15, rng));
    EXPECT_EQ(verdict.class_index, k);
    EXPECT_TRUE(verdict.settled);
    EXPECT_EQ(verdict.networks.size(), 3u);
    EXPECT_GT(verdict.changes, 0);
  }
}

TEST(ParallelNetworks, InversesAreRejectedHoweverFewTheirChanges) {
  // Network 0 holds the inverse of the probe: it settles there at once. Network 1 holds a pattern 100 units away.
  BitPatterns patterns = random_patterns(300, 2, 3);
  std::vector<uint64_t> probe(patterns.row_span(1).begin(), patterns.row_span(1).end());
  for (int64_t i = 0; i < 100; ++i) BitPatterns::flip(probe.data(), i);
  const std::vector<uint64_t> inverse = inverse_of(probe, 300);
  std::copy(inverse.begin(), inverse.end(), patterns.row(0));
  const ParallelNetworks networks(memory_of(patterns, {7, 8}, {0, 1}), find_rule("hebb"));
  const Verdict verdict = networks.decide(probe);
  EXPECT_EQ(verdict.networks[0].kind, StateKind::inverse);
  EXPECT_EQ(verdict.networks[0].changes, 0);
  EXPECT_EQ(verdict.class_index, 8);
  EXPECT_EQ(verdict.changes, 100);
}

TEST(ParallelNetworks, WhereAllAreRejectedTheNearestPatternCounts) {
  // 64 patterns in one Hebb network of 64 units: nothing is a fixed point any more.
  const BitPatterns patterns = random_patterns(64, 64, 3);
  std::vector<int32_t> classes, nets(64, 0);
  for (int32_t c = 0; c < 64; ++c) classes.push_back(c);
  const ParallelNetworks networks(memory_of(patterns, classes, nets), find_rule("hebb"));
  int fallbacks = 0;
  for (int64_t k = 0; k < 64; ++k) {
    const Verdict verdict = networks.decide(patterns.row_span(k));
    if (verdict.settled) continue;
    ++fallbacks;
    EXPECT_EQ(verdict.class_index, k);
  }
  EXPECT_GT(fallbacks, 50);
}

TEST(ParallelNetworks, ScoresAgreeWithVerdicts) {
  for (const std::string_view rule : {"hebb", "pseudo_inverse", "storkey", "softmax"}) {
    const BitPatterns patterns = random_patterns(128, 12, 3, 0.3);
    std::vector<int32_t> classes, nets;
    for (int32_t k = 0; k < 12; ++k) {
      classes.push_back(k / 2);
      nets.push_back(k % 3);
    }
    const ParallelNetworks networks(memory_of(patterns, classes, nets), find_rule(rule), {0.2});
    const BitPatterns probes = random_patterns(128, 40, 9, 0.3);
    for (int64_t i = 0; i < probes.count(); ++i) {
      const Verdict verdict = networks.decide(probes.row_span(i));
      const std::vector<float> scores = networks.scores(probes.row_span(i), 7);
      EXPECT_TRUE(std::isinf(scores[6])) << "class 6 has no pattern";
      EXPECT_EQ(scores[static_cast<size_t>(verdict.class_index)], *std::max_element(scores.begin(), scores.end()));
    }
  }
}

TEST(ParallelNetworks, WhatIsNoMemoryIsRefused) {
  const BitPatterns two = random_patterns(8, 2, 1);
  const Rule& rule = find_rule("hebb");
  const auto made = [&](PatternMemory memory) { return [&rule, memory] { ParallelNetworks made_of(memory, rule); }; };
  EXPECT_THAT(error_of(made(memory_of(BitPatterns(8), {}, {}))), testing::HasSubstr("without patterns"));
  EXPECT_THAT(error_of(made(memory_of(two, {0}, {0, 0}))),
              testing::HasSubstr("2 patterns have 1 classes and 2 networks"));
  EXPECT_THAT(error_of(made(memory_of(two, {0, -1}, {0, 0}))), testing::HasSubstr("class -1"));
  EXPECT_THAT(error_of(made(memory_of(two, {0, 1}, {0, 2}))), testing::HasSubstr("in network 2, wanted 0 to 1"));
}

}  // namespace
}  // namespace tercel::inline hopfield
