// Networks from a seed: of all types that weights come in, whole and broken.
#pragma once

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/rng.h"
#include "graph/graph.h"
#include "graph/infer.h"
#include "onnx/writer.h"
#include "tensor/narrow.h"

namespace tercel::inline tune {

/// A small classifier of 1x3x32x32 (f32, or the type its weights have), with some 1,000 to 60,000 weights.
class MadeNetwork {
 public:
  Graph graph;
  std::string kept;       ///< how its weights are: a type, "qdq", "mixed" or "dynamic"
  std::string oddity;     ///< what is broken about it; empty: nothing
  bool external = false;  ///< its larger constants lie in files of their own

  explicit MadeNetwork(uint64_t seed) : rng_(seed) {
    static constexpr const char* kKept[] = {"f32", "f16", "bf16", "f64", "qdq", "mixed", "dynamic", "qdq", "f16"};
    static constexpr const char* kOddities[] = {"",           "zeros",      "ones",     "pruned", "ternary",
                                                "one weight", "nan",        "infinite", "huge",   "tiny",
                                                "repeats",    "minus zero", "outlier",  "",       "dead input"};
    kept = kKept[seed % std::size(kKept)];
    oddity = kOddities[seed / 2 % std::size(kOddities)];
    external = seed % 5 == 3;
    type_ = parse_dtype(kept);
    if (type_ == DType::none) type_ = DType::f32;
    odd_layer_ = static_cast<int>(rng_.below(3));
    build();
    infer_types(graph);
  }

  std::string describe() const { return kept + (oddity.empty() ? "" : ", " + oddity) + (external ? ", external" : ""); }

  /// As an ONNX file in the folder, with its files of external data; the path of the model.
  std::filesystem::path write(const std::filesystem::path& folder) const {
    auto path = folder / "model.onnx";
    const auto lies_elsewhere = [&](const Value& value) { return external && value.constant.bytes() >= 256; };
    AtomicFile file(path);
    file.write(onnx::write_model(graph, [&](const Value& v) { return lies_elsewhere(v) ? v.name + ".bin" : ""; }));
    file.commit();
    for (const auto& value : graph.values()) {
      if (!value->is_constant() || !lies_elsewhere(*value)) continue;
      AtomicFile data(folder / (value->name + ".bin"));
      data.write(std::span(value->constant.data(), value->constant.bytes()));
      data.commit();
    }
    return path;
  }

 private:
  void build() {
    Value* x = graph.add_input("x", {type_, true, {1, 3, 32, 32}});
    if (oddity == "dead input") x = node("Mul", {x, scalar(0)});
    int64_t channels = 3;
    const auto layers = 1 + rng_.below(3);
    for (int64_t i = 0; i < layers; ++i) {
      const int64_t wide = 4 + 4 * rng_.below(5), size = 1 + 2 * rng_.below(3);
      x = conv(x, channels, wide, size, i == 0 ? 4 : 2, static_cast<int>(i));
      channels = wide;
      if (rng_.below(3) == 0) x = batch_norm(x, channels);
      x = node("Relu", {x});
      if (rng_.below(3) == 0) x = node("Relu", {depthwise(x, channels)});
    }
    x = node("Flatten", {node("GlobalAveragePool", {x})});
    if (rng_.below(3) == 0) x = masked(x, channels);
    const int64_t hidden = 16 + 16 * rng_.below(8);
    x = node("Relu", {product(x, channels, hidden, 1)});
    if (rng_.below(4) == 0) x = shuffled(x, hidden);
    x = product(x, hidden, 10 + rng_.below(40), 2);
    if (rng_.below(3) == 0) x = node("Softmax", {x});
    graph.add_output(x);
    graph.rename(x, "y");
  }

  Value* node(std::string_view op, std::vector<Value*> inputs, Attrs attrs = {}) {
    Value* y = graph.add_value("v");
    graph.add_node(op, std::move(inputs), {y}, std::move(attrs));
    return y;
  }

  Value* constant(std::string_view name, Dims dims, const std::vector<float>& values, DType type) {
    Tensor tensor(type, std::move(dims));
    visit_dtype(type, [&](auto tag) {
      using T = typename decltype(tag)::type;
      for (size_t i = 0; i < values.size(); ++i) reinterpret_cast<T*>(tensor.mutable_data())[i] = T(values[i]);
    });
    return graph.add_constant(name, std::move(tensor));
  }
  Value* scalar(float value, DType type = DType::none) {
    return constant("s", {}, {value}, type == DType::none ? type_ : type);
  }

