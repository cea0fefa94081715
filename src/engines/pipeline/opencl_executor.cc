#include "base/error.h"
#include "engines/pipeline/executor.h"

#ifdef TERCEL_HAVE_OPENCL

#define CL_HPP_ENABLE_EXCEPTIONS
#define CL_HPP_TARGET_OPENCL_VERSION 120
#define CL_HPP_MINIMUM_OPENCL_VERSION 120
#define CL_TARGET_OPENCL_VERSION 120
#include <algorithm>
#include <bit>
#include <cstring>

#include <CL/opencl.hpp>

#include "base/clock.h"
#include "engines/pipeline/device/text.h"

namespace tercel::inline engines {
namespace {

std::string in_words(const cl::Error& error) { return fmt::format("{} gave error {}", error.what(), error.err()); }

/// An OpenCL error in our words.
template <typename Body>
decltype(auto) in_opencl(Body&& body) {
  try {
    return body();
  } catch (const cl::Error& error) {
    fail(ErrorCode::unsupported, "OpenCL: {}", in_words(error));
  }
}

struct Target {
  cl::Platform platform;
  cl::Device device;
  std::string name;
};

Target find_target(std::string_view wanted) {
  constexpr std::string_view kWhatToDo = "install a platform, on a CPU for instance PoCL (Debian: pocl-opencl-icd)";
  std::vector<cl::Platform> platforms;
  try {
    cl::Platform::get(&platforms);
  } catch (const cl::Error&) {  // the loader finds none
  }
  std::string known;
  for (const cl::Platform& platform : platforms) {
    const std::string name = platform.getInfo<CL_PLATFORM_NAME>();
    known += (known.empty() ? "" : ", ") + name;
    if (name.find(wanted) == std::string::npos) continue;
    std::vector<cl::Device> devices;
    try {
      // One work-item does a tile: made for few strong cores.
      platform.getDevices(CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_ACCELERATOR, &devices);
    } catch (const cl::Error&) {
    }
    if (!devices.empty()) return {platform, devices[0], name};
  }
  if (platforms.empty()) fail_unsupported("there is no OpenCL platform on this machine; {}", kWhatToDo);
  if (!wanted.empty()) fail_unsupported("no OpenCL platform '{}' with a processor; there is {}", wanted, known);
  fail_unsupported("no OpenCL platform has a processor to run on (there is {}); {}", known, kWhatToDo);
}

class OpenclExecutor final : public Executor {
 public:
  OpenclExecutor(const PipelineNetwork& network, std::string_view platform)
      : network_(network), target_(find_target(platform)), context_(target_.device), queue_(context_, target_.device) {
    build();
    const auto buffer = [&](const void* from, size_t bytes) {
      const size_t size = std::max<size_t>(bytes, 64);
      const cl::Buffer made(context_, CL_MEM_READ_WRITE, size);
      if (from != nullptr && bytes > 0) queue_.enqueueWriteBuffer(made, CL_TRUE, 0, bytes, from);
      return made;
    };
    std::vector<Layer> layers;
    std::vector<Norm> norms;
    for (const PipelineLayer& layer : network.layers) {
      layers.push_back(layer.layer);
      norms.push_back(layer.norm);
    }
    layers_ = buffer(layers.data(), layers.size() * sizeof(Layer));
    norms_ = buffer(norms.data(), norms.size() * sizeof(Norm));
    weights_ = buffer(network.weights.data(), network.weights.size());
    scales_ = buffer(network.scales.data(), network.scales.size() * 4);
    tables_ = buffer(network.tables.data(), network.tables.size() * 4);
    const auto feature_bytes = static_cast<size_t>(network.feature_words) * vec();
    features_ = buffer(nullptr, feature_bytes);
    queue_.enqueueFillBuffer<cl_char>(features_, 0, 0, feature_bytes);  // channels that fill up a word

    const size_t lane = static_cast<size_t>(network.design.lane);
    ring_bytes_ = static_cast<size_t>(network.data_words) * vec() + static_cast<size_t>(network.row_words) * lane * 6;
    ring_bytes_ = (ring_bytes_ + 4095) / 4096 * 4096;
    // Enough tiles at once that the last of them does not leave processors idle for long.
    constexpr size_t kTilesPerProcessor = 8, kMostRingBytes = size_t{64} << 20;
    const size_t processors = target_.device.getInfo<CL_DEVICE_MAX_COMPUTE_UNITS>();
    tiles_ = std::clamp<size_t>(kMostRingBytes / ring_bytes_, 1, kTilesPerProcessor * processors);
    rings_ = cl::Buffer(context_, CL_MEM_READ_WRITE, ring_bytes_ * tiles_);
  }

  std::string what() const override { return "OpenCL, " + target_.name; }

  void write(int64_t first_word, std::span<const int8_t> levels) override {
    in_opencl([&] {
      queue_.enqueueWriteBuffer(features_, CL_TRUE, static_cast<size_t>(first_word) * vec(), levels.size(),
                                levels.data());
    });
  }

