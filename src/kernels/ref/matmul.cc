#include "kernels/ref/multiply.h"
#include "kernels/ref/number.h"
#include "kernels/ref/ref.h"
#include "tensor/einsum.h"

namespace tercel::inline kernels {
namespace {

void matmul(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const MatmulGeometry product(src[0], src[1], dst[0].dims);
  visit_number(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* out = dst[0].as<T>();
    multiply<Sum<T>>(product, src[0].as<T>(), src[1].as<T>(),
                     [&](int64_t first, int64_t, const Sum<T>* sums, int64_t count) {
                       for (int64_t i = 0; i < count; ++i) out[first + i] = from_sum<T>(sums[i]);
                     });
  });
}

/// value * factor; a factor of 1 leaves integers exact.
template <typename T>
T scaled(T value, float factor) {
  return factor == 1 ? value : convert<T>(to_double(value) * static_cast<double>(factor));
}

void gemm(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  const MatmulGeometry product(src[0], src[1], dst[0].dims, attrs.get_bool("transA"), attrs.get_bool("transB"));
  const View c = operand(src, 2);
  const float alpha = attrs.get_float("alpha");
  const float beta = attrs.get_float("beta");
  const Dims c_strides = c ? broadcast_strides(c.dims, dst[0].dims) : Dims{0, 0};
  visit_number(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* out = dst[0].as<T>();
    const T* offsets = c ? c.as<T>() : nullptr;
    multiply<Sum<T>>(
        product, src[0].as<T>(), src[1].as<T>(), [&](int64_t first, int64_t column, const Sum<T>* sums, int64_t count) {
          const int64_t row = first / product.n;
          for (int64_t i = 0; i < count; ++i) {
            const auto offset = [&] { return offsets[row * c_strides[0] + (column + i) * c_strides[1]]; };
            if constexpr (kIsFloat<T>)
              out[first + i] = convert<T>(sums[i] * static_cast<double>(alpha) +
                                          (c ? to_double(offset()) * static_cast<double>(beta) : 0.0));
            else out[first + i] = wrap_add(scaled(from_sum<T>(sums[i]), alpha), c ? scaled(offset(), beta) : T{});
          }
        });
  });
}

void matmul_integer(const Attrs&, std::span<const View> src, std::span<const View> dst) {
  const MatmulGeometry product(src[0], src[1], dst[0].dims);
  int32_t* out = dst[0].as<int32_t>();
  visit_byte(src[0].dtype, [&](auto a_tag) {
    using A = typename decltype(a_tag)::type;
    const auto a_zero = PerLine<A>::rows(operand(src, 2), product);
    visit_byte(src[1].dtype, [&](auto b_tag) {
      using B = typename decltype(b_tag)::type;
      const auto b_zero = PerLine<B>::columns(operand(src, 3), product);
      multiply<int64_t>(product, src[0].as<A>(), a_zero, src[1].as<B>(), b_zero,
                        [&](int64_t first, int64_t, const int64_t* sums, int64_t count) {
                          for (int64_t i = 0; i < count; ++i) out[first + i] = static_cast<int32_t>(sums[i]);
                        });
    });
  });
}

/// Sums the product of the operands over every label that the result does not have. `strides[i][label]` moves operand
/// i; the labels summed are those from `first` on.
template <typename T>
Sum<T> sum_products(const std::vector<const T*>& operands, const std::vector<Dims>& strides, const Dims& extents,
                    std::vector<int64_t> at, size_t first) {
  Dims index(extents.size(), 0);
  Sum<T> sum{};
  const int64_t steps = count_elements(std::span(extents).subspan(first));
  for (int64_t step = 0; step < steps; ++step) {
    Sum<T> product{1};
    for (size_t i = 0; i < operands.size(); ++i) product *= to_sum(operands[i][at[i]]);
    sum += product;
    for (size_t label = extents.size(); label-- > first;) {
      for (size_t i = 0; i < at.size(); ++i) at[i] += strides[i][label];
      if (++index[label] < extents[label]) break;
      for (size_t i = 0; i < at.size(); ++i) at[i] -= strides[i][label] * extents[label];
      index[label] = 0;
    }
  }
  return sum;
}

void einsum(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  std::vector<Dims> shapes;
  for (const View& view : src) shapes.push_back(view.dims);
  const EinsumPlan plan = plan_einsum(attrs.get_string("equation"), shapes);
  count_elements(plan.extents);  // refuses an absurd amount of work, as the shape rule does
  std::vector<Dims> strides;
  for (size_t i = 0; i < src.size(); ++i) {
    strides.emplace_back(plan.extents.size(), 0);
    const Dims dense = row_major_strides(shapes[i]);
    for (size_t axis = 0; axis < dense.size(); ++axis)
      if (shapes[i][axis] != 1) strides[i][static_cast<size_t>(plan.operands[i][axis])] += dense[axis];
  }
  visit_number(src[0].dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    std::vector<const T*> operands;
    for (const View& view : src) operands.push_back(view.as<T>());
    const Dims result = plan.result_dims();
    const Dims result_strides = row_major_strides(result);
    T* out = dst[0].as<T>();
    for (int64_t i = 0, count = count_elements(result); i < count; ++i) {
      std::vector<int64_t> at(src.size(), 0);
      for (size_t label = 0; label < result.size(); ++label) {
        const int64_t place = i / result_strides[label] % result[label];
        for (size_t k = 0; k < at.size(); ++k) at[k] += place * strides[k][label];
      }
      out[i] = from_sum<T>(sum_products(operands, strides, plan.extents, std::move(at), result.size()));
    }
  });
}

}  // namespace

std::vector<RefEntry> matmul_refs() {
  return {{"MatMul", matmul}, {"MatMulInteger", matmul_integer}, {"Gemm", gemm}, {"Einsum", einsum}};
}

}  // namespace tercel::inline kernels
