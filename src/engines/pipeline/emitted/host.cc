// Runs the network of this folder through the kernels of pipeline.cl on OpenCL. Needs nothing but OpenCL:
//
//   c++ -O2 -std=c++17 host.cc -lOpenCL -o host
//   ./host input.f32 output.f32        input: floats (or levels, one byte each), as network.h says; output likewise
//
// Tiles with rings in memory where the device has no channels; PIPELINE_BINARY=pipeline.aocx or PIPELINE_CHANNELS=1:
// all stages at once, joined by Intel's channels (a binary of Intel's compiler, or the source, for its emulator).
#define CL_TARGET_OPENCL_VERSION 120
#include <CL/cl.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "layer.h"
#include "network.h"

namespace {

[[noreturn]] void fail(const std::string& what) {
  std::fprintf(stderr, "error: %s\n", what.c_str());
  std::exit(2);
}

void check(cl_int error, const char* what) {
  if (error != CL_SUCCESS) fail(std::string(what) + " gave OpenCL error " + std::to_string(error));
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) fail(path + ": cannot open");
  return {std::istreambuf_iterator<char>(file), {}};
}

cl_device_id find_device(bool channels) {
  cl_uint count = 0;
  clGetPlatformIDs(0, nullptr, &count);
  std::vector<cl_platform_id> platforms(count);
  if (count > 0) clGetPlatformIDs(count, platforms.data(), nullptr);
  for (cl_platform_id platform : platforms) {
    cl_device_id devices[8];
    cl_uint found = 0;
    if (clGetDeviceIDs(platform, CL_DEVICE_TYPE_CPU | CL_DEVICE_TYPE_ACCELERATOR, 8, devices, &found) != CL_SUCCESS)
      continue;
    for (cl_uint i = 0; i < std::min<cl_uint>(found, 8); ++i) {
      size_t size = 0;
      clGetDeviceInfo(devices[i], CL_DEVICE_EXTENSIONS, 0, nullptr, &size);
      std::string extensions(size, '\0');
      clGetDeviceInfo(devices[i], CL_DEVICE_EXTENSIONS, size, extensions.data(), nullptr);
      if (!channels || extensions.find("cl_intel_channels") != std::string::npos) return devices[i];
    }
  }
  fail(channels ? "no OpenCL device has Intel's channels" : "no OpenCL device; on a CPU install PoCL");
}

cl_context context;
cl_command_queue queue;

cl_mem buffer_of(size_t bytes, const void* from) {
  cl_int error = 0;
  const cl_mem made = clCreateBuffer(context, CL_MEM_READ_WRITE, std::max<size_t>(bytes, 64), nullptr, &error);
  check(error, "clCreateBuffer");
  if (from != nullptr && bytes > 0)
    check(clEnqueueWriteBuffer(queue, made, CL_TRUE, 0, bytes, from, 0, nullptr, nullptr), "clEnqueueWriteBuffer");
  return made;
}

cl_mem buffer_of_file(const char* path) {
  const std::string bytes = read_file(path);
  return buffer_of(bytes.size(), bytes.data());
}

cl_kernel kernel_of(cl_program program, const char* name) {
  cl_int error = 0;
  const cl_kernel kernel = clCreateKernel(program, name, &error);
  check(error, name);
  return kernel;
}

template <typename T>
void argument(cl_kernel kernel, cl_uint at, const T& value) {
  check(clSetKernelArg(kernel, at, sizeof(T), &value), "clSetKernelArg");
}

/// f(index in the array, byte in the words) for each level of a map.
template <typename F>
void for_each_level(const NetworkPort& port, F&& f) {
  const long plane = (long)port.height * port.width;
  long element = 0;
  for (long n = 0; n < port.images; ++n)
    for (long c = 0; c < port.channels; ++c) {
      const long channel = port.channel + c;
      const long first = (n * port.image_words + channel / VEC * plane) * VEC + channel % VEC;
      for (long p = 0; p < plane; ++p) f(element++, first + p * VEC);
    }
}

size_t element_bytes(const NetworkPort& port) { return port.floats ? 4 : 1; }
size_t elements(const NetworkPort& port) { return (size_t)port.images * port.channels * port.height * port.width; }

