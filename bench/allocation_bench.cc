// What different ways to share out errors between layers are worth: bytes at equal divergence on pictures that no way
// has seen, after the same number of networks measured.
//
//   allocation_bench MODEL PICTURES [--preprocess PRESET] [--evaluations N] [--seeds N] [--kl X] [--pictures N]
//
//   equal            every layer's step the same part of its deviation
//   greedy           from there layer by layer, up to an octave either way
//   closed           shares by Fisher information, nothing measured but the step scale
//   closed+greedy    layer by layer from the closed form
//   closed+evolved   CMA-ES from the closed form, on few pictures first
//   front            NSGA-II from the closed form; of its front, what has the most merit
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/clock.h"
#include "quant/pictures.h"
#include "session/model_impl.h"
#include "tercel/tercel.h"
#include "tune/rate_distortion.h"

namespace {

using namespace tercel;

struct Bench {
  std::string model, pictures, preset;
  int evaluations = 200, seeds = 2, count = 64, judged = 256;
  double kl = 0.05;
};

/// The step scale at which the divergence is `kl`: bisection in logarithms.
double step_scale_for(RateDistortion& problem, double kl, const Genome& genome) {
  double low = std::log(1.0 / 16), high = std::log(16.0);
  for (int i = 0; i < 12; ++i) {
    const double middle = (low + high) / 2;
    (problem.measure(std::exp(middle), genome).kl <= kl ? low : high) = middle;
  }
  return std::exp(low);
}

/// Bytes where the divergence is exactly `kl`, between the two step scales around it.
double bytes_at(RateDistortion& problem, double kl, const Genome& genome) {
  const double step_scale = step_scale_for(problem, kl, genome);
  const RatePoint fine = problem.measure(step_scale / 1.05, genome),
                  coarse = problem.measure(step_scale * 1.05, genome);
  const double along = std::log(kl / fine.kl) / std::log(coarse.kl / fine.kl);
  const double bytes =
      std::log(static_cast<double>(fine.bytes)) * (1 - along) + std::log(static_cast<double>(coarse.bytes)) * along;
  return std::exp(bytes);
}

void run(const Bench& bench) {
  const Model model = optimize(load(bench.model));
  const Preprocessing how = bench.preset.empty() ? model.preprocessing() : Preprocessing::preset(bench.preset);
  for (int seed = 1; seed <= bench.seeds; ++seed) {
    const auto size = [](int n) { return static_cast<size_t>(n); };
    auto [used, judged] = split_pictures(find_pictures(bench.pictures), size(2 * bench.count), size(bench.judged),
                                         static_cast<uint64_t>(seed));
    auto [measured, tuned] = split_pictures(used, size(bench.count), size(bench.count), static_cast<uint64_t>(seed));
    const std::vector<Array> tuning = load_inputs(model, tuned, how), held_out = load_inputs(model, judged, how);
    Compressor compressor(model, load_inputs(model, measured, how), codec::Profile::max, 1, {});
    SessionOptions options;
    options.threads = 1;
    Session session(model, options);
    const Answers tuning_answers = answers_of(session, tuning), held_out_answers = answers_of(session, held_out);

    double reference = 0;
    const auto report = [&](const char* name, Allocation allocation, auto&& choose) {
      RateDistortion problem(compressor, tuning, tuning_answers, allocation, 1);
      const double step_scale = step_scale_for(problem, bench.kl, {});
      const int before = problem.evaluations();
      const Stopwatch clock;
      const Genome genome = choose(problem, step_scale);
      const double seconds = clock.ms() / 1000;
      RateDistortion judge(compressor, held_out, held_out_answers, allocation, 1);
      const double seen = bytes_at(problem, bench.kl, genome), unseen = bytes_at(judge, bench.kl, genome);
      if (reference == 0) reference = unseen;
      fmt::print("| {} | {} | {} | {:.0f} | {:.0f} | {:+.1f} % | {:.0f} |\n", seed, name,
                 genome.empty() ? 0 : problem.evaluations() - before, seen, unseen, 100 * (unseen / reference - 1),
                 seconds);
      std::fflush(stdout);
    };
    RefineOptions refining;
    refining.evaluations = bench.evaluations;
    refining.seed = static_cast<uint64_t>(seed);
    const auto nothing = [](RateDistortion&, double) { return Genome{}; };
    const auto greedy = [&](RateDistortion& p, double s) { return refine_greedily(p, s, refining).genome; };
    report("closed", Allocation::fisher, nothing);
    report("equal", Allocation::equal, nothing);
    report("greedy", Allocation::equal, greedy);
    report("closed+greedy", Allocation::fisher, greedy);
    if (!can_evolve()) continue;
    report("closed+evolved", Allocation::fisher,
           [&](RateDistortion& p, double s) { return refine(p, s, refining).genome; });
    report("front", Allocation::fisher, [&](RateDistortion& p, double s) {
      const ExchangeRate rate = p.exchange_rate(s);
      const std::vector<Candidate> front = evolve_rate_front(p, s, refining).best;
      const auto merit = [&](const Candidate& c) {
        return rate.merit({static_cast<int64_t>(c.objectives[0]), c.objectives[1]});
      };
      return std::min_element(front.begin(), front.end(),
                              [&](const Candidate& a, const Candidate& b) { return merit(a) < merit(b); })
          ->genes;
    });
  }
}

}  // namespace

int main(int argc, char** argv) {
  Bench bench;
  CLI::App app("Shares of layers: bytes at equal divergence");
  app.add_option("model", bench.model)->required();
  app.add_option("pictures", bench.pictures)->required();
  app.add_option("--preprocess", bench.preset);
  app.add_option("--evaluations", bench.evaluations)->capture_default_str();
  app.add_option("--seeds", bench.seeds)->capture_default_str();
  app.add_option("--kl", bench.kl)->capture_default_str();
  app.add_option("--pictures", bench.count, "To measure on, and as many to choose by")->capture_default_str();
  app.add_option("--judged", bench.judged)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    fmt::print(
        "{}: KL {}, {} evaluations, {} + {} + {} pictures\n\n| seed | shares | evaluations | bytes, pictures seen | "
        "bytes, unseen | against closed | s |\n|---|---|---|---|---|---|---|\n",
        bench.model, bench.kl, bench.evaluations, bench.count, bench.count, bench.judged);
    run(bench);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 2;
  }
}
