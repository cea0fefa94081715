// Size and decoding speed of the coder's profiles, on synthetic levels or on those of a file.
//
//   codec_bench                  rounded Laplace levels of 0.9, 1.8, 2.7 and 4.8 bits
//   codec_bench FILE...          matrices: int64 rows, columns, kernel height, kernel width, then int32 levels
//   codec_bench --repeat N ...   N timed runs, 7 unless told
//
// Every answer is compared with the levels before it is timed. A rate is the median of the runs; behind it the slowest
// and the fastest. One thread is timed by the processor time it used, which a busy machine distorts little; two threads
// by the clock on the wall, which means something on an idle machine only.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/rng.h"
#include "codec/codec.h"

namespace {

using namespace tercel;

struct Matrix {
  int64_t rows, columns, kernel_height, kernel_width;
  std::vector<int32_t> levels;
  codec::MatrixShape shape() const { return {rows, columns, kernel_height, kernel_width, {}}; }
};

std::vector<Matrix> read_matrices(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<Matrix> matrices;
  int64_t head[4];
  while (file.read(reinterpret_cast<char*>(head), sizeof head)) {
    if (head[0] < 1 || head[1] < 1 || head[0] > (int64_t{1} << 32) / head[1]) break;
    Matrix m{head[0], head[1], head[2], head[3], std::vector<int32_t>(static_cast<size_t>(head[0] * head[1]))};
    file.read(reinterpret_cast<char*>(m.levels.data()), static_cast<std::streamsize>(m.levels.size() * 4));
    matrices.push_back(std::move(m));
  }
  return matrices;
}

Matrix laplace_matrix(double scale) {
  Matrix m{1024, 2048, 1, 1, std::vector<int32_t>(1024 * 2048)};
  Rng rng(1);
  for (int32_t& level : m.levels) {
    const double magnitude = -scale * std::log(1 - rng.uniform());
    level = static_cast<int32_t>(std::lround(rng.next() & 1 ? magnitude : -magnitude));
  }
  return m;
}

/// Bits per level if each matrix were coded by its own frequencies, without the price of telling them.
double order0_bits(const std::vector<Matrix>& matrices) {
  double bits = 0, count = 0;
  for (const Matrix& m : matrices) {
    std::map<int32_t, int64_t> frequencies;
    for (int32_t level : m.levels) ++frequencies[level];
    const auto total = static_cast<double>(m.levels.size());
    for (const auto& [level, n] : frequencies)
      bits -= static_cast<double>(n) * std::log2(static_cast<double>(n) / total);
    count += total;
  }
  return bits / count;
}

struct Rate {
  double median, least, most;
};

/// Millions of weights a second of body(), which handles `weights`.
template <typename Body>
Rate measure(int repeat, int64_t weights, bool processor_time, Body&& body) {
  std::vector<double> rates;
  for (int i = 0; i < repeat; ++i) {
    const Stopwatch wall;
    const std::clock_t before = std::clock();
    body();
    const double used_ms = 1e3 * static_cast<double>(std::clock() - before) / CLOCKS_PER_SEC;
    rates.push_back(static_cast<double>(weights) / (processor_time ? used_ms : wall.ms()) / 1e3);
  }
  std::sort(rates.begin(), rates.end());
  return {rates[rates.size() / 2], rates.front(), rates.back()};
}

std::string to_text(const Rate& rate) {
  return fmt::format("{:7.1f} ({:.1f}..{:.1f})", rate.median, rate.least, rate.most);
}

bool bench(const std::string& name, const std::vector<Matrix>& matrices, int repeat) {
  int64_t weights = 0;
  for (const Matrix& m : matrices) weights += static_cast<int64_t>(m.levels.size());
  fmt::print("{}: {} matrices, {} weights, order-0 entropy {:.4f} bits\n", name, matrices.size(), weights,
             order0_bits(matrices));
  for (const codec::Profile profile : {codec::Profile::max, codec::Profile::balanced, codec::Profile::fast}) {
    std::vector<std::string> streams(matrices.size());
    std::vector<std::vector<int32_t>> levels(matrices.size());
    std::vector<std::vector<float>> floats(matrices.size());
    size_t bytes = 0;
    const auto encode = [&] {
      for (size_t i = 0; i < matrices.size(); ++i)
        streams[i] = codec::encode(matrices[i].levels, matrices[i].shape(), {.profile = profile});
    };
    const auto decode = [&](int threads) {
      for (size_t i = 0; i < matrices.size(); ++i)
        codec::decode(std::as_bytes(std::span(streams[i])), matrices[i].shape(), {}, {}, floats[i], threads);
    };
    const Rate encoding = measure(1, weights, true, encode);
    for (size_t i = 0; i < matrices.size(); ++i) {
      const Matrix& m = matrices[i];
      bytes += streams[i].size();
      levels[i].resize(m.levels.size());
      floats[i].resize(m.levels.size());
      codec::decode(std::as_bytes(std::span(streams[i])), m.shape(), levels[i]);
      if (levels[i] != m.levels) {
        fmt::print(stderr, "{}: matrix {} comes back different\n", codec::to_string(profile), i);
        return false;
      }
    }
    decode(1);
    for (size_t i = 0; i < matrices.size(); ++i)
      for (size_t k = 0; k < floats[i].size(); ++k)
        if (floats[i][k] != static_cast<float>(levels[i][k])) {
          fmt::print(stderr, "{}: matrix {} gives other floats\n", codec::to_string(profile), i);
          return false;
        }
    const Rate one = measure(repeat, weights, true, [&] { decode(1); }),
               two = measure(repeat, weights, false, [&] { decode(2); });
    fmt::print("  {:8} {:.4f} bits/weight   M weights/s: encode {:5.1f}, decode to floats, 1 thread {}, 2 threads {}\n",
               codec::to_string(profile), static_cast<double>(bytes) * 8 / static_cast<double>(weights),
               encoding.median, to_text(one), to_text(two));
    std::fflush(stdout);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  int repeat = 7;
  std::vector<std::string> files(argv + 1, argv + argc);
  if (files.size() >= 2 && files[0] == "--repeat") {
    repeat = std::max(1, std::atoi(files[1].c_str()));
    files.erase(files.begin(), files.begin() + 2);
  }
  bool good = true;
  if (files.empty())
    for (const auto& [name, scale] :
         {std::pair("Laplace 0.9", 0.295), {"Laplace 1.8", 0.6}, {"Laplace 2.7", 1.17}, {"Laplace 4.8", 5.1}})
      good &= bench(name, {laplace_matrix(scale)}, repeat);
  for (const std::string& file : files) {
    const auto matrices = read_matrices(file);
    if (matrices.empty()) {
      fmt::print(stderr, "{}: no matrices\n", file);
      return 1;
    }
    good &= bench(file.substr(file.rfind('/') + 1), matrices, repeat);
  }
  return good ? 0 : 1;
}
