#include "graph/ops/families.h"
#include "graph/ops/rules.h"
#include "tensor/gate_activation.h"

namespace tercel::inline graph {
namespace {

int64_t times(int64_t extent, int64_t factor) {
  if (extent == kUnknown) return kUnknown;
  if (extent > kMaxElements) fail(ErrorCode::limit, "extent {} is too large", extent);
  return extent * factor;
}

/// Operands x, w, r, bias?, sequence_lens?, initial_h?, and for LSTM initial_c?, peepholes?; results y, y_h and for
/// LSTM y_c. Weights of `gates` gates lie one after another along axis 1.
void infer_recurrent(InferContext& c, int64_t gates, std::initializer_list<std::string_view> activations) {
  const std::string& direction = c.attrs().get_string("direction");
  if (direction != "forward" && direction != "reverse" && direction != "bidirectional")
    fail_input("attribute 'direction' is '{}', wanted forward, reverse or bidirectional", direction);
  const int64_t directions = direction == "bidirectional" ? 2 : 1;
  gate_activations(c.attrs(), activations.size() * static_cast<size_t>(directions), activations);
  const bool batch_first = attr_within(c, "layout", 0, 1) == 1;

  c.need_dtype(0, {DType::f32, DType::f64, DType::f16, DType::bf16});
  for (size_t i : {1, 2, 3, 5, 6, 7}) c.need_same_dtype(0, i);
  c.need_dtype(4, {DType::i32});

  Dims x = agree(c, 0, Dims(3, kUnknown), "x");
  if (batch_first) std::swap(x[0], x[1]);
  int64_t hidden = c.attrs().has("hidden_size") ? attr_within(c, "hidden_size", 1, kMaxElements) : kUnknown;
  const Dims r = agree(c, 2, {directions, times(hidden, gates), hidden}, "r");
  const Dims w = agree(c, 1, {directions, r[1], x[2]}, "w");
  hidden = r[2];
  if (hidden == kUnknown && w[1] != kUnknown) {
    if (w[1] % gates != 0) fail_input("w has {} rows, which do not divide into {} gates", w[1], gates);
    hidden = w[1] / gates;
  }
  agree(w[1], times(hidden, gates), "rows of w, gates times hidden size");
  agree(c, 3, {directions, times(hidden, 2 * gates)}, "bias");
  const int64_t batch = agree(c, 4, {x[1]}, "sequence_lens")[0];
  Dims state = batch_first ? Dims{batch, directions, hidden} : Dims{directions, batch, hidden};
  state = agree(c, 5, std::move(state), "initial_h");
  state = agree(c, 6, std::move(state), "initial_c");
  agree(c, 7, {directions, times(hidden, 3)}, "peepholes");

  c.set(0, c.dtype(0),
        batch_first ? Dims{state[0], x[0], directions, state[2]} : Dims{x[0], directions, state[1], state[2]});
  for (size_t result : {1, 2}) c.set(result, c.dtype(0), state);
}

void infer_rnn(InferContext& c) { infer_recurrent(c, 1, {"Tanh"}); }
void infer_gru(InferContext& c) { infer_recurrent(c, 3, {"Sigmoid", "Tanh"}); }
void infer_lstm(InferContext& c) { infer_recurrent(c, 4, {"Sigmoid", "Tanh", "Tanh"}); }

std::vector<AttrSpec> recurrent_attrs(std::vector<AttrSpec> more) {
  std::vector<AttrSpec> attrs = {AttrSpec::text("direction", "forward"),
                                 AttrSpec::optional("hidden_size", AttrKind::integer),
                                 AttrSpec::optional("activations", AttrKind::texts),
                                 AttrSpec::optional("activation_alpha", AttrKind::reals),
                                 AttrSpec::optional("activation_beta", AttrKind::reals),
                                 AttrSpec::optional("clip", AttrKind::real),
                                 AttrSpec::integer("layout", 0)};
  append(attrs, std::move(more));
  return attrs;
}

}  // namespace

std::vector<OpSpec> sequence_ops() {
  return {
      {.name = "RNN",
       .since = 14,
       .inputs = {3, 6},
       .outputs = {1, 2},
       .attrs = recurrent_attrs({}),
       .infer = infer_rnn},
      {.name = "GRU",
       .since = 14,
       .inputs = {3, 6},
       .outputs = {1, 2},
       .attrs = recurrent_attrs({AttrSpec::integer("linear_before_reset", 0)}),
       .infer = infer_gru},
      {.name = "LSTM",
       .since = 14,
       .inputs = {3, 8},
       .outputs = {1, 3},
       .attrs = recurrent_attrs({AttrSpec::integer("input_forget", 0)}),
       .infer = infer_lstm},
  };
}

}  // namespace tercel::inline graph