void load(cl_mem features, const NetworkPort& port, const std::string& bytes) {
  if (bytes.size() != elements(port) * element_bytes(port))
    fail(std::string(port.name) + " has " + std::to_string(bytes.size()) + " bytes, wanted " +
         std::to_string(elements(port) * element_bytes(port)));
  std::vector<signed char> words((size_t)port.images * port.image_words * VEC);
  for_each_level(port, [&](long element, long at) {
    int level = port.is_unsigned ? (unsigned char)bytes[element] : (signed char)bytes[element];
    if (port.floats) {
      float value;
      std::memcpy(&value, bytes.data() + 4 * element, 4);
      const double wanted = (double)std::nearbyint(value / port.scale) + port.zero;
      const double low = port.is_unsigned ? 0 : -128, high = port.is_unsigned ? 255 : 127;
      level = (int)(wanted < low ? low : wanted > high ? high : wanted);
    }
    words[at] = (signed char)(level - (port.is_unsigned ? 128 : 0));
  });
  check(clEnqueueWriteBuffer(queue, features, CL_TRUE, (size_t)port.at * VEC, words.size(), words.data(), 0, nullptr,
                             nullptr),
        "clEnqueueWriteBuffer");
}

std::string store(cl_mem features, const NetworkPort& port) {
  std::vector<signed char> words((size_t)port.images * port.image_words * VEC);
  check(clEnqueueReadBuffer(queue, features, CL_TRUE, (size_t)port.at * VEC, words.size(), words.data(), 0, nullptr,
                            nullptr),
        "clEnqueueReadBuffer");
  if (port.means) {
    const long plane = (long)port.height * port.width;
    std::vector<int64_t> sums(elements(port) / (size_t)plane);
    for_each_level(port, [&](long element, long at) {
      sums[element / plane] += words[at] + (port.is_unsigned ? 128 : 0) - port.zero;
    });
    std::string bytes(4 * sums.size(), '\0');
    for (size_t i = 0; i < sums.size(); ++i) {
      const float value = (float)((double)sums[i] * (double)port.scale / (double)plane);
      std::memcpy(&bytes[4 * i], &value, 4);
    }
    return bytes;
  }
  std::string bytes(elements(port) * element_bytes(port), '\0');
  for_each_level(port, [&](long element, long at) {
    const int level = words[at] + (port.is_unsigned ? 128 : 0);
    if (port.floats) {
      const float value = (float)(level - port.zero) * port.scale;
      std::memcpy(&bytes[4 * element], &value, 4);
    } else {
      bytes[element] = (char)level;
    }
  });
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 1 + kLoads + kStores)
    fail("wanted " + std::to_string(kLoads) + " input files and " + std::to_string(kStores) + " output files");
  const char* binary = std::getenv("PIPELINE_BINARY");
  const bool channels = binary != nullptr || std::getenv("PIPELINE_CHANNELS") != nullptr;
  const cl_device_id device = find_device(channels);
  cl_int error = 0;
  context = clCreateContext(nullptr, 1, &device, nullptr, nullptr, &error);
  check(error, "clCreateContext");
  queue = clCreateCommandQueue(context, device, 0, &error);
  check(error, "clCreateCommandQueue");

  const std::string text = read_file(binary != nullptr ? binary : "pipeline.cl");
  const char* source = text.data();
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  const size_t size = text.size();
  const cl_program program = binary != nullptr
                                 ? clCreateProgramWithBinary(context, 1, &device, &size, &bytes, nullptr, &error)
                                 : clCreateProgramWithSource(context, 1, &source, &size, &error);
  check(error, "clCreateProgram");
  const std::string options = std::string(kBuildOptions) + (channels ? " -DTERCEL_CHANNELS_INTEL" : "");
  if (clBuildProgram(program, 1, &device, options.c_str(), nullptr, nullptr) != CL_SUCCESS) {
    size_t length = 0;
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, 0, nullptr, &length);
    std::string log(length, '\0');
    clGetProgramBuildInfo(program, device, CL_PROGRAM_BUILD_LOG, length, log.data(), nullptr);
    fail("pipeline.cl does not compile:\n" + log);
  }

  const std::vector<signed char> zeros((size_t)kFeatureWords * VEC);
  const cl_mem features = buffer_of(zeros.size(), zeros.data()), weights = buffer_of_file("weights.bin"),
               scales = buffer_of_file("scales.bin"), tables = buffer_of_file("tables.bin");
  const std::string layers = read_file("layers.bin");
  for (int i = 0; i < kLoads; ++i) load(features, kLoadPorts[i], read_file(argv[1 + i]));

  const cl_kernel norm = kernel_of(program, "run_norm");
  const char* names[] = {"mem_read", "conv", "requantize", "pool", "mem_write"};
  std::vector<cl_kernel> stages;
  std::vector<cl_command_queue> queues;
  cl_kernel tiles = nullptr;
  cl_mem rings = nullptr;
  constexpr size_t kTilesAtOnce = 16;
  if (channels)
    for (const char* name : names) {
      stages.push_back(kernel_of(program, name));
      queues.push_back(clCreateCommandQueue(context, device, 0, &error));
    }
  else {
    tiles = kernel_of(program, "run_tiles");
    rings = buffer_of(kTilesAtOnce * (size_t)kRingBytes, nullptr);
  }

  // All before the first kernel runs: kernels of other queues then surely find them.
  std::vector<cl_mem> told;
  std::vector<Layer> shapes(kLayers);
  std::vector<Norm> norms(kLayers);
  const char* at = layers.data();
  for (int i = 0; i < kLayers; ++i) {
    const size_t size = kNormalizes[i] ? sizeof(Norm) : sizeof(Layer);
    if (at + size > layers.data() + layers.size()) fail("layers.bin is cut short");
    if (kNormalizes[i]) {
      std::memcpy(&norms[i], at, size);
      told.push_back(buffer_of(size, &norms[i]));
    } else {
      std::memcpy(&shapes[i], at, size);
      if (channels) {  // a stage sees whole images
        shapes[i].bands = 1;
        shapes[i].band_rows = shapes[i].pooled_h;
      }
      told.push_back(buffer_of(size, &shapes[i]));
    }
    at += size;
  }
  check(clFinish(queue), "clFinish");

  const size_t single = 1;
  for (int i = 0; i < kLayers; ++i) {
    if (kNormalizes[i]) {
      for (int image = 0; image < norms[i].images; ++image) {
        argument(norm, 0, told[i]);
        argument(norm, 1, features);
        argument(norm, 2, tables);
        argument(norm, 3, image);
        const size_t pixels = (size_t)norms[i].plane;
        check(clEnqueueNDRangeKernel(queue, norm, 1, nullptr, &pixels, nullptr, 0, nullptr, nullptr), "run_norm");
      }
      check(clFinish(queue), "clFinish");
      continue;
    }
    const Layer& l = shapes[i];
    const size_t count = (size_t)l.lane_groups * l.images * l.bands;
    if (!channels) {
      const cl_mem memory[] = {told[i], features, weights, scales, rings};
      for (cl_uint a = 0; a < 5; ++a) argument(tiles, a, memory[a]);
      argument(tiles, 5, (cl_int)kRingBytes);
      argument(tiles, 6, (cl_int)kDataWords);
      argument(tiles, 7, (cl_int)kRowWords);
      for (size_t first = 0; first < count; first += kTilesAtOnce) {
        argument(tiles, 8, (cl_int)first);
        const size_t now = std::min(kTilesAtOnce, count - first);
        check(clEnqueueNDRangeKernel(queue, tiles, 1, nullptr, &now, &single, 0, nullptr, nullptr), "run_tiles");
      }
      check(clFinish(queue), "clFinish");
      continue;
    }
    const std::vector<std::vector<cl_mem>> memory = {{features}, {weights}, {scales}, {}, {features, features}};
    for (size_t s = 0; s < stages.size(); ++s) {
      cl_uint a = 0;
      argument(stages[s], a++, told[i]);
      for (cl_mem m : memory[s]) argument(stages[s], a++, m);
      argument(stages[s], a++, (cl_int)0);
      argument(stages[s], a++, (cl_int)count);
      check(clEnqueueNDRangeKernel(queues[s], stages[s], 1, nullptr, &single, &single, 0, nullptr, nullptr), names[s]);
      check(clFlush(queues[s]), "clFlush");
    }
    for (cl_command_queue one : queues) check(clFinish(one), "clFinish");
  }
  for (int i = 0; i < kStores; ++i) {
    const std::string result = store(features, kStorePorts[i]);
    std::ofstream file(argv[1 + kLoads + i], std::ios::binary);
    file.write(result.data(), (std::streamsize)result.size());
    if (!file.flush()) fail(std::string(argv[1 + kLoads + i]) + ": cannot write");
  }
}
