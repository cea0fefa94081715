#include "tensor/gate_activation.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <cmath>

#include "base/error.h"

namespace tercel::inline tensor {
namespace {

using Kind = GateActivation::Kind;

struct Known {
  std::string_view name;
  Kind kind;
  bool has_alpha;
  bool has_beta;
  double alpha;
  double beta;
};
constexpr std::array<Known, 11> kKnown = {{{"Relu", Kind::relu, false, false, 0, 0},
                                           {"Tanh", Kind::tanh, false, false, 0, 0},
                                           {"Sigmoid", Kind::sigmoid, false, false, 0, 0},
                                           {"Affine", Kind::affine, true, true, 1, 0},
                                           {"LeakyRelu", Kind::leaky_relu, true, false, 0.01, 0},
                                           {"ThresholdedRelu", Kind::thresholded_relu, true, false, 1, 0},
                                           {"ScaledTanh", Kind::scaled_tanh, true, true, 1, 1},
                                           {"HardSigmoid", Kind::hard_sigmoid, true, true, 0.2, 0.5},
                                           {"Elu", Kind::elu, true, false, 1, 0},
                                           {"Softsign", Kind::softsign, false, false, 0, 0},
                                           {"Softplus", Kind::softplus, false, false, 0, 0}}};

bool same_word(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

const Known& find_known(std::string_view name) {
  for (const Known& known : kKnown)
    if (same_word(known.name, name)) return known;
  fail_input("unknown activation '{}'", name);
}

std::vector<float> reals_of(const Attrs& attrs, std::string_view name) {
  return attrs.has(name) ? attrs.get_floats(name) : std::vector<float>{};
}

}  // namespace

double GateActivation::operator()(double x) const {
  switch (kind) {
    case Kind::relu: return std::max(x, 0.0);
    case Kind::tanh: return std::tanh(x);
    case Kind::sigmoid: return 1 / (1 + std::exp(-x));
    case Kind::affine: return alpha * x + beta;
    case Kind::leaky_relu: return x < 0 ? alpha * x : x;
    case Kind::thresholded_relu: return x < alpha ? 0 : x;
    case Kind::scaled_tanh: return alpha * std::tanh(beta * x);
    case Kind::hard_sigmoid: return std::clamp(alpha * x + beta, 0.0, 1.0);
    case Kind::elu: return x < 0 ? alpha * std::expm1(x) : x;
    case Kind::softsign: return x / (1 + std::fabs(x));
    case Kind::softplus: return std::max(x, 0.0) + std::log1p(std::exp(-std::fabs(x)));
  }
  return x;
}

std::vector<GateActivation> gate_activations(const Attrs& attrs, size_t count,
                                             std::initializer_list<std::string_view> defaults) {
  std::vector<std::string> names;
  if (const Attr* given = attrs.find("activations")) names = std::get<std::vector<std::string>>(*given);
  else
    while (names.size() < count) names.insert(names.end(), defaults.begin(), defaults.end());
  if (names.size() != count) fail_input("attribute 'activations' has {} entries, wanted {}", names.size(), count);
  const std::vector<float> alphas = reals_of(attrs, "activation_alpha");
  const std::vector<float> betas = reals_of(attrs, "activation_beta");
  size_t next_alpha = 0;
  size_t next_beta = 0;
  std::vector<GateActivation> activations;
  for (const std::string& name : names) {
    const Known& known = find_known(name);
    GateActivation activation{known.kind, known.alpha, known.beta};
    if (known.has_alpha && next_alpha < alphas.size()) activation.alpha = static_cast<double>(alphas[next_alpha++]);
    if (known.has_beta && next_beta < betas.size()) activation.beta = static_cast<double>(betas[next_beta++]);
    activations.push_back(activation);
  }
  return activations;
}

}  // namespace tercel::inline tensor
