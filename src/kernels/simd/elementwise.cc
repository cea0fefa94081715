#include "kernels/simd/elementwise.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/threads.h"
#include "kernels/activation.h"
#include "kernels/simd/box.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/simd/elementwise.cc"
// clang-format off
#include "kernels/simd/dispatch.h"
#include <hwy/foreach_target.h>
// clang-format on
#include "kernels/simd/activation-inl.h"
#include "kernels/simd/part-inl.h"

#ifndef TERCEL_ELEMENTWISE_ONCE
#define TERCEL_ELEMENTWISE_ONCE
namespace tercel::inline kernels {

enum class MapFn : uint8_t {
  activate,
  abs,
  neg,
  reciprocal,
  sqrt,
  exp,
  erf,
  floor,
  ceil,
  round,
  square,
  cube,  // of a
  add,
  sub,
  mul,
  div,
  max,
  min,
  prelu,
  add_relu,     // of a and b
  scale_shift,  // a * b + c
};

constexpr size_t kMapOperands = 3;

struct MapJob {
  Box<kMapOperands + 1> box;  // operands, then the result, whose elements are walked in the order in which they lie
  std::array<const float*, kMapOperands> src{};
  float* dst = nullptr;
  MapFn fn = MapFn::activate;
  ActivationOf activation;  // MapFn::activate: the function; else it comes after it
};

}  // namespace tercel::inline kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace tercel::inline kernels {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// One struct per function: how many operands it reads, and what it makes of a vector of each.
#define TERCEL_MAP(name, arity, expression)                                                         \
  struct name {                                                                                     \
    static constexpr size_t kArity = arity;                                                         \
    static HWY_INLINE V Of(D d, [[maybe_unused]] V a, [[maybe_unused]] V b, [[maybe_unused]] V c) { \
      (void)d;                                                                                      \
      return expression;                                                                            \
    }                                                                                               \
  }

TERCEL_MAP(MapAbs, 1, hn::Abs(a));
TERCEL_MAP(MapNeg, 1, hn::Neg(a));
TERCEL_MAP(MapReciprocal, 1, hn::Div(hn::Set(d, 1.0f), a));
TERCEL_MAP(MapSqrt, 1, hn::Sqrt(a));
// Past 104 the answer is infinite; Highway's Exp would wrap around further out.
TERCEL_MAP(MapExp, 1, KeepNaN(d, a, hn::Exp(d, hn::Min(a, hn::Set(d, 104.0f)))));
TERCEL_MAP(MapErf, 1, Erf(d, a));
TERCEL_MAP(MapFloor, 1, hn::Floor(a));
TERCEL_MAP(MapCeil, 1, hn::Ceil(a));
TERCEL_MAP(MapRound, 1, hn::Round(a));
TERCEL_MAP(MapSquare, 1, hn::Mul(a, a));
TERCEL_MAP(MapCube, 1, hn::Mul(hn::Mul(a, a), a));
TERCEL_MAP(MapAdd, 2, hn::Add(a, b));
TERCEL_MAP(MapSub, 2, hn::Sub(a, b));
TERCEL_MAP(MapMul, 2, hn::Mul(a, b));
TERCEL_MAP(MapDiv, 2, hn::Div(a, b));
TERCEL_MAP(MapMax, 2, MaxOrNaN(d, a, b));
TERCEL_MAP(MapMin, 2, MinOrNaN(d, a, b));
TERCEL_MAP(MapPRelu, 2, hn::IfThenElse(hn::Lt(a, hn::Zero(d)), hn::Mul(a, b), a));
TERCEL_MAP(MapAddRelu, 2, Activate(d, Activation::relu, hn::Add(a, b), a, b));
TERCEL_MAP(MapScaleShift, 3, hn::MulAdd(a, b, c));
#undef TERCEL_MAP

