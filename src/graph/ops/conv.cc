#include <algorithm>

#include "base/bits.h"
#include "graph/ops/conv_rules.h"
#include "graph/ops/families.h"
#include "tensor/window.h"

namespace tercel::inline graph {
namespace {

using enum AttrKind;
constexpr int64_t kMinRank = 3;  // n c w
constexpr int64_t kMaxRank = 5;  // n c d h w
constexpr int64_t kManyChannels = kMaxElements;

std::vector<AttrSpec> window_attrs() {
  return {AttrSpec::text("auto_pad", "NOTSET"), AttrSpec::optional("pads", integers),
          AttrSpec::optional("strides", integers)};
}

std::vector<AttrSpec> pool_attrs(std::vector<AttrSpec> more) {
  std::vector<AttrSpec> attrs = window_attrs();
  append(attrs, {AttrSpec::required("kernel_shape", integers), AttrSpec::integer("ceil_mode", 0),
                 AttrSpec::optional("dilations", integers)});
  append(attrs, std::move(more));
  return attrs;
}

/// What x, w and kernel_shape say together of a convolution's sizes.
struct ConvSizes {
  Dims input;   ///< n c spatial
  Dims kernel;  ///< two channel extents, spatial
  int64_t group;
};

std::optional<ConvSizes> conv_sizes(const InferContext& c, size_t x, size_t w) {
  c.need_rank(x, kMinRank, kMaxRank);
  c.need_rank(w, kMinRank, kMaxRank);
  const int64_t group = attr_within(c, "group", 1, kManyChannels);
  const bool has_shape = c.attrs().has("kernel_shape");
  size_t rank;
  if (c.ranked(x)) rank = c.dims(x).size();
  else if (c.ranked(w)) rank = c.dims(w).size();
  else return std::nullopt;
  ConvSizes sizes{agree(c, x, Dims(rank, kUnknown), "input"), agree(c, w, Dims(rank, kUnknown), "weights"), group};
  if (has_shape) {
    const Dims& shape = c.attrs().get_ints("kernel_shape");
    if (shape.size() + 2 != rank)
      fail_input("attribute 'kernel_shape' has {} entries, wanted {}", shape.size(), rank - 2);
    for (size_t i = 2; i < rank; ++i) {
      if (shape[i - 2] < 1) fail_input("attribute 'kernel_shape'[{}] is {}, wanted 1 or more", i - 2, shape[i - 2]);
      sizes.kernel[i] = agree(sizes.kernel[i], shape[i - 2], "kernel_shape and weights");
    }
  }
  return sizes;
}

/// `extent` is `group` equal parts; each part is `part`, where either is known.
void need_groups(int64_t extent, int64_t part, int64_t group, std::string_view what) {
  if (extent == kUnknown) return;
  if (extent % group != 0) fail_input("{} {} do not divide into {} groups", extent, what, group);
  if (part != kUnknown && extent / group != part)
    fail_input("{} {} in {} groups, but the weights are for {} per group", extent, what, group, part);
}

std::span<const int64_t> spatial(const Dims& dims) { return std::span(dims).subspan(2); }

Dims with_spatial(int64_t n, int64_t channels, std::span<const Window> windows) {
  Dims dims = {n, channels};
  for (const Window& window : windows) dims.push_back(window.output);
  return dims;
}

void infer_conv(InferContext& c) {
  c.need_float(0);
  c.need_same_dtype(0, 1);
  c.need_same_dtype(0, 2);
  set_or_unranked(c, c.dtype(0), infer_conv_dims(c, 0, 1, 2));
}

void infer_conv_integer(InferContext& c) {
  c.need_dtype(0, {DType::u8, DType::i8});
  c.need_dtype(1, {DType::u8, DType::i8});
  c.need_same_dtype(0, 2);
  c.need_same_dtype(1, 3);
  const auto dims = infer_conv_dims(c, 0, 1, 4);
  need_one_element(c, 2, "zero point of x");
  if (dims) need_per_channel(c, 3, (*dims)[1], "zero points of w");
  set_or_unranked(c, DType::i32, dims);
}

void infer_conv_transpose(InferContext& c) {
  c.need_float(0);
  c.need_same_dtype(0, 1);
  c.need_same_dtype(0, 2);
  c.need_rank(2, 1, 1);
  const auto sizes = conv_sizes(c, 0, 1);
  if (!sizes) return c.set_unranked(0, c.dtype(0));
  const auto& [input, kernel, group] = *sizes;  // weights: c oc/group spatial
  const int64_t channels = agree(input[1], kernel[0], "channels of x and w");
  need_groups(channels, kUnknown, group, "input channels");
  int64_t oc = kUnknown;
  if (kernel[1] != kUnknown) {
    const auto product = checked_mul(kernel[1], group);
    if (!product) fail(ErrorCode::limit, "{} groups of {} output channels are too many", group, kernel[1]);
    oc = *product;
  }
  if (c.ranked(2)) oc = agree(oc, c.dims(2)[0], "output channels of w and bias");
  c.set(0, c.dtype(0), with_spatial(input[0], oc, conv_transpose_windows(c.attrs(), spatial(input), spatial(kernel))));
}

/// Results of all pools; indices too where the operator has them.
void infer_pool(InferContext& c, DType dtype) {
  c.need_rank(0, kMinRank, kMaxRank);
  if (c.attrs().has("p")) attr_within(c, "p", 1, 1 << 20);
  if (c.attrs().has("storage_order")) attr_within(c, "storage_order", 0, 1);
  const Dims& kernel = c.attrs().get_ints("kernel_shape");
  if (kernel.empty() || kernel.size() > 3)
    fail_input("attribute 'kernel_shape' has {} entries, wanted 1 to 3", kernel.size());
  const Dims input = agree(c, 0, Dims(kernel.size() + 2, kUnknown), "input");
  const Dims dims = with_spatial(input[0], input[1], conv_windows(c.attrs(), spatial(input), kernel));
  c.set(0, dtype, dims);
  if (c.wants(1)) c.set(1, DType::i64, dims);
}

void infer_float_pool(InferContext& c) {
  c.need_float(0);
  infer_pool(c, c.dtype(0));
}

/// Also of levels; what the mean's stand for, its declaration says.
void infer_average_pool(InferContext& c) {
  if (!c.is_quantized(0)) return infer_float_pool(c);
  infer_pool(c, DType::none);
}

void infer_max_pool(InferContext& c) {
  c.need_dtype(0, {DType::f32, DType::f64, DType::f16, DType::bf16, DType::i8, DType::u8});
  infer_pool(c, c.dtype(0));
}

void infer_global_pool(InferContext& c) {
  c.need_float(0);
  if (c.attrs().has("p")) attr_within(c, "p", 1, 1 << 20);
  if (!c.ranked(0)) return c.set_unranked(0, c.dtype(0));
  c.need_rank(0, 2, 64);
  Dims dims = c.dims(0);
  std::fill(dims.begin() + 2, dims.end(), 1);
  c.set(0, c.dtype(0), std::move(dims));
}

/// Also of levels, as infer_average_pool.
void infer_global_average_pool(InferContext& c) {
  if (!c.is_quantized(0)) return infer_global_pool(c);
  if (!c.ranked(0)) return c.set_unranked(0, DType::none);
  c.need_rank(0, 2, 64);
  Dims dims = c.dims(0);
  std::fill(dims.begin() + 2, dims.end(), 1);
  c.set(0, DType::none, std::move(dims));
}

void infer_max_unpool(InferContext& c) {
  c.need_float(0);
  c.need_dtype(1, {DType::i64});
  c.need_dtype(2, {DType::i64});
  const Dims& kernel = c.attrs().get_ints("kernel_shape");
  if (kernel.empty() || kernel.size() > 3)
    fail_input("attribute 'kernel_shape' has {} entries, wanted 1 to 3", kernel.size());
  Dims input = agree(c, 0, Dims(kernel.size() + 2, kUnknown), "input");
  input = agree(c, 1, input, "values and indices");
  Dims dims = with_spatial(input[0], input[1], conv_transpose_windows(c.attrs(), spatial(input), kernel));
  if (c.has(2)) {
    c.need_rank(2, 1, 1);
    if (c.ranked(2)) agree(c.dims(2)[0], static_cast<int64_t>(dims.size()), "entries of output_shape");
    if (const Tensor* shape = c.constant(2)) {
      const Dims wanted = shape->to_ints();
      for (size_t i = 0; i < dims.size(); ++i)
        if (wanted[i] < std::max<int64_t>(dims[i], 0) || (i < 2 && dims[i] != kUnknown && wanted[i] != dims[i]))
          fail_input("output_shape {} is smaller than {}", to_string(wanted), to_string(dims));
      dims = wanted;
    } else {
      dims = Dims(dims.size(), kUnknown);
    }
  }
  c.set(0, c.dtype(0), std::move(dims));
}

}  // namespace

std::vector<AttrSpec> conv_attrs() {
  std::vector<AttrSpec> attrs = window_attrs();
  append(attrs, {AttrSpec::optional("dilations", integers), AttrSpec::integer("group", 1),
                 AttrSpec::optional("kernel_shape", integers)});
  return attrs;
}

std::optional<Dims> infer_conv_dims(const InferContext& c, size_t x, size_t w, size_t bias) {
  c.need_rank(bias, 1, 1);
  const auto sizes = conv_sizes(c, x, w);
  if (!sizes) return std::nullopt;
  const auto& [input, kernel, group] = *sizes;
  need_groups(input[1], kernel[1], group, "input channels");
  int64_t oc = kernel[0];
  if (c.ranked(bias)) oc = agree(oc, c.dims(bias)[0], "output channels of w and bias");
  need_groups(oc, kUnknown, group, "output channels");
  return with_spatial(input[0], oc, conv_windows(c.attrs(), spatial(input), spatial(kernel)));
}

void need_per_channel(const InferContext& c, size_t operand, int64_t channels, std::string_view what) {
  c.need_rank(operand, 0, 1);
  if (c.ranked(operand) && c.rank(operand) == 1 && c.dims(operand)[0] != 1) agree(c.dims(operand)[0], channels, what);
}

std::vector<OpSpec> conv_ops() {
  std::vector<AttrSpec> transpose_attrs = conv_attrs();
  append(transpose_attrs,
         {AttrSpec::optional("output_padding", integers), AttrSpec::optional("output_shape", integers)});
  return {
      {.name = "Conv", .since = 1, .inputs = {2, 3}, .attrs = conv_attrs(), .infer = infer_conv},
      {.name = "ConvTranspose", .since = 1, .inputs = {2, 3}, .attrs = transpose_attrs, .infer = infer_conv_transpose},
      {.name = "ConvInteger", .since = 10, .inputs = {2, 4}, .attrs = conv_attrs(), .infer = infer_conv_integer},
      {.name = "AveragePool",
       .since = 7,
       .attrs = pool_attrs({AttrSpec::integer("count_include_pad", 0)}),
       .infer = infer_average_pool},
      {.name = "MaxPool",
       .since = 8,
       .outputs = {1, 2},
       .attrs = pool_attrs({AttrSpec::integer("storage_order", 0)}),
       .infer = infer_max_pool},
      {.name = "LpPool", .since = 2, .attrs = pool_attrs({AttrSpec::integer("p", 2)}), .infer = infer_float_pool},
      {.name = "GlobalAveragePool", .since = 1, .infer = infer_global_average_pool},
      {.name = "GlobalMaxPool", .since = 1, .infer = infer_global_pool},
      {.name = "GlobalLpPool", .since = 2, .attrs = {AttrSpec::integer("p", 2)}, .infer = infer_global_pool},
      {.name = "MaxUnpool",
       .since = 9,
       .inputs = {2, 3},
       .attrs = {AttrSpec::required("kernel_shape", integers), AttrSpec::optional("pads", integers),
                 AttrSpec::optional("strides", integers)},
       .infer = infer_max_unpool},
  };
}

}  // namespace tercel::inline graph
