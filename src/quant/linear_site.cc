#include "quant/linear_site.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/check.h"

namespace tercel::inline quant {
namespace {

bool is_weights(const Value* value, size_t rank) {
  return value != nullptr && value->is_constant() && value->type.dtype == DType::f32 &&
         value->constant.dims().size() == rank && value->constant.elements() > 0;
}

/// The name of a constant of one element a row that nothing else reads: only such a bias can take something up.
std::string name_of_bias(const Value* value, int64_t rows) {
  const bool is_bias = value != nullptr && value->is_constant() && value->type.dtype == DType::f32 &&
                       value->users.size() == 1 && value->constant.elements() == rows &&
                       !value->constant.dims().empty() && value->constant.dims().back() == rows;
  return is_bias ? value->name : "";
}

/// x[i] = sum_j entries[i, j] x[j], kernel by kernel in place.
void to_basis(const codec::KernelBasis& basis, std::span<float> kernels) {
  const auto size = static_cast<size_t>(basis.size);
  TERCEL_CHECK(size > 0 && kernels.size() % size == 0);
  std::vector<float> transposed(basis.entries.size()), sums(size);  // entries by column
  for (size_t i = 0; i < size; ++i)
    for (size_t j = 0; j < size; ++j)
      transposed[j * size + i] = static_cast<float>(basis.entries[i * size + j]) / codec::KernelBasis::kOne;
  for (size_t at = 0; at < kernels.size(); at += size) {
    std::fill(sums.begin(), sums.end(), 0.0f);
    for (size_t j = 0; j < size; ++j)
      for (size_t i = 0; i < size; ++i) sums[i] += kernels[at + j] * transposed[j * size + i];
    std::copy(sums.begin(), sums.end(), &kernels[at]);
  }
}

}  // namespace

std::vector<LinearSite> find_linear_sites(const Graph& graph) {
  std::vector<LinearSite> sites;
  for (const auto& node : graph.nodes()) {
    const Value* weights = node->input(1);
    LinearSite site;
    site.node = node.get();
    if (node->is("Conv") && is_weights(weights, 4)) {
      const Dims& dims = weights->constant.dims();
      site.conv = true;
      site.rows = dims[0];
      site.columns = dims[1] * dims[2] * dims[3];
      site.groups = node->attrs.get_int("group");
      site.kernel_height = dims[2];
      site.kernel_width = dims[3];
      site.bias = name_of_bias(node->input(2), site.rows);
    } else if (node->is("Gemm") && is_weights(weights, 2) && !node->attrs.get_bool("transA")) {
      const Dims& dims = weights->constant.dims();
      site.transposed = !node->attrs.get_bool("transB");
      site.rows = dims[site.transposed ? 1 : 0];
      site.columns = dims[site.transposed ? 0 : 1];
      site.bias = name_of_bias(node->input(2), site.rows);
    } else if (node->is("MatMul") && is_weights(weights, 2)) {
      const Dims& dims = weights->constant.dims();
      site.transposed = true;
      site.rows = dims[1];
      site.columns = dims[0];
      // The bias of a product is the Add that reads it.
      const Value* product = node->output();
      if (product->users.size() == 1 && product->users[0]->is("Add") && !graph.is_output(product)) {
        const Node* add = product->users[0];
        const Value* other = add->input(0) == product ? add->input(1) : add->input(0);
        if (other->type.dims.size() == 1) site.bias = name_of_bias(other, site.rows);
      }
    } else {
      continue;
    }
    site.weights = weights->name;
    site.input = node->input(0)->name;
    site.output = node->output()->name;
    sites.push_back(std::move(site));
  }
  std::map<std::string, const LinearSite*> first;
  std::set<std::string> torn;
  for (const LinearSite& site : sites) {
    const LinearSite& other = *first.try_emplace(site.weights, &site).first->second;
    if (site.transposed != other.transposed || site.groups != other.groups) torn.insert(site.weights);
  }
  std::erase_if(sites, [&](const LinearSite& site) { return torn.contains(site.weights); });
  return sites;
}

InputRows::InputRows(const LinearSite& site, const Dims& dims, int64_t most) : site_(site) {
  if (!site.conv) {
    TERCEL_CHECK(!dims.empty() && dims.back() == site.columns);
    positions_ = count_elements(dims) / std::max<int64_t>(site.columns, 1);
  } else {
    channels_ = dims.at(1);
    windows_ = conv_windows(site.node->attrs, std::span(dims).subspan(2),
                            std::array<int64_t, 2>{site.kernel_height, site.kernel_width});
    positions_ = dims[0] * windows_[0].output * windows_[1].output;
  }
  count_ = std::min(positions_, most);
}

void InputRows::gather(const float* input, int64_t group, int64_t first, int64_t number, float* dst) const {
  for (int64_t i = 0; i < count_; ++i) {
    const int64_t position = this->position(i);
    float* row = dst + i * number;
    if (!site_.conv) {
      std::copy_n(input + position * site_.columns + first, number, row);
      continue;
    }
    const Window& down = windows_[0];
    const Window& across = windows_[1];
    const int64_t x = position % across.output, y = position / across.output % down.output;
    const int64_t n = position / (across.output * down.output);
    const int64_t kernel = down.kernel * across.kernel;
    const int64_t channel_base = n * channels_ + group * (site_.columns / kernel);
    for (int64_t k = 0; k < number; ++k) {
      const int64_t column = first + k, c = channel_base + column / kernel;
      const int64_t iy = down.start(y) + column % kernel / across.kernel * down.dilation;
      const int64_t ix = across.start(x) + column % across.kernel * across.dilation;
      const bool inside = iy >= 0 && iy < down.input && ix >= 0 && ix < across.input;
      row[k] = inside ? input[(c * down.input + iy) * across.input + ix] : 0.0f;
    }
  }
  if (site_.basis != nullptr) to_basis(*site_.basis, {dst, static_cast<size_t>(count_ * number)});
}

OutputRows::OutputRows(const LinearSite& site, const Array& output) : data_(output.floats().data()), rows_(site.rows) {
  if (site.conv) pixels_ = output.dims().at(2) * output.dims().at(3);
}

}  // namespace tercel::inline quant
