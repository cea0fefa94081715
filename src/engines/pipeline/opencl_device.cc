#include "engines/pipeline/opencl_device.h"

#ifdef TERCEL_HAVE_OPENCL

#include <algorithm>
#include <map>
#include <mutex>
#include <utility>

#include "base/report_while.h"
#include "engines/pipeline/device/text.h"

namespace tercel::inline engines {

OpenclDevice::OpenclDevice(const PipelineNetwork& made, const OpenclOptions& options, bool channels,
                           const std::string& flags)
    : network(made) {
  find(options.platform, channels);
  try {
    set_up(options, channels, flags);
  } catch (const cl::Error& error) {
    fail_unsupported("OpenCL's platform '{}': {} gave error {}; --engine pipeline:platform=NAME takes another", name_,
                     error.what(), error.err());
  }
}

void OpenclDevice::set_up(const OpenclOptions& options, bool channels, const std::string& flags) {
  if (!channels) take_processors(options.threads);
  context_ = cl::Context(device_);
  queue = cl::CommandQueue(context_, device_);
  report_while(options.progress, "compile the pipeline's kernels", [&] { build(flags); });
  norm_ = kernel("run_norm");
  const auto filled = [&](const void* from, size_t bytes) {
    cl::Buffer buffer = new_buffer(std::max<size_t>(bytes, 64));
    if (bytes > 0) queue.enqueueWriteBuffer(buffer, CL_TRUE, 0, bytes, from);
    return buffer;
  };
  for (const PipelineLayer& layer : network.layers)
    layers.push_back(layer.normalizes ? filled(&layer.norm, sizeof(Norm)) : filled(&layer.layer, sizeof(Layer)));
  weights = filled(network.weights.data(), network.weights.size());
  scales = filled(network.scales.data(), network.scales.size() * sizeof(int32_t));
  tables_ = filled(network.tables.data(), network.tables.size() * sizeof(int32_t));
  // Zeros: channels that fill up a word are read, though by weights of zero.
  const std::vector<int8_t> zeros(static_cast<size_t>(network.feature_words * network.design.vec));
  features = filled(zeros.data(), zeros.size());
}

void OpenclDevice::find(std::string_view wanted, bool channels) {
  constexpr std::string_view kWhatToDo = "install a platform, on a CPU for instance PoCL (Debian: pocl-opencl-icd)";
  std::vector<cl::Platform> platforms;
  try {
    cl::Platform::get(&platforms);
  } catch (const cl::Error&) {  // the loader finds none
  }
  std::string known;
  for (const cl::Platform& platform : platforms) try {
      name_ = platform.getInfo<CL_PLATFORM_NAME>();
      known += (known.empty() ? "" : ", ") + name_;
      if (name_.find(wanted) == std::string::npos) continue;
      std::vector<cl::Device> devices;
      // One work-item does a tile: made for few strong cores.
      platform.getDevices(CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_ACCELERATOR, &devices);
      for (const cl::Device& device : devices) {
        if (channels && device.getInfo<CL_DEVICE_EXTENSIONS>().find("cl_intel_channels") == std::string::npos) continue;
        device_ = device;
        return;
      }
    } catch (const cl::Error&) {  // one without such a device, or that cannot even tell its name: others may do
    }
  if (platforms.empty()) fail_unsupported("there is no OpenCL platform on this machine; {}", kWhatToDo);
  if (channels)
    fail_unsupported(
        "no OpenCL platform '{}' has Intel's channels (there is {}); tools/intel_emulator.sh installs one "
        "that emulates them",
        wanted, known);
  if (!wanted.empty()) fail_unsupported("no OpenCL platform '{}' with a processor; there is {}", wanted, known);
  fail_unsupported("no OpenCL platform has a processor to run on (there is {}); {}", known, kWhatToDo);
}

// Kept until the process ends: PoCL's threads let go of the last command after clFinish has returned, and look at its
// device then, which neither the command nor its queue holds.
void OpenclDevice::take_processors(int threads) {
  if (threads <= 0 || static_cast<size_t>(threads) >= processors()) return;
  static std::mutex mutex;
  static auto& divided = *new std::map<std::pair<cl_device_id, int>, cl::Device>;
  const std::lock_guard lock(mutex);
  const std::pair key{device_(), threads};
  if (const auto known = divided.find(key); known != divided.end()) {
    device_ = known->second;
    return;
  }
  const auto count = static_cast<cl_device_partition_property>(threads);
  const cl_device_partition_property parts[] = {CL_DEVICE_PARTITION_BY_COUNTS, count,
                                                CL_DEVICE_PARTITION_BY_COUNTS_LIST_END, 0};
  std::vector<cl::Device> devices;
  try {
    device_.createSubDevices(parts, &devices);
    device_ = divided[key] = devices.at(0);
  } catch (const cl::Error&) {  // a device that cannot be divided runs on all it has
  }
}

void OpenclDevice::build(const std::string& flags) {
  // Generous, so that networks share a compiled kernel.
  const std::string all =
      network.kernel_options({.window_words = 1 << 12, .weight_words = 1 << 9, .pool_lines = 4, .pool_columns = 256}) +
      " " + flags;
  program_ = cl::Program(context_, std::string(kPipelineText));
  try {
    program_.build(device_, all.c_str());
  } catch (const cl::Error& error) {
    fail_unsupported("{} does not compile the pipeline (error {}):\n{}", name_, error.err(),
                     program_.getBuildInfo<CL_PROGRAM_BUILD_LOG>(device_));
  }
}

void OpenclDevice::write(int64_t first_word, std::span<const int8_t> levels) {
  in_opencl([&] {
    queue.enqueueWriteBuffer(features, CL_TRUE, static_cast<size_t>(first_word * network.design.vec), levels.size(),
                             levels.data());
  });
}

void OpenclDevice::read(int64_t first_word, std::span<int8_t> levels) {
  in_opencl([&] {
    queue.enqueueReadBuffer(features, CL_TRUE, static_cast<size_t>(first_word * network.design.vec), levels.size(),
                            levels.data());
  });
}

void OpenclDevice::normalize(size_t layer) {
  const Norm& norm = network.layers[layer].norm;
  for (int image = 0; image < norm.images; ++image) {
    cl_uint at = 0;
    norm_.setArg(at++, layers[layer]);
    norm_.setArg(at++, features);
    norm_.setArg(at++, tables_);
    norm_.setArg(at++, static_cast<cl_int>(image));
    queue.enqueueNDRangeKernel(norm_, cl::NullRange, cl::NDRange(static_cast<size_t>(norm.plane)));
  }
}

}  // namespace tercel::inline engines

#endif
