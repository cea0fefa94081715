// The kernels through OpenCL: tiles with rings, or all stages at once with Intel's channels.
#include "base/error.h"
#include "engines/pipeline/executor.h"

#ifdef TERCEL_HAVE_OPENCL

#include <algorithm>
#include <array>

#include "base/clock.h"
#include "engines/pipeline/opencl_device.h"

namespace tercel::inline engines {
namespace {

class OpenclExecutor : public Executor {
  /// However a run ends, nothing of it is left in the queue for the next one, or for who lets go of its memory.
  struct AfterAll {
    explicit AfterAll(const cl::CommandQueue& waits_for) : queue(waits_for) {}
    AfterAll(const AfterAll&) = delete;
    AfterAll& operator=(const AfterAll&) = delete;
    ~AfterAll() { clFinish(queue()); }  // says nothing: what went wrong is on its way already
    const cl::CommandQueue& queue;
  };

 public:
  OpenclExecutor(const PipelineNetwork& network, const OpenclOptions& options, bool channels, const std::string& flags)
      : device_(network, options, channels, flags) {}

  std::string what() const override { return "OpenCL, " + device_.name(); }
  void write(int64_t first_word, std::span<const int8_t> levels) override { device_.write(first_word, levels); }
  void read(int64_t first_word, std::span<int8_t> levels) override { device_.read(first_word, levels); }

  void run(std::vector<double>* ms, std::stop_token stop) override {
    const auto& layers = device_.network.layers;
    if (ms != nullptr) ms->assign(layers.size(), 0);
    in_opencl([&] {
      const AfterAll settled(device_.queue);
      for (size_t i = 0; i < layers.size(); ++i) {
        if (stop.stop_requested()) fail(ErrorCode::stopped, "stopped before layer {} of {}", i + 1, layers.size());
        const Stopwatch clock;
        if (layers[i].normalizes) device_.normalize(i);
        else run_layer(i);
        if (ms != nullptr) {
          device_.queue.finish();
          (*ms)[i] = clock.ms();
        }
      }
      device_.queue.finish();
    });
  }

 protected:
  virtual void run_layer(size_t index) = 0;
  OpenclDevice device_;
};

/// One work-item does a tile, stage after stage.
class TilesExecutor final : public OpenclExecutor {
 public:
  TilesExecutor(const PipelineNetwork& network, const OpenclOptions& options)
      : OpenclExecutor(network, options, false, ""), kernel_(device_.kernel("run_tiles")) {
    ring_bytes_ = static_cast<size_t>(network.ring_bytes());
    // Enough tiles at once that the last of them does not leave processors idle for long.
    constexpr size_t kTilesPerProcessor = 8, kMostRingBytes = size_t{64} << 20;
    tiles_ = std::clamp<size_t>(kMostRingBytes / ring_bytes_, 1, kTilesPerProcessor * device_.processors());
    rings_ = device_.new_buffer(ring_bytes_ * tiles_);
  }

 private:
  void run_layer(size_t index) override {
    const PipelineNetwork& network = device_.network;
    cl_uint at = 0;
    kernel_.setArg(at++, device_.layers[index]);
    for (const cl::Buffer* buffer : {&device_.features, &device_.weights, &device_.scales, &rings_})
      kernel_.setArg(at++, *buffer);
    for (int64_t value : {static_cast<int64_t>(ring_bytes_), int64_t{network.data_words}, int64_t{network.row_words}})
      kernel_.setArg(at++, static_cast<cl_int>(value));
    const auto count = static_cast<size_t>(network.layers[index].tiles());
    for (size_t first = 0; first < count; first += tiles_) {
      kernel_.setArg(at, static_cast<cl_int>(first));
      device_.queue.enqueueNDRangeKernel(kernel_, cl::NullRange, cl::NDRange(std::min(tiles_, count - first)),
                                         cl::NDRange(1));
    }
  }

  cl::Kernel kernel_;
  cl::Buffer rings_;
  size_t ring_bytes_ = 0, tiles_ = 1;
};

/// Every stage is a kernel with a queue of its own; channels join them.
class ChannelsExecutor final : public OpenclExecutor {
 public:
  ChannelsExecutor(const PipelineNetwork& network, const OpenclOptions& options)
      : OpenclExecutor(network, options, true, "-DTERCEL_CHANNELS_INTEL") {
    for (const char* stage : {"mem_read", "conv", "requantize", "pool", "mem_write"})
      stages_.push_back({device_.kernel(stage), device_.new_queue()});
  }

 private:
  struct StageKernel {
    cl::Kernel kernel;
    cl::CommandQueue queue;
  };

  void run_layer(size_t index) override {
    device_.queue.finish();  // normalizations before
    const std::array<std::vector<const cl::Buffer*>, 5> memory{
        {{&device_.features}, {&device_.weights}, {&device_.scales}, {}, {&device_.features, &device_.features}}};
    for (size_t i = 0; i < stages_.size(); ++i) {
      cl_uint at = 0;
      stages_[i].kernel.setArg(at++, device_.layers[index]);
      for (const cl::Buffer* buffer : memory[i]) stages_[i].kernel.setArg(at++, *buffer);
      stages_[i].kernel.setArg(at++, cl_int{0});
      stages_[i].kernel.setArg(at++, static_cast<cl_int>(device_.network.layers[index].tiles()));
      stages_[i].queue.enqueueNDRangeKernel(stages_[i].kernel, cl::NullRange, cl::NDRange(1), cl::NDRange(1));
      stages_[i].queue.flush();
    }
    for (StageKernel& stage : stages_) stage.queue.finish();
  }

  std::vector<StageKernel> stages_;
};

}  // namespace

std::unique_ptr<Executor> make_opencl_executor(const PipelineNetwork& network, const OpenclOptions& options) {
  return in_opencl([&] { return std::make_unique<TilesExecutor>(network, options); });
}

std::unique_ptr<Executor> make_channels_executor(const PipelineNetwork& network, const OpenclOptions& options) {
  return in_opencl([&] { return std::make_unique<ChannelsExecutor>(network, options); });
}

}  // namespace tercel::inline engines

#else

namespace tercel::inline engines {
namespace {

[[noreturn]] void fail_without_opencl() {
  fail_unsupported(
      "this build has no OpenCL: install its headers and loader (Debian: ocl-icd-opencl-dev, "
      "opencl-clhpp-headers) and build again");
}

}  // namespace

std::unique_ptr<Executor> make_opencl_executor(const PipelineNetwork&, const OpenclOptions&) { fail_without_opencl(); }
std::unique_ptr<Executor> make_channels_executor(const PipelineNetwork&, const OpenclOptions&) {
  fail_without_opencl();
}

}  // namespace tercel::inline engines

#endif
