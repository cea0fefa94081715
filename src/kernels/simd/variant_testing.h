// For tests: every fast variant on the menu against the reference kernel, for every Isa of this machine, one thread and
// two, and both layouts where the variant takes either.
#pragma once

#include <gmock/gmock.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "base/threads.h"
#include "kernels/menu.h"
#include "kernels/ref/ref_testing.h"
#include "kernels/reorder.h"

namespace tercel::inline kernels {

struct VariantCase {
  std::string_view op;
  Attrs attrs;
  std::vector<Tensor> src;                   ///< plain layout; an empty Tensor is an operand left out
  std::set<size_t> constant;                 ///< operands whose elements are known while planning
  std::vector<std::pair<DType, Dims>> dst;   ///< DType::none: nobody wants it
  double tolerance = -1;                     ///< stricter than the variant's own, where given; 0: the same bytes
  std::string_view only = "";                ///< compare only variants whose names begin so
  std::vector<QuantizationPtr> quantized{};  ///< what levels stand for: of src, then of dst
  bool bf16 = false;
};

/// The same rounded to bf16.
inline Tensor rounded_to_bf16(const Tensor& tensor) {
  Tensor rounded(DType::f32, tensor.dims());
  for (int64_t i = 0; i < tensor.elements(); ++i)
    reinterpret_cast<float*>(rounded.mutable_data())[i] = BFloat16(tensor.at<float>(i));
  return rounded;
}

inline Tensor random_floats(Dims dims, uint64_t seed, double low = -1, double high = 1) {
  Rng rng(seed);
  Tensor tensor(DType::f32, std::move(dims));
  auto* values = reinterpret_cast<float*>(tensor.mutable_data());
  for (int64_t i = 0, count = tensor.elements(); i < count; ++i) values[i] = static_cast<float>(rng.uniform(low, high));
  return tensor;
}

/// Random bytes of any type but floats, where some patterns are NaN and would not compare.
inline Tensor random_bytes(DType dtype, Dims dims, uint64_t seed) {
  if (is_float(dtype)) return random_floats(std::move(dims), seed);
  Rng rng(seed);
  Tensor tensor(dtype, std::move(dims));
  for (size_t i = 0; i < tensor.bytes(); ++i) tensor.mutable_data()[i] = static_cast<std::byte>(rng.next());
  return tensor;
}

namespace variant_testing {

/// The same elements at an odd address: constants may lie anywhere in a mapped file.
inline Tensor misaligned(const Tensor& tensor) {
  auto bytes = std::make_shared<std::vector<std::byte>>(tensor.bytes() + 1);
  if (tensor.bytes() > 0) std::memcpy(bytes->data() + 1, tensor.data(), tensor.bytes());
  return Tensor(tensor.dtype(), tensor.dims(), bytes->data() + 1, bytes);
}

inline Tensor in_layout(const Tensor& tensor, Layout from, Layout to) {
  if (from == to || tensor.rank() != 4 || tensor.elements() == 0) return tensor;
  Tensor moved(tensor.dtype(), tensor.dims());
  reorder(tensor.data(), moved.mutable_data(), tensor.dtype(), tensor.dims(), from);
  return moved;
}

inline void expect_close(const Tensor& got, const Tensor& wanted, double tolerance) {
  if (tolerance == 0 || wanted.dtype() != DType::f32) {
    EXPECT_TRUE(got == wanted);
    return;
  }
  const auto* g = reinterpret_cast<const float*>(got.data());
  const auto* w = reinterpret_cast<const float*>(wanted.data());
  const int64_t count = wanted.elements();
  double largest = 1;
  for (int64_t i = 0; i < count; ++i)
    if (std::isfinite(w[i])) largest = std::max(largest, std::fabs(static_cast<double>(w[i])));
  for (int64_t i = 0; i < count; ++i) {
    const auto a = static_cast<double>(g[i]), b = static_cast<double>(w[i]);
    if (std::isnan(a) && std::isnan(b)) continue;
    if (a == b) continue;  // infinities
    ASSERT_LE(std::fabs(a - b), tolerance * largest)
        << "element " << i << " of " << to_string(wanted.dims()) << ": " << a << ", wanted " << b;
  }
}

/// The same result, `count` rows at a time, each from a copy of nothing but the rows of operand 0 that it reads.
inline Tensor run_by_rows(const Kernel& kernel, const Tensor& source, std::span<const std::byte* const> src,
                          const Dims& dims, int64_t count) {
  const auto row_bytes = [](const Tensor& t) { return t.bytes() / static_cast<size_t>(t.dims()[0] * t.dims()[2]); };
  Tensor result(DType::f32, dims);
  const size_t from_bytes = row_bytes(source), to_bytes = row_bytes(result);
  const int64_t rows = dims[0] * dims[2];
  for (int64_t begin = 0; begin < rows; begin += count) {
    const Range range{begin, std::min(begin + count, rows)}, read = kernel.by_rows()->source_rows(range);
    Buffer rows_read(static_cast<size_t>(read.size()) * from_bytes);
    if (read.size() > 0)
      std::memcpy(rows_read.data(), source.data() + static_cast<size_t>(read.begin) * from_bytes, rows_read.size());
    Buffer made(static_cast<size_t>(range.size()) * to_bytes);
    kernel.by_rows()->run_rows({range, rows_read.data(), read.begin, made.data(), begin, src});
    std::memcpy(result.mutable_data() + static_cast<size_t>(begin) * to_bytes, made.data(), made.size());
  }
  return result;
}

/// Runs one variant; false where it refuses.
inline bool run_variant(const VariantCase& c, const Variant& variant, Isa isa, int threads, Layout layout,
                        const std::vector<Tensor>& wanted, std::string& reason) {
  const ThreadScope scope(threads);
  Problem problem{c.op, &c.attrs, {}, {}, isa, threads, nullptr, c.bf16};
  const auto layout_of = [&](const Dims& dims) { return dims.size() == 4 ? layout : Layout::plain; };
  for (size_t i = 0; i < c.src.size(); ++i) {
    if (!c.src[i]) {
      problem.src.emplace_back();
      continue;
    }
    const bool constant = c.constant.contains(i);
    // As plan describes them: constants keep the plain layout where kernels pack them anyway.
    const bool keep = constant && variant.layout == LayoutRule::channels_last;
    problem.src.push_back({c.src[i].dtype(), c.src[i].dims(), keep ? Layout::plain : layout_of(c.src[i].dims()),
                           constant ? misaligned(c.src[i]) : Tensor()});
  }
  for (const auto& [dtype, dims] : c.dst) problem.dst.push_back({dtype, dims, layout_of(dims), {}});
  for (size_t i = 0; i < c.quantized.size(); ++i)
    (i < problem.src.size() ? problem.src[i] : problem.dst.at(i - problem.src.size())).quantization = c.quantized[i];
  reason = variant.cannot(problem);  // what is only slower must be right, too
  if (!reason.empty()) return false;
  const auto kernel = variant.make(problem);

  std::vector<Tensor> src, dst;
  std::vector<const std::byte*> src_at;
  std::vector<std::byte*> dst_at;
  for (size_t i = 0; i < c.src.size(); ++i) {
    src.push_back(in_layout(c.src[i], Layout::plain, problem.src[i].layout));
    const bool gone = !c.src[i] || (c.constant.contains(i) && kernel->consumed(i));
    src_at.push_back(gone ? nullptr : src.back().data());
  }
  for (const auto& [dtype, dims] : c.dst) {
    dst.push_back(dtype == DType::none ? Tensor() : Tensor(dtype, dims));
    if (dst.back().bytes() > 0) std::memset(dst.back().mutable_data(), 0xFF, dst.back().bytes());
    dst_at.push_back(dtype == DType::none ? nullptr : dst.back().mutable_data());
  }
  Buffer scratch(kernel->scratch_bytes());
  if (scratch.size() > 0) std::memset(scratch.data(), 0xFF, scratch.size());
  kernel->run({src_at, dst_at, scratch.data()});
  if (kernel->by_rows() != nullptr)
    for (int64_t count : {1, 3})
      expect_close(run_by_rows(*kernel, src[0], src_at, c.dst[0].second, count), dst[0], 1e-6);
  for (size_t i = 0; i < dst.size(); ++i)
    if (dst[i])
      expect_close(in_layout(dst[i], problem.dst[i].layout, Layout::plain), wanted[i],
                   c.tolerance < 0 ? variant.tolerance() : std::min(c.tolerance, variant.tolerance()));
  return true;
}

}  // namespace variant_testing

/// Compares all variants with the reference; fails where one of `must_run` refuses (in any layout it claims to take).
inline void check_variants(const VariantCase& c, std::initializer_list<std::string_view> must_run) {
  using namespace variant_testing;
  const std::vector<Tensor> wanted = run_ref(c.op, c.src, c.dst, c.attrs, c.quantized);
  std::string shapes;
  for (const Tensor& tensor : c.src) shapes += " " + (tensor ? to_string(tensor.dims()) : std::string("-"));
  int compared = 0;
  for (const Variant& variant : menu(c.op)) {
    if (variant.name == "ref" || !variant.name.starts_with(c.only)) continue;
    const bool must = std::find(must_run.begin(), must_run.end(), variant.name) != must_run.end();
    bool ran = false;
    std::string reason;
    for (Isa isa : machine_isas())
      for (int threads : {1, 2})
        for (Layout layout : {Layout::plain, Layout::channels_last}) {
          if (variant.layout == LayoutRule::plain && layout != Layout::plain) continue;
          if (variant.layout == LayoutRule::channels_last && layout != Layout::channels_last) continue;
          SCOPED_TRACE(fmt::format("{}{}: {} {} {} threads {}", c.op, shapes, variant.name, to_string(isa), threads,
                                   to_string(layout)));
          if (!run_variant(c, variant, isa, threads, layout, wanted, reason)) continue;
          ran = true;
          ++compared;
          if (testing::Test::HasFatalFailure() || testing::Test::HasNonfatalFailure()) return;
        }
    EXPECT_TRUE(ran || !must) << c.op << shapes << ": " << variant.name << " refuses: " << reason;
  }
  for (std::string_view name : must_run) {
    const auto variants = menu(c.op);
    EXPECT_TRUE(std::any_of(variants.begin(), variants.end(), [&](const Variant& v) { return v.name == name; }))
        << "no variant " << name << " of " << c.op;
  }
  EXPECT_GT(compared, 0) << c.op << shapes << ": nothing was compared";
}

}  // namespace tercel::inline kernels
