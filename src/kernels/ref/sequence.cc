#include <algorithm>

#include "kernels/ref/number.h"
#include "kernels/ref/ref.h"
#include "tensor/gate_activation.h"

namespace tercel::inline kernels {
namespace {

using Vector = std::vector<double>;

/// matrix * x + bias (where there is one) for `rows` rows from `first` on.
Vector affine(const double* matrix, const Vector& x, const double* bias, size_t first, size_t rows) {
  Vector y(rows);
  for (size_t i = 0; i < rows; ++i) {
    double sum = bias == nullptr ? 0 : bias[first + i];
    for (size_t k = 0; k < x.size(); ++k) sum += matrix[(first + i) * x.size() + k] * x[k];
    y[i] = sum;
  }
  return y;
}

/// Weights of one direction. Gate g has rows [g * hidden, (g + 1) * hidden) of w and r.
struct Weights {
  size_t hidden;
  const double* w;
  const double* r;
  const double* w_bias;  // of all gates; nullptr where there is no bias
  const double* r_bias;
  const double* peepholes;  // nullptr where there are none
  const GateActivation* activations;
  double clip;

  Vector from_input(size_t gate, const Vector& x) const { return affine(w, x, w_bias, gate * hidden, hidden); }
  Vector from_state(size_t gate, const Vector& h) const { return affine(r, h, r_bias, gate * hidden, hidden); }
  double activate(size_t f, double x) const {
    if (x > clip) x = clip;
    if (x < -clip) x = -clip;
    return activations[f](x);
  }
};

/// One time step: x, and the state h and c (LSTM only), which it changes.
using Step = void (*)(const Attrs& attrs, const Weights& weights, const Vector& x, Vector& h, Vector& c);

void rnn_step(const Attrs&, const Weights& weights, const Vector& x, Vector& h, Vector&) {
  const Vector xs = weights.from_input(0, x);
  const Vector hs = weights.from_state(0, h);
  for (size_t i = 0; i < h.size(); ++i) h[i] = weights.activate(0, xs[i] + hs[i]);
}

void gru_step(const Attrs& attrs, const Weights& weights, const Vector& x, Vector& h, Vector&) {
  enum : size_t { kUpdate, kReset, kHidden };
  const auto gate = [&](size_t which) {
    Vector value = weights.from_input(which, x);
    const Vector hs = weights.from_state(which, h);
    for (size_t i = 0; i < value.size(); ++i) value[i] = weights.activate(0, value[i] + hs[i]);
    return value;
  };
  const Vector update = gate(kUpdate);
  const Vector reset = gate(kReset);
  Vector candidate = weights.from_input(kHidden, x);
  const bool before_reset = attrs.get_bool("linear_before_reset");
  Vector state = h;
  if (!before_reset)
    for (size_t i = 0; i < h.size(); ++i) state[i] *= reset[i];
  const Vector hs = weights.from_state(kHidden, state);
  for (size_t i = 0; i < h.size(); ++i) {
    candidate[i] = weights.activate(1, candidate[i] + (before_reset ? reset[i] * hs[i] : hs[i]));
    h[i] = (1 - update[i]) * candidate[i] + update[i] * h[i];
  }
}

void lstm_step(const Attrs& attrs, const Weights& weights, const Vector& x, Vector& h, Vector& c) {
  enum : size_t { kInput, kOutput, kForget, kCell };
  Vector sums[4];
  for (size_t gate : {kInput, kOutput, kForget, kCell}) {
    sums[gate] = weights.from_input(gate, x);
    const Vector hs = weights.from_state(gate, h);
    for (size_t i = 0; i < h.size(); ++i) sums[gate][i] += hs[i];
  }
  const auto peephole = [&](size_t gate, size_t i) {  // in the order input, output, forget
    return weights.peepholes == nullptr ? 0 : weights.peepholes[gate * h.size() + i];
  };
  const bool coupled = attrs.get_bool("input_forget");
  for (size_t i = 0; i < h.size(); ++i) {
    const double input = weights.activate(0, sums[kInput][i] + peephole(kInput, i) * c[i]);
    const double forget = coupled ? 1 - input : weights.activate(0, sums[kForget][i] + peephole(kForget, i) * c[i]);
    c[i] = forget * c[i] + input * weights.activate(1, sums[kCell][i]);
    const double output = weights.activate(0, sums[kOutput][i] + peephole(kOutput, i) * c[i]);
    h[i] = output * weights.activate(2, c[i]);
  }
}

/// Where things lie: layout 0 is time first, layout 1 batch first.
struct SequenceShape {
  bool batch_first;
  int64_t directions, steps, batch, input, hidden;