  std::vector<float> random(int64_t count, double deviation) {
    std::vector<float> values;
    for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<float>(deviation * rng_.normal()));
    return values;
  }

  /// rows x columns, with what is odd about this layer.
  std::vector<float> weights(int64_t rows, int64_t columns, int layer) {
    const auto count = static_cast<size_t>(rows * columns);
    const float deviation = static_cast<float>(std::sqrt(2.0 / static_cast<double>(columns)));
    std::vector<float> w = random(rows * columns, deviation);
    if (layer != odd_layer_) return w;
    const auto of_row = [&](size_t i) { return i / static_cast<size_t>(columns); };
    for (size_t i = 0; i < count; ++i) {
      if (oddity == "zeros") w[i] = 0;
      if (oddity == "ones") w[i] = 0.125f;
      if (oddity == "pruned" && (of_row(i) % 2 == 0 || i % 3 == 0)) w[i] = 0;
      if (oddity == "ternary") w[i] = std::copysign(std::fabs(w[i]) > deviation ? deviation : 0.0f, w[i]);
      if (oddity == "one weight") w[i] = i == count / 2 ? 1 : 0;
      if (oddity == "huge") w[i] *= type_ == DType::f16 ? 1e3f : 1e30f;
      if (oddity == "tiny") w[i] *= type_ == DType::f16 ? 1e-6f : 1e-38f;
      if (oddity == "repeats") w[i] = w[i % static_cast<size_t>(columns)];
      if (oddity == "minus zero" && i % 2 == 0) w[i] = -0.0f;
    }
    if (oddity == "nan") w[count / 3] = std::numeric_limits<float>::quiet_NaN();
    if (oddity == "infinite") w[count / 3] = -std::numeric_limits<float>::infinity();
    if (oddity == "outlier") w[count / 3] = type_ == DType::f16 ? 6e4f : 1e13f;
    return w;
  }

