// For tests: a reference kernel run on tensors by name.
#pragma once

#include <vector>

#include "kernels/ref/ref.h"
#include "tensor/tensor.h"

namespace tercel::inline kernels {

/// Results are zeroed tensors of the given types and shapes before the kernel writes them. An empty Tensor among the
/// operands is one left out; a result of dtype none is one nobody wants.
/// `quantized` says what levels stand for: of the operands, then of the results.
inline std::vector<Tensor> run_ref(std::string_view op, const std::vector<Tensor>& operands,
                                   const std::vector<std::pair<DType, Dims>>& results, const Attrs& attrs = {},
                                   const std::vector<QuantizationPtr>& quantized = {}) {
  const RefFn run = find_ref(op);
  TERCEL_CHECK(run != nullptr, "no reference kernel '{}'", op);
  std::vector<View> src, dst;
  for (const Tensor& tensor : operands) src.push_back(tensor ? tensor.view() : View{});
  std::vector<Tensor> made;
  for (const auto& [dtype, dims] : results) {
    if (dtype == DType::none) {
      made.emplace_back();
      dst.emplace_back();
      continue;
    }
    Tensor tensor(dtype, dims);
    if (tensor.bytes() > 0) std::memset(tensor.mutable_data(), 0, tensor.bytes());
    dst.push_back(tensor.view());
    made.push_back(std::move(tensor));
  }
  for (size_t i = 0; i < quantized.size(); ++i)
    (i < src.size() ? src[i] : dst.at(i - src.size())).quantization = quantized[i].get();
  run(attrs, src, dst);
  return made;
}

/// The same for one result.
inline Tensor run_ref(std::string_view op, const std::vector<Tensor>& operands, DType dtype, Dims dims,
                      const Attrs& attrs = {}) {
  return run_ref(op, operands, {{dtype, std::move(dims)}}, attrs)[0];
}

template <typename T>
std::vector<T> elements(const Tensor& tensor) {
  std::vector<T> values;
  for (int64_t i = 0; i < tensor.elements(); ++i) values.push_back(tensor.at<T>(i));
  return values;
}

}  // namespace tercel::inline kernels
