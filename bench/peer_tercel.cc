// peer_tercel MODEL THREADS INPUT.npy OUTPUT.npy [PASS...]: loads, leaving these passes out, prints the load time in ms
// and the most memory so far in MiB, writes the answer, then answers every line on stdin with the time of one run in
// ms. bench/peers.py runs it in turns with its peers, tools/layernorm_fold.py with itself.

#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "tercel/tercel.h"

namespace {

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// The most memory this program has held. getrusage would count what the parent held when it forked.
double peak_mib() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib / 1024;
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 5) return 2;
  try {
    const double start = now_ms();
    tercel::SessionOptions options;
    options.threads = std::atoi(argv[2]);
    for (int i = 5; i < argc; ++i) {
      const std::string word = argv[i];
      if (word.starts_with("precision=")) options.precision = word.substr(word.find('=') + 1);
      else options.without.push_back(word);
    }
    tercel::Session session(tercel::load(argv[1]), options);
    const std::vector<tercel::Array> input{tercel::Array::open(argv[3])};
    session.prepare({{session.model().inputs()[0].name, input[0].dims()}});
    const double loaded = now_ms() - start;
    const double peak = peak_mib();
    session.run(input).at(0).save(argv[4]);
    fmt::print("{} {}\n", loaded, peak);
    std::fflush(stdout);
    for (int c; (c = std::getchar()) != EOF;) {
      if (c != '\n') continue;
      const double before = now_ms();
      session.run(input);
      fmt::print("{}\n", now_ms() - before);
      std::fflush(stdout);
    }
    return 0;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