  SequenceShape(const Attrs& attrs, const View& x, const View& r)
      : batch_first(attrs.get_int("layout") == 1),
        directions(r.dims[0]),
        steps(x.dims[batch_first ? 1 : 0]),
        batch(x.dims[batch_first ? 0 : 1]),
        input(x.dims[2]),
        hidden(r.dims[2]) {}
  int64_t x_at(int64_t t, int64_t b) const { return (batch_first ? b * steps + t : t * batch + b) * input; }
  int64_t y_at(int64_t t, int64_t d, int64_t b) const {
    return (batch_first ? (b * steps + t) * directions + d : (t * directions + d) * batch + b) * hidden;
  }
  int64_t state_at(int64_t d, int64_t b) const { return (batch_first ? b * directions + d : d * batch + b) * hidden; }
};

Vector slice(const Vector& all, int64_t first, int64_t count) {
  if (all.empty()) return Vector(static_cast<size_t>(count), 0.0);
  return Vector(all.begin() + first, all.begin() + first + count);
}

template <typename T>
void store(const View& view, int64_t first, const Vector& values) {
  if (!view) return;
  T* to = view.as<T>() + first;
  for (size_t i = 0; i < values.size(); ++i) to[i] = convert<T>(values[i]);
}

/// Runs every sequence of the batch through every direction. Time steps past a sequence's length give zeros in y; the
/// reverse direction starts at the sequence's own last step.
template <typename T>
void recur(const Attrs& attrs, std::span<const View> src, std::span<const View> dst, int64_t gates,
           std::initializer_list<std::string_view> defaults, Step step) {
  const SequenceShape shape(attrs, src[0], src[2]);
  if (std::all_of(dst.begin(), dst.end(), [](const View& view) { return !view || view.elements() == 0; })) return;
  const Vector x = doubles_of(src[0]);
  const Vector w = doubles_of(src[1]);
  const Vector r = doubles_of(src[2]);
  const Vector bias = doubles_of(operand(src, 3));
  const View lengths = operand(src, 4);
  const Vector initial_h = doubles_of(operand(src, 5));
  const Vector initial_c = doubles_of(operand(src, 6));
  const Vector peepholes = doubles_of(operand(src, 7));
  const auto activations = gate_activations(attrs, defaults.size() * static_cast<size_t>(shape.directions), defaults);
  const double clip =
      attrs.has("clip") ? static_cast<double>(attrs.get_float("clip")) : std::numeric_limits<double>::infinity();
  const int64_t rows = gates * shape.hidden;
  if (dst[0]) std::fill_n(dst[0].as<T>(), dst[0].elements(), T{});
  for (int64_t d = 0; d < shape.directions; ++d) {
    const bool reverse = d == 1 || attrs.get_string("direction") == "reverse";
    const double* w_bias = bias.empty() ? nullptr : bias.data() + d * 2 * rows;
    const Weights weights{static_cast<size_t>(shape.hidden),
                          w.data() + d * rows * shape.input,
                          r.data() + d * rows * shape.hidden,
                          w_bias,
                          w_bias == nullptr ? nullptr : w_bias + rows,
                          peepholes.empty() ? nullptr : peepholes.data() + d * 3 * shape.hidden,
                          activations.data() + static_cast<size_t>(d) * defaults.size(),
                          clip};
    for (int64_t b = 0; b < shape.batch; ++b) {
      const int64_t length = lengths ? lengths.as<int32_t>()[b] : shape.steps;
      if (length < 0 || length > shape.steps) fail_input("sequence of length {} in {} steps", length, shape.steps);
      Vector h = slice(initial_h, shape.state_at(d, b), shape.hidden);
      Vector c = slice(initial_c, shape.state_at(d, b), shape.hidden);
      for (int64_t i = 0; i < length; ++i) {
        const int64_t t = reverse ? length - 1 - i : i;
        step(attrs, weights, slice(x, shape.x_at(t, b), shape.input), h, c);
        store<T>(dst[0], shape.y_at(t, d, b), h);
      }
      store<T>(operand(dst, 1), shape.state_at(d, b), h);
      store<T>(operand(dst, 2), shape.state_at(d, b), c);
    }
  }
}

void rnn(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  visit_float(src[0].dtype,
              [&](auto tag) { recur<typename decltype(tag)::type>(attrs, src, dst, 1, {"Tanh"}, rnn_step); });
}
void gru(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  visit_float(src[0].dtype, [&](auto tag) {
    recur<typename decltype(tag)::type>(attrs, src, dst, 3, {"Sigmoid", "Tanh"}, gru_step);
  });
}
void lstm(const Attrs& attrs, std::span<const View> src, std::span<const View> dst) {
  visit_float(src[0].dtype, [&](auto tag) {
    recur<typename decltype(tag)::type>(attrs, src, dst, 4, {"Sigmoid", "Tanh", "Tanh"}, lstm_step);
  });
}

}  // namespace

std::vector<RefEntry> sequence_refs() { return {{"RNN", rnn}, {"GRU", gru}, {"LSTM", lstm}}; }

}  // namespace tercel::inline kernels