/// Operands whose bit in `flat` is set have `count` neighbouring elements; the others one that stands for all.
template <class F, unsigned flat>
void Row(const float* const* src, float* dst, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  V v[kMapOperands];
  for (size_t k = 0; k < kMapOperands; ++k)
    v[k] = k < F::kArity && (flat >> k & 1) == 0 ? hn::Set(d, *src[k]) : hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) {
    for (size_t k = 0; k < F::kArity; ++k)
      if ((flat >> k & 1) != 0) v[k] = hn::LoadU(d, src[k] + i);
    hn::StoreU(F::Of(d, v[0], v[1], v[2]), d, dst + i);
  }
  if (i == count) return;
  for (size_t k = 0; k < F::kArity; ++k)
    if ((flat >> k & 1) != 0) v[k] = LoadPart(d, src[k] + i, count - i);
  StorePart(F::Of(d, v[0], v[1], v[2]), d, dst + i, count - i);
}

template <Activation kind>
void ActivationRow(const MapJob& job, const float* src, float* dst, int64_t count) {
  const D d;
  const auto lanes = static_cast<int64_t>(hn::Lanes(d));
  const V alpha = hn::Set(d, job.activation.alpha), beta = hn::Set(d, job.activation.beta);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes) hn::StoreU(Activate(d, kind, hn::LoadU(d, src + i), alpha, beta), d, dst + i);
  if (i < count) StorePart(Activate(d, kind, LoadPart(d, src + i, count - i), alpha, beta), d, dst + i, count - i);
}

void AnyActivationRow(const MapJob& job, const float* src, float* dst, int64_t count) {
  switch (job.activation.kind) {
#define TERCEL_CASE(kind) \
  case Activation::kind: return ActivationRow<Activation::kind>(job, src, dst, count)
    TERCEL_CASE(none);
    TERCEL_CASE(relu);
    TERCEL_CASE(clip);
    TERCEL_CASE(leaky_relu);
    TERCEL_CASE(hard_sigmoid);
    TERCEL_CASE(hard_swish);
    TERCEL_CASE(sigmoid);
    TERCEL_CASE(tanh);
    TERCEL_CASE(silu);
    TERCEL_CASE(gelu);
    TERCEL_CASE(gelu_tanh);
    TERCEL_CASE(elu);
    TERCEL_CASE(softplus);
    TERCEL_CASE(mish);
#undef TERCEL_CASE
  }
}

using RowFn = void (*)(const float* const*, float*, int64_t);

template <class F>
RowFn PickRow(unsigned flat) {
  if constexpr (F::kArity == 1) return Row<F, 1>;
  else if constexpr (F::kArity == 2) return flat == 1 ? Row<F, 1> : flat == 2 ? Row<F, 2> : Row<F, 3>;
  else return flat == 1 ? Row<F, 1> : Row<F, 7>;
}

RowFn PickRow(MapFn fn, unsigned flat) {
  switch (fn) {
    case MapFn::activate: return nullptr;
    case MapFn::abs: return PickRow<MapAbs>(flat);
    case MapFn::neg: return PickRow<MapNeg>(flat);
    case MapFn::reciprocal: return PickRow<MapReciprocal>(flat);
    case MapFn::sqrt: return PickRow<MapSqrt>(flat);
    case MapFn::exp: return PickRow<MapExp>(flat);
    case MapFn::erf: return PickRow<MapErf>(flat);
    case MapFn::floor: return PickRow<MapFloor>(flat);
    case MapFn::ceil: return PickRow<MapCeil>(flat);
    case MapFn::round: return PickRow<MapRound>(flat);
    case MapFn::square: return PickRow<MapSquare>(flat);
    case MapFn::cube: return PickRow<MapCube>(flat);
    case MapFn::add: return PickRow<MapAdd>(flat);
    case MapFn::sub: return PickRow<MapSub>(flat);
    case MapFn::mul: return PickRow<MapMul>(flat);
    case MapFn::div: return PickRow<MapDiv>(flat);
    case MapFn::max: return PickRow<MapMax>(flat);
    case MapFn::min: return PickRow<MapMin>(flat);
    case MapFn::prelu: return PickRow<MapPRelu>(flat);
    case MapFn::add_relu: return PickRow<MapAddRelu>(flat);
    case MapFn::scale_shift: return PickRow<MapScaleShift>(flat);
  }
  return nullptr;
}

