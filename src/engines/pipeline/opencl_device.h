// A network in an OpenCL device's memory, and its kernels: what executors through OpenCL share.
#pragma once

#ifdef TERCEL_HAVE_OPENCL

#define CL_HPP_ENABLE_EXCEPTIONS
#define CL_HPP_TARGET_OPENCL_VERSION 120
#define CL_HPP_MINIMUM_OPENCL_VERSION 120
#define CL_TARGET_OPENCL_VERSION 120
#include <string>
#include <vector>

#include <CL/opencl.hpp>

#include "base/error.h"
#include "engines/pipeline/executor.h"

namespace tercel::inline engines {

/// An OpenCL error in our words.
template <typename Body>
decltype(auto) in_opencl(Body&& body) {
  try {
    return body();
  } catch (const cl::Error& error) {
    fail(ErrorCode::unsupported, "OpenCL: {} gave error {}", error.what(), error.err());
  }
}

class OpenclDevice {
 public:
  /// With `channels`, on a platform with Intel's. `flags` go to OpenCL's compiler, beside those of the design. The
  /// network must live as long. Throws Error(unsupported): no such platform (it lists those there are), or the text
  /// does not compile; Error(stopped).
  OpenclDevice(const PipelineNetwork& network, const OpenclOptions& options, bool channels, const std::string& flags);

  const std::string& name() const { return name_; }
  size_t processors() const { return device_.getInfo<CL_DEVICE_MAX_COMPUTE_UNITS>(); }
  cl::Kernel kernel(const char* of) const { return {program_, of}; }
  cl::CommandQueue new_queue() const { return {context_, device_}; }
  cl::Buffer new_buffer(size_t bytes) const { return {context_, CL_MEM_READ_WRITE, bytes}; }

  void write(int64_t first_word, std::span<const int8_t> levels);
  void read(int64_t first_word, std::span<int8_t> levels);
  /// Puts a normalization into the queue.
  void normalize(size_t layer);

  const PipelineNetwork& network;
  cl::Buffer features, weights, scales;
  std::vector<cl::Buffer> layers;  ///< a Layer or a Norm each

 private:
  void find(std::string_view wanted, bool channels);
  void set_up(const OpenclOptions& options, bool channels, const std::string& flags);
  void take_processors(int threads);
  void build(const std::string& flags);

  cl::Device device_;
  std::string name_;
  cl::Context context_;
  cl::Program program_;
  cl::Kernel norm_;
  cl::Buffer tables_;

 public:
  cl::CommandQueue queue;
};

}  // namespace tercel::inline engines

#endif
