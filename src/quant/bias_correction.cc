#include "quant/bias_correction.h"

#include <cmath>

#include "base/bits.h"
#include "base/error.h"
#include "base/threads.h"
#include "quant/segmented_forward.h"
#include "session/model_impl.h"

namespace tercel::inline quant {
namespace {

constexpr int64_t kKeptBytes = int64_t{1} << 30;  // live sets of all inputs

}  // namespace

std::vector<double> channel_means(const Array& value, size_t axis_from_end) {
  const std::vector<int64_t>& dims = value.dims();
  const size_t axis = dims.size() - 1 - axis_from_end;
  const int64_t channels = dims.at(axis);
  int64_t inner = 1, outer = 1;
  for (size_t i = 0; i < axis; ++i) outer *= dims[i];
  for (size_t i = axis + 1; i < dims.size(); ++i) inner *= dims[i];
  std::vector<double> sums(static_cast<size_t>(channels), 0.0);
  const float* x = value.floats().data();
  for (int64_t o = 0; o < outer; ++o)
    for (double& sum : sums)
      for (int64_t i = 0; i < inner; ++i) sum += static_cast<double>(*x++);
  for (double& sum : sums) sum /= static_cast<double>(std::max<int64_t>(1, inner * outer));
  return sums;
}

void correct_biases(const Model& like, Graph& graph, std::vector<InsertedProduct>& products,
                    const std::vector<std::vector<double>>& wanted, const std::vector<Array>& inputs, int threads,
                    const Progress& progress) {
  SegmentedForward pass(inputs);
  const auto count = static_cast<int64_t>(inputs.size());
  const ThreadScope scope(threads == 0 ? hardware_threads() : threads);
  for (size_t p = 0; p < products.size(); ++p) {
    InsertedProduct& product = products[p];
    if (progress && !progress("correct biases", static_cast<double>(p) / static_cast<double>(products.size())))
      fail(ErrorCode::stopped, "stopped while correcting biases");
    if (product.stored == nullptr) continue;
    const Model now =
        Model(impl_with(like, graph.clone())).with_shapes({{like.inputs().at(0).name, inputs.at(0).dims()}});
    const Graph& sized = now.impl().graph;
    const auto next =
        live_set_before(sized, sized.find_value(product.first->output()->name)->producer, kKeptBytes / count);
    std::vector<std::vector<double>> means(inputs.size());
    // Runners are costly: one per thread.
    parallel_for(count, div_up<int64_t>(count, current_threads()), [&](int64_t begin, int64_t end) {
      const ThreadScope alone(1);
      SegmentedForward::Runner runner(pass, now, {product.sums}, next ? &*next : nullptr);
      for (auto i = static_cast<size_t>(begin); i < static_cast<size_t>(end); ++i)
        means[i] = channel_means(runner.run(i).at(0), product.channel_axis_from_end);
    });
    if (next) pass.move(*next);
    for (size_t c = 0; c < product.bias.size(); ++c) {
      double got = 0;
      for (const std::vector<double>& mean : means) got += mean.at(c);
      product.bias[c] += static_cast<float>(wanted[p].at(c) - got / static_cast<double>(count));
    }
    product.store_bias();
  }
}

}  // namespace tercel::inline quant