/// Result elements [begin, end), `arity` operands.
void MapPart(const MapJob& job, size_t arity, int64_t begin, int64_t end) {
  constexpr int64_t kChunk = 1024;  // what comes second on it still finds it in L1
  HWY_ALIGN float spread[kMapOperands][kChunk];
  const int64_t extent = job.box.extent();
  // Operands lie flat or repeat one element along the innermost axis; any other pattern is spread out first.
  unsigned flat = 0;
  for (size_t k = 0; k < arity; ++k) flat |= job.box.stride(k) == 0 ? 0u : 1u << k;
  const unsigned all = (1u << arity) - 1;
  const bool spreads_fixed = arity == 3 ? flat != 1 && flat != all : flat == 0;
  const auto spreads = [&](size_t k) {
    const int64_t stride = job.box.stride(k);
    return (stride != 0 && stride != 1) || (stride == 0 && spreads_fixed);
  };
  const RowFn row = PickRow(job.fn, spreads_fixed ? all : flat);
  RowWalk<kMapOperands + 1> walk(job.box, begin / extent);
  int64_t column = begin % extent;
  while (begin < end) {
    const int64_t count = std::min({extent - column, end - begin, kChunk});
    const float* at[kMapOperands] = {};
    for (size_t k = 0; k < arity; ++k) {
      const int64_t stride = job.box.stride(k);
      at[k] = job.src[k] + walk.at(k) + column * stride;
      if (!spreads(k)) continue;
      for (int64_t i = 0; i < count; ++i) spread[k][i] = at[k][i * stride];
      at[k] = spread[k];
    }
    float* to = job.dst + begin;
    if (job.fn == MapFn::activate) AnyActivationRow(job, at[0], to, count);
    else row(at, to, count);
    if (job.fn != MapFn::activate && job.activation.kind != Activation::none)
      ActivateRow(job.activation.kind, job.activation.alpha, job.activation.beta, to, count);
    begin += count;
    column += count;
    if (column < extent) continue;
    column = 0;
    walk.next();
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tercel::inline kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tercel::inline kernels {
namespace {

using Bound = std::numeric_limits<float>;

struct Function {
  MapFn fn;
  size_t arity;
  ActivationOf activation;
};

ActivationOf activation_of(Activation kind, float alpha = 0, float beta = 0) {
  ActivationOf activation;
  activation.kind = kind;
  activation.alpha = alpha;
  activation.beta = beta;
  return activation;
}

/// The function that an operator of one operand (and constants) is, with its parameters.
std::optional<Function> unary_function(const Problem& p) {
  static const std::pair<std::string_view, MapFn> kPlain[] = {
      {"Abs", MapFn::abs},     {"Neg", MapFn::neg},   {"Reciprocal", MapFn::reciprocal},
      {"Sqrt", MapFn::sqrt},   {"Exp", MapFn::exp},   {"Erf", MapFn::erf},
      {"Floor", MapFn::floor}, {"Ceil", MapFn::ceil}, {"Round", MapFn::round}};
  for (const auto& [op, fn] : kPlain)
    if (p.op == op) return Function{fn, 1, {}};
  const auto bound = [&](size_t i, float open) { return p.input(i) ? p.src[i].constant.at<float>(0) : open; };
  ActivationOf a;
  if (p.op == "Clip") a = activation_of(Activation::clip, bound(1, -Bound::infinity()), bound(2, Bound::infinity()));
  else if (p.op == "Gelu" && p.attrs->get_string("approximate") == "tanh") a = activation_of(Activation::gelu_tanh);
  else
    for (Activation kind : all_activations())
      if (to_string(kind) == p.op) a = activation_of(kind);
  if (a.kind == Activation::none) return std::nullopt;
  if (p.op == "LeakyRelu" || p.op == "Elu" || p.op == "HardSigmoid") a.alpha = p.attrs->get_float("alpha");
  if (p.op == "HardSigmoid") a.beta = p.attrs->get_float("beta");
  return Function{MapFn::activate, 1, a};
}

std::optional<Function> binary_function(const Problem& p) {
  if (p.op == "FusedAdd") {
    ActivationOf activation(*p.attrs);
    if (activation.kind == Activation::relu) return Function{MapFn::add_relu, 2, {}};
    return Function{MapFn::add, 2, activation};
  }
  static const std::pair<std::string_view, MapFn> kPlain[] = {
      {"Add", MapFn::add}, {"Sub", MapFn::sub}, {"Mul", MapFn::mul}, {"Div", MapFn::div},
      {"Max", MapFn::max}, {"Min", MapFn::min}, {"Sum", MapFn::add}, {"PRelu", MapFn::prelu}};
  for (const auto& [op, fn] : kPlain)
    if (p.op == op) return Function{fn, 2, {}};
  return std::nullopt;
}

/// Of the elements that are computed with: the first `operands` sources and the result. (The first: Variant::elements.)
std::string refuse_elements(const Problem& p, size_t operands) {
  for (size_t i = 1; i < operands; ++i)
    if (p.src[i].dtype != DType::f32) return fmt::format("elements are {}, not f32", to_string(p.src[i].dtype));
  if (p.dst[0].dims.size() > kMaxAxes) return fmt::format("{} axes, more than {}", p.dst[0].dims.size(), kMaxAxes);
  return {};
}

class MapKernel final : public Kernel {
 public:
  MapKernel(const Problem& p, Function function) : run_(TERCEL_PICK(p.isa, MapPart)), arity_(function.arity) {
    job_.fn = function.fn;
    job_.activation = function.activation;
    const Dims& dims = p.dst[0].dims;
    std::array<Dims, kMapOperands + 1> strides;
    strides.fill(Dims(dims.size(), 0));
    for (size_t k = 0; k < arity_; ++k) strides[k] = broadcast_strides_in(p.src[k], dims);
    finish(p, strides);
  }

  /// A factor and a shift per channel, axis 1, which the kernel holds.
  MapKernel(const Problem& p, std::vector<float> scale, std::vector<float> shift)
      : run_(TERCEL_PICK(p.isa, MapPart)), arity_(3), scale_(std::move(scale)), shift_(std::move(shift)) {
    job_.fn = MapFn::scale_shift;
    std::array<Dims, kMapOperands + 1> strides;
    strides.fill(Dims(p.dst[0].dims.size(), 0));
    strides[0] = strides_in(p.src[0].dims, p.src[0].layout);
    strides[1][1] = strides[2][1] = 1;
    finish(p, strides);
  }

  bool consumed(size_t operand) const override { return operand > 0 && !scale_.empty(); }
  size_t packed_bytes() const override { return (scale_.size() + shift_.size()) * sizeof(float); }

  void run(const Args& args) const override {
    MapJob job = job_;
    for (size_t k = 0; k < arity_; ++k)
      if (k == 0 || scale_.empty()) job.src[k] = reinterpret_cast<const float*>(args.src[k]);
    if (!scale_.empty()) {
      job.src[1] = scale_.data();
      job.src[2] = shift_.data();
    }
    job.dst = reinterpret_cast<float*>(args.dst[0]);
    parallel_for(elements_, grain_, [&](int64_t begin, int64_t end) { run_(job, arity_, begin, end); });
  }

 private:
  void finish(const Problem& p, std::array<Dims, kMapOperands + 1>& strides) {
    strides[kMapOperands] = strides_in(p.dst[0].dims, p.dst[0].layout);
    job_.box = Box<kMapOperands + 1>(p.dst[0].dims, strides);
    elements_ = p.dst[0].elements();
    const bool costly = job_.activation.kind > Activation::clip || job_.fn == MapFn::exp || job_.fn == MapFn::erf;
    grain_ = costly ? 1 << 12 : 1 << 14;
  }

  void (*run_)(const MapJob&, size_t, int64_t, int64_t);
  size_t arity_;
  std::vector<float> scale_, shift_;
  MapJob job_;
  int64_t elements_ = 0, grain_ = 1;
};

std::string refuse_unary(const Problem& p) {
  for (size_t i = 1; i < p.src.size(); ++i)
    if (p.src[i] && !p.src[i].constant) return fmt::format("operand {} is not constant", i);
  if (std::string reason = refuse_elements(p, 1); !reason.empty()) return reason;
  return unary_function(p) ? "" : fmt::format("{} is not among the functions it knows", p.op);
}

std::string refuse_binary(const Problem& p) {
  if (p.src.size() != 2) return fmt::format("{} operands, not 2", p.src.size());
  if (std::string reason = refuse_elements(p, 2); !reason.empty()) return reason;
  return binary_function(p) ? "" : fmt::format("{} is not among the functions it knows", p.op);
}

std::string refuse_power(const Problem& p) {
  if (!p.src[1].constant || p.src[1].elements() != 1) return "the exponent is not one constant";
  if (const double e = p.src[1].constant.to_doubles()[0]; e != 2 && e != 3)
    return fmt::format("the exponent is {}, not 2 or 3", e);
  if (p.src[0].dims != p.dst[0].dims) return "the exponent adds axes";
  return refuse_elements(p, 1);
}

/// What a normalisation with constant statistics does to a channel: scale * x + shift.
struct Affine {
  std::vector<float> scale, shift;
};

Affine affine_of(const Problem& p) {
  std::vector<double> scale = p.src[1].constant.to_doubles(), shift = p.src[2].constant.to_doubles();
  const std::vector<double> mean = p.src[3].constant.to_doubles(), variance = p.src[4].constant.to_doubles();
  const auto epsilon = static_cast<double>(p.attrs->get_float("epsilon"));
  for (size_t c = 0; c < scale.size(); ++c) {
    scale[c] /= std::sqrt(variance[c] + epsilon);
    shift[c] -= mean[c] * scale[c];
  }
  return {{scale.begin(), scale.end()}, {shift.begin(), shift.end()}};
}

std::string refuse_batchnorm(const Problem& p) {
  if (p.src[0].rank() < 2) return "no axis of channels";
  if (p.dst.size() > 1) return "it is asked for statistics";
  for (size_t i = 1; i < p.src.size(); ++i)
    if (!p.src[i].constant) return fmt::format("operand {} is not constant", i);
  if (std::string reason = refuse_elements(p, p.src.size()); !reason.empty()) return reason;
  const auto finite = [](const std::vector<float>& values) {
    return std::all_of(values.begin(), values.end(), [](float v) { return std::isfinite(v); });
  };
  const Affine affine = affine_of(p);
  // Infinite (a variance of 0): infinity * x - infinity is NaN, where infinity * (x - mean) need not be.
  return finite(affine.scale) && finite(affine.shift) ? "" : "its scale or shift is not finite";
}

std::unique_ptr<Kernel> make_batchnorm(const Problem& p) {
  Affine affine = affine_of(p);
  return std::make_unique<MapKernel>(p, std::move(affine.scale), std::move(affine.shift));
}

}  // namespace

Variant simd_unary() {
  return {"simd_unary", LayoutRule::same, Elements::f32, refuse_unary, [](const Problem& p) -> std::unique_ptr<Kernel> {
            return std::make_unique<MapKernel>(p, *unary_function(p));
          }};
}

Variant simd_binary() {
  return {
      "simd_binary", LayoutRule::same, Elements::f32, refuse_binary,
      [](const Problem& p) -> std::unique_ptr<Kernel> { return std::make_unique<MapKernel>(p, *binary_function(p)); }};
}

Variant simd_power() {
  return {"simd_power", LayoutRule::same, Elements::f32, refuse_power, [](const Problem& p) -> std::unique_ptr<Kernel> {
            const bool squares = p.src[1].constant.to_doubles()[0] == 2;
            return std::make_unique<MapKernel>(p, Function{squares ? MapFn::square : MapFn::cube, 1, {}});
          }};
}

Variant simd_batchnorm() {
  return {"simd_batchnorm", LayoutRule::same, Elements::f32, refuse_batchnorm, make_batchnorm};
}

}  // namespace tercel::inline kernels
#endif