  /// The weights as the network reads them: integers with their scales in front, or of another type.
  Value* kept_weights(const char* name, Dims dims, int64_t rows, int64_t columns, int layer, int64_t axis) {
    std::vector<float> w = weights(rows, columns, layer);
    if (axis == 1) {  // rows are the last axis
      std::vector<float> turned(w.size());
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t c = 0; c < columns; ++c)
          turned[static_cast<size_t>(c * rows + r)] = w[static_cast<size_t>(r * columns + c)];
      w = turned;
    }
    const bool integers = kept == "qdq" || (kept == "mixed" && layer == 1);
    if (!integers && !(kept == "mixed" && layer == 2)) return constant(name, std::move(dims), w, type_);
    if (!integers) return node("Cast", {constant(name, std::move(dims), w, DType::f16)}, {{"to", std::string("f32")}});
    // One scale for all, or one a row.
    const bool each = rng_.below(2) == 0;
    const auto row = [&](size_t i) {
      if (!each) return size_t{0};
      return axis == 1 ? i % static_cast<size_t>(rows) : i / static_cast<size_t>(columns);
    };
    std::vector<float> most(each ? static_cast<size_t>(rows) : 1, 1e-6f), levels(w.size());
    for (size_t i = 0; i < w.size(); ++i) {
      if (!std::isfinite(w[i])) w[i] = 1;  // integers hold no such thing
      most[row(i)] = std::max(most[row(i)], std::fabs(w[i]));
    }
    for (size_t i = 0; i < w.size(); ++i) levels[i] = std::rint(w[i] / most[row(i)] * 127);
    for (float& m : most) m /= 127;
    const Dims of_scale = each ? Dims{rows} : Dims{};
    Value* w8 = constant(name, std::move(dims), levels, DType::i8);
    Value* scale = constant("scale", of_scale, most, DType::f32);
    Value* zero = constant("zero", of_scale, std::vector<float>(most.size()), DType::i8);
    return node("DequantizeLinear", {w8, scale, zero}, {{"axis", axis}});
  }

  /// Activations as a quantized network has them.
  Value* observed(Value* x) {
    if (kept != "qdq") return x;
    const auto operands = [&](Value* of) { return std::vector<Value*>{of, scalar(0.05f), scalar(100, DType::u8)}; };
    return node("DequantizeLinear", operands(node("QuantizeLinear", operands(x))));
  }

  Value* conv(Value* x, int64_t in, int64_t out, int64_t size, int64_t stride, int layer) {
    Value* w = kept_weights("w", {out, in, size, size}, out, in * size * size, layer, 0);
    std::vector<Value*> inputs{observed(x), w};
    if (rng_.below(2) == 0) inputs.push_back(constant("b", {out}, random(out, 0.1), type_));
    const int64_t pad = size / 2;
    return node("Conv", std::move(inputs),
                {{"strides", std::vector<int64_t>{stride, stride}},
                 {"pads", std::vector<int64_t>{pad, pad, pad, pad}},
                 {"kernel_shape", std::vector<int64_t>{size, size}}});
  }

  Value* depthwise(Value* x, int64_t channels) {
    return node("Conv", {x, kept_weights("w", {channels, 1, 3, 3}, channels, 9, 3, 0)},
                {{"group", channels}, {"pads", std::vector<int64_t>{1, 1, 1, 1}}});
  }

  Value* batch_norm(Value* x, int64_t channels) {
    std::vector<float> variance = random(channels, 1);
    for (float& v : variance) v = v * v + 0.01f;
    return node("BatchNormalization", {x, constant("scale", {channels}, random(channels, 1), type_),
                                       constant("shift", {channels}, random(channels, 0.1), type_),
                                       constant("mean", {channels}, random(channels, 0.1), type_),
                                       constant("variance", {channels}, variance, type_)});
  }

  /// A table with infinities in it, as attention masks have.
  Value* masked(Value* x, int64_t channels) {
    std::vector<float> mask(static_cast<size_t>(2 * channels));
    for (size_t i = 0; i < mask.size(); i += 3) mask[i] = -std::numeric_limits<float>::infinity();
    Value* table = constant("mask", {2, channels}, mask, type_);
    Value* sum = node("Add", {x, node("Max", {table, scalar(-1)})});
    return node("ReduceMean", {sum, graph.add_constant("axes", Tensor::of<int64_t>({1}, {0}))});
  }

  /// Integers, bools and f64 that no weights are.
  Value* shuffled(Value* x, int64_t channels) {
    std::vector<int64_t> order;
    for (int64_t i = 0; i < channels; ++i) order.push_back((i * 7 + 3) % channels);
    x = node("Gather", {x, graph.add_constant("order", Tensor::of<int64_t>({channels}, order))},
             {{"axis", int64_t{1}}});
    std::vector<float> chosen;
    for (int64_t i = 0; i < channels; ++i) chosen.push_back(i % 5 != 0 ? 1 : 0);
    Value* which = constant("which", {1, channels}, chosen, DType::boolean);
    return node("Where", {which, x, scalar(0)});
  }

  Value* product(Value* x, int64_t in, int64_t out, int layer) {
    Value* bias = constant("b", {out}, random(out, 0.1), type_);
    if (kept == "dynamic") {
      std::vector<float> levels = random(in * out, 40);
      for (float& v : levels) v = std::clamp(std::rint(v), -127.0f, 127.0f);
      Value* w8 = constant("w8", {in, out}, levels, DType::i8);
      Value *x8 = graph.add_value("x8"), *scale = graph.add_value("xs"), *zero = graph.add_value("xz");
      graph.add_node("DynamicQuantizeLinear", {x}, {x8, scale, zero});
      Value* sums = node("Cast", {node("MatMulInteger", {x8, w8, zero})}, {{"to", std::string("f32")}});
      return node("Add", {node("Mul", {sums, node("Mul", {scale, scalar(0.002f)})}), bias});
    }
    const bool turned = rng_.below(2) == 0;
    if (!turned && rng_.below(2) == 0) {
      Value* w = kept_weights("w", {out, in}, out, in, layer, 0);
      return node("Gemm", {observed(x), w, bias}, {{"transB", int64_t{1}}});
    }
    return node("Add", {node("MatMul", {observed(x), kept_weights("w", {in, out}, out, in, layer, 1)}), bias});
  }

  Rng rng_;
  DType type_ = DType::f32;
  int odd_layer_ = 0;
};

}  // namespace tercel::inline tune
