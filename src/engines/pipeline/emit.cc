#include "engines/pipeline/emit.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/file.h"
#include "engines/pipeline/device/text.h"

namespace tercel::inline engines {
namespace {

void write_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes);
  file.commit();
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text)));
}

std::string port_text(const HostPort& port) {
  const FeatureMap& m = port.map;
  return fmt::format("    {{\"{}\", {}, {}, {}, {}, {}, {}, {}, {}, {}, {}, {:a}f, {}}},\n", port.port.name,
                     port.port.dtype == DType::f32, port.means, m.dtype == DType::u8, m.images, m.channels, m.height,
                     m.width, m.at, m.image_words, m.channel, m.scale(), m.quantization->zeros[0]);
}

std::string network_header(const PipelineNetwork& n, const std::string& title) {
  std::string loads, stores, normalizes;
  for (const HostPort& port : n.loads) loads += port_text(port);
  for (const HostPort& port : n.stores) stores += port_text(port);
  for (const PipelineLayer& layer : n.layers) normalizes += fmt::format("{}, ", layer.normalizes ? 1 : 0);
  return fmt::format(R"(// {}: what host.cc has to know.
#pragma once

/// An input or output: [image][channel word][row][column] words of VEC levels, from word `at` on.
struct NetworkPort {{
  const char* name;
  bool floats;       ///< else levels, a byte each
  bool means;        ///< one float a channel: the mean of its rows and columns
  bool is_unsigned;  ///< levels: stored less 128
  int images, channels, height, width;
  long at, image_words;
  int channel;  ///< the first, in its map
  float scale;
  int zero;
}};

#define VEC {}
constexpr const char* kBuildOptions = "{}";
constexpr long kFeatureWords = {};
constexpr int kLayers = {};
constexpr int kNormalizes[] = {{{}}};
constexpr long kRingBytes = {};
constexpr int kDataWords = {}, kRowWords = {};
constexpr int kLoads = {}, kStores = {};
constexpr NetworkPort kLoadPorts[] = {{
{}}};
constexpr NetworkPort kStorePorts[] = {{
{}}};
)",
                     title, n.design.vec, n.kernel_options({}), n.feature_words, n.layers.size(), normalizes,
                     n.ring_bytes(), n.data_words, n.row_words, n.loads.size(), n.stores.size(), loads, stores);
}

std::string build_script(const PipelineNetwork& n) {
  return fmt::format(R"sh(#!/bin/sh
# The host, and with Intel's FPGA SDK for OpenCL (aoc on the PATH) the kernels for a board: BOARD=<its name> ./build.sh
# That SDK is no longer sold; this line was never run by those who wrote it.
set -eu
cd "$(dirname "$0")"
c++ -O2 -std=c++17 host.cc -lOpenCL -o host
if [ -n "${{BOARD:-}}" ]; then
  aoc -board="$BOARD" -DTERCEL_CHANNELS_INTEL {} pipeline.cl -o pipeline.aocx
fi
)sh",
                     n.kernel_options({}));
}

std::string readme(const PipelineNetwork& n, const std::string& title) {
  return fmt::format(R"(# {}

Design point: {}

    ./build.sh                       # host program (needs OpenCL's headers and loader)
    ./host input output              # one file per input and output, raw elements as network.h lists them

On a processor (PoCL, Intel's runtime) tiles run stage after stage; the answer is the same byte for byte as that of
`tercel run --engine pipeline`. With Intel's emulator: PIPELINE_CHANNELS=1 ./host ... For a board: BOARD=name ./build.sh,
then PIPELINE_BINARY=pipeline.aocx ./host ... (never tried on a board).

| file | what |
|---|---|
| pipeline.cl | all kernels |
| layer.h, layers.bin | what they are told of each layer |
| weights.bin, scales.bin, tables.bin | memory images |
| network.h, host.cc | the host's part |
)",
                     title, to_string(n.design));
}

}  // namespace

void emit_network(const PipelineNetwork& network, const std::string& title, const std::filesystem::path& folder) {
  if (network.tail != nullptr)
    fail_unsupported("the network ends in floats ({}); an emitted host only makes levels and floats of each other",
                     fmt::join(network.host_last, ", "));
  if (std::filesystem::exists(folder)) fail_input("{}: is there already; name a new folder", folder.string());
  const std::filesystem::path partial = folder.string() + ".partial";
  std::error_code error;
  std::filesystem::remove_all(partial, error);
  std::filesystem::create_directories(partial, error);
  if (error) fail(ErrorCode::io, "{}: {}", partial.string(), error.message());
  try {
    std::string layers;
    for (const PipelineLayer& layer : network.layers)
      if (layer.normalizes) layers.append(reinterpret_cast<const char*>(&layer.norm), sizeof(Norm));
      else layers.append(reinterpret_cast<const char*>(&layer.layer), sizeof(Layer));
    write_file(partial / "pipeline.cl", kPipelineText);
    write_file(partial / "layer.h", kLayerText);
    write_file(partial / "host.cc", kHostText);
    write_file(partial / "network.h", network_header(network, title));
    write_file(partial / "README.md", readme(network, title));
    write_file(partial / "layers.bin", layers);
    write_file(partial / "weights.bin", std::as_bytes(std::span(network.weights)));
    write_file(partial / "scales.bin", std::as_bytes(std::span(network.scales)));
    write_file(partial / "tables.bin", std::as_bytes(std::span(network.tables)));
    write_file(partial / "build.sh", build_script(network));
    std::filesystem::permissions(partial / "build.sh",
                                 std::filesystem::perms::owner_exec | std::filesystem::perms::group_exec,
                                 std::filesystem::perm_options::add, error);
    std::filesystem::rename(partial, folder, error);
    if (error) fail(ErrorCode::io, "{}: {}", folder.string(), error.message());
  } catch (...) {
    std::filesystem::remove_all(partial, error);
    throw;
  }
}

}  // namespace tercel::inline engines
