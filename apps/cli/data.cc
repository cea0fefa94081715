#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "common.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

struct NoisyMnistFlags {
  std::string from, output, variant = "awgn", snr = "default";
  uint64_t seed = 1;
  bool json = false;
};

/// Both parts are made before either is written.
void run(const NoisyMnistFlags& flags) {
  NoisyMnistOptions options;
  options.variant = parse_noisy_mnist_variant(flags.variant);
  options.snr = parse_snr_reading(flags.snr);
  options.seed = flags.seed;
  GreyPictures train = read_idx_folder(flags.from, "train"), test = read_idx_folder(flags.from, "t10k");
  const double sigma = noisy_mnist_sigma(train, options);
  train = noisy_mnist(train, options, sigma);
  NoisyMnistOptions other = options;
  other.seed = options.seed ^ 0x7E57;  // the noise of the tests is not that of the first training pictures
  test = noisy_mnist(test, other, sigma);
  std::error_code error;
  if (std::filesystem::equivalent(flags.from, flags.output, error))
    throw Error(ErrorCode::bad_input, fmt::format("{}: would be overwritten: name another folder", flags.output));
  std::filesystem::create_directories(flags.output, error);
  if (error) throw Error(ErrorCode::io, fmt::format("{}: {}", flags.output, error.message()));
  write_idx_folder(train, flags.output, "train");
  write_idx_folder(test, flags.output, "t10k");
  if (flags.json) {
    print(Json{{"variant", flags.variant},
               {"snr_reading", flags.snr},
               {"sigma", sigma},
               {"seed", flags.seed},
               {"train", train.size()},
               {"test", test.size()},
               {"output", flags.output}});
    return;
  }
  print(
      fmt::format("n-MNIST made anew: {}, noise of sigma {:.4f} on levels of 0..1 ({} reading of the SNR), seed {}, "
                  "clipped and rounded to 8 bits\n{} and {} pictures written to {}\n",
                  flags.variant, sigma, flags.snr, flags.seed, train.size(), test.size(), flags.output));
}

}  // namespace

void add_data(CLI::App& app) {
  CLI::App* data = app.add_subcommand("data", "Data sets made from others: n-mnist");
  data->require_subcommand(1);
  auto flags = std::make_shared<NoisyMnistFlags>();
  CLI::App* command = data->add_subcommand(
      "n-mnist", "Noisy MNIST by the published recipes: white noise, motion blur, or less contrast with noise");
  command->add_option("--from", flags->from, "Folder with MNIST's four IDX files, gzip or not")->required();
  command->add_option("-o,--output", flags->output, "Folder for the four files to write")->required();
  command->add_option("--variant", flags->variant, "awgn, motion or contrast");
  command->add_option("--snr-reading", flags->snr,
                      "What the recipe's SNR refers to: default (a signal of power 1, as MATLAB assumes) or measured "
                      "(the pictures' own power, which gives a third of the noise)");
  command->add_option("--seed", flags->seed, "Of the noise");
  command->add_flag("--json", flags->json, "For programs");
  command->callback([flags] { run(*flags); });
}

}  // namespace tercel::cli