  void read(int64_t first_word, std::span<int8_t> levels) override {
    in_opencl([&] {
      queue_.enqueueReadBuffer(features_, CL_TRUE, static_cast<size_t>(first_word) * vec(), levels.size(),
                               levels.data());
    });
  }

  void run(std::vector<double>* ms, std::stop_token stop) override {
    if (ms != nullptr) ms->assign(network_.layers.size(), 0);
    in_opencl([&] {
      for (size_t i = 0; i < network_.layers.size(); ++i) {
        if (stop.stop_requested()) {
          queue_.finish();
          fail(ErrorCode::stopped, "stopped before layer {} of {}", i + 1, network_.layers.size());
        }
        const Stopwatch clock;
        const PipelineLayer& layer = network_.layers[i];
        if (layer.normalizes) normalize(i);
        else tiles(i, static_cast<size_t>(layer.tiles()));
        if (ms != nullptr) {
          queue_.finish();
          (*ms)[i] = clock.ms();
        }
      }
      queue_.finish();
    });
  }

 private:
  size_t vec() const { return static_cast<size_t>(network_.design.vec); }

  void build() {
    const DesignPoint& d = network_.design;
    // Rounded up: networks then share a compiled kernel.
    const auto at_least = [](int wanted, int least) {
      return static_cast<int>(std::bit_ceil(static_cast<unsigned>(std::max(wanted, least))));
    };
    std::string options = fmt::format(
        "-DVEC={} -DLANE={} -DWINDOW_X={} -DWINDOW_WORDS={} -DWEIGHT_WORDS={} -DPOOL_LINES={} "
        "-DPOOL_COLUMNS={}",
        d.vec, d.lane, d.window_x, at_least(network_.window_words, 1 << 12), 1, at_least(network_.pool_lines, 4),
        at_least(network_.pool_columns, 256));
    cl::Program program(context_, std::string(kPipelineText));
    try {
      program.build(target_.device, options.c_str());
    } catch (const cl::Error& error) {
      fail_unsupported("{} does not compile the pipeline ({}):\n{}", target_.name, in_words(error),
                       program.getBuildInfo<CL_PROGRAM_BUILD_LOG>(target_.device));
    }
    in_opencl([&] {
      pipeline_ = cl::Kernel(program, "run_tiles");
      normalize_ = cl::Kernel(program, "run_norm");
    });
  }

  void tiles(size_t index, size_t count) {
    cl_uint at = 0;
    pipeline_.setArg(at++, layers_);
    pipeline_.setArg(at++, static_cast<cl_int>(index));
    pipeline_.setArg(at++, features_);
    pipeline_.setArg(at++, weights_);
    pipeline_.setArg(at++, scales_);
    pipeline_.setArg(at++, rings_);
    pipeline_.setArg(at++, static_cast<cl_int>(ring_bytes_));
    pipeline_.setArg(at++, static_cast<cl_int>(network_.data_words));
    pipeline_.setArg(at++, static_cast<cl_int>(network_.row_words));
    for (size_t first = 0; first < count; first += tiles_) {
      pipeline_.setArg(at, static_cast<cl_int>(first));
      queue_.enqueueNDRangeKernel(pipeline_, cl::NullRange, cl::NDRange(std::min(tiles_, count - first)),
                                  cl::NDRange(1));
    }
  }

  void normalize(size_t index) {
    const Norm& norm = network_.layers[index].norm;
    for (int image = 0; image < norm.images; ++image) {
      cl_uint at = 0;
      normalize_.setArg(at++, norms_);
      normalize_.setArg(at++, static_cast<cl_int>(index));
      normalize_.setArg(at++, features_);
      normalize_.setArg(at++, tables_);
      normalize_.setArg(at++, static_cast<cl_int>(image));
      queue_.enqueueNDRangeKernel(normalize_, cl::NullRange, cl::NDRange(static_cast<size_t>(norm.plane)));
    }
  }

  const PipelineNetwork& network_;
  Target target_;
  cl::Context context_;
  cl::CommandQueue queue_;
  cl::Kernel pipeline_, normalize_;
  cl::Buffer layers_, norms_, features_, weights_, scales_, tables_, rings_;
  size_t ring_bytes_ = 0, tiles_ = 1;
};

}  // namespace

std::unique_ptr<Executor> make_opencl_executor(const PipelineNetwork& network, std::string_view platform) {
  return in_opencl([&] { return std::make_unique<OpenclExecutor>(network, platform); });
}

}  // namespace tercel::inline engines

#else

namespace tercel::inline engines {

std::unique_ptr<Executor> make_opencl_executor(const PipelineNetwork&, std::string_view) {
  fail_unsupported(
      "this build has no OpenCL: install its headers and loader (Debian: ocl-icd-opencl-dev, "
      "opencl-clhpp-headers) and build again");
}

}  // namespace tercel::inline engines

#endif
