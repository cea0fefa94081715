#include "tune/compressor.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include "base/check.h"
#include "base/error.h"
#include "base/threads.h"
#include "pack/pack.h"
#include "quant/choose_basis.h"
#include "quant/widen.h"
#include "session/model_impl.h"
#include "tensor/narrow.h"

namespace tercel::inline tune {
namespace {

// Cached variants of one part: a search returns to its last few. Small networks cache more.
constexpr int64_t kVariantsKept = 6, kSmallVariantsKept = 64, kElementsKept = int64_t{1} << 26;
// Constants of fewer elements, except biases, are not quantized: nothing is gained, and they may be sizes or bounds.
constexpr int64_t kSmallestPart = 16;

constexpr double kLeastRms = 1e-15;
constexpr double kFinestPart = 0x1p-20;                 // of a part at step scale 1: parts of its RMS
constexpr double kDamping = 0.06;                       // six times GPTQ's: moments of weighted positions are noisier
constexpr double kDivergence = 0.01;                    // of the answers at step scale 1
constexpr double kFinestStep = 512, kCoarsestStep = 8;  // of vectors: their RMS / these

Part describe(const Value& value, const std::map<std::string, const LinearSite*>& sites,
              const std::set<std::string>& shared) {
  Part part;
  part.name = value.name;
  part.layer = value.users.empty() ? value.name : value.users[0]->describe();
  const Dims& dims = value.constant.dims();
  const auto site = sites.find(value.name);
  if (site != sites.end() && !shared.contains(value.name)) {
    const LinearSite& s = *site->second;
    part.kind = Part::Kind::linear;
    part.rows = s.rows;
    part.columns = s.columns;
    part.kernel_height = s.kernel_height;
    part.kernel_width = s.kernel_width;
    part.transposed = s.transposed;
    part.bias = s.bias;
    return part;
  }
  part.columns = dims.back();
  part.rows = value.constant.elements() / part.columns;
  return part;
}

/// False for denominators and for the scales of integers: quantization could make them zero.
bool may_be_levels(const Value& value) {
  return std::none_of(value.users.begin(), value.users.end(), [&](const Node* user) {
    return user->op.find("Quantize") != std::string::npos || user->op.find("QLinear") != std::string::npos ||
           (user->is("BatchNormalization") && user->input(4) == &value);
  });
}

bool all_finite(const std::vector<float>& values) {
  return std::all_of(values.begin(), values.end(), [](float x) { return std::isfinite(x); });
}

double rms_of(const std::vector<float>& values) {
  double square = 0;
  for (float x : values) square += static_cast<double>(x) * static_cast<double>(x);
  return std::sqrt(square / static_cast<double>(std::max<size_t>(values.size(), 1)));
}

/// Whether squares and steps of weights of this RMS can be represented at any step scale. All zeros need none.
bool can_quantize(double rms) { return rms > kLeastRms && rms < 1 / kLeastRms; }

/// Whether a step code covers values of this RMS at any step scale. Other vectors are stored losslessly.
bool can_step(double rms) {
  return rms == 0 || (rms / kFinestStep >= static_cast<double>(codec::step_of(0)) &&
                      rms / kCoarsestStep <= static_cast<double>(codec::step_of(255)));
}

bool is_vector(const Dims& dims) {
  return std::count_if(dims.begin(), dims.end(), [](int64_t d) { return d != 1; }) <= 1;
}

/// rows x columns -> columns x rows.
std::vector<float> transposed(const std::vector<float>& from, int64_t rows, int64_t columns) {
  std::vector<float> to(from.size());
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t c = 0; c < columns; ++c)
      to[static_cast<size_t>(c * rows + r)] = from[static_cast<size_t>(r * columns + c)];
  return to;
}

int64_t size_as_bytes(const std::vector<uint8_t>& bytes) {
  return bytes.empty() ? 0 : static_cast<int64_t>(codec::encode_bytes(std::as_bytes(std::span(bytes))).size());
}

}  // namespace

Compressor::Compressor(Model model, std::vector<Array> inputs, codec::Profile profile, int threads,
                       const Progress& progress, double temperature, bool trellis, uint64_t seed)
    : model_(widened(model)),
      inputs_(std::move(inputs)),
      profile_(profile),
      trellis_(trellis),
      seed_(seed),
      threads_(threads) {
  for (const auto& value : model.impl().graph.values())
    if (value->is_constant() && is_float(value->type.dtype) && value->type.dtype != DType::f32)
      types_[value->name] = value->type.dtype;
  const Graph& graph = model_.impl().graph;
  sites_ = find_linear_sites(graph);
  const ThreadScope scope(threads_ == 0 ? hardware_threads() : threads_);
  std::map<std::string, const LinearSite*> sites;
  std::set<std::string> biases;
  std::set<std::string> shared;  // weights that something else reads too
  for (const LinearSite& site : sites_) {
    sites[site.weights] = &site;
    if (!site.bias.empty()) biases.insert(site.bias);
    for (const Node* user : graph.find_value(site.weights)->users)
      if (std::none_of(sites_.begin(), sites_.end(), [&](const LinearSite& s) { return s.node == user; }))
        shared.insert(site.weights);
  }
  for (const auto& value : graph.values()) {
    if (!value->is_constant() || value->type.dtype != DType::f32) continue;
    if (value->constant.elements() < kSmallestPart && !biases.contains(value->name)) continue;
    if (!may_be_levels(*value)) continue;
    const std::vector<float> elements = elements_of(value->name);
    if (!all_finite(elements)) {  // a mask or a broken constant: values between its values mean nothing
      notes_.push_back(fmt::format("constant '{}' holds infinities or NaN: kept as it is", value->name));
      continue;
    }
    const double rms = rms_of(elements);
    if (is_vector(value->constant.dims())) {
      if (can_step(rms)) vectors_.push_back(value->name);
    } else if (can_quantize(rms)) {
      parts_.push_back(describe(*value, sites, shared));
      const Tensor& given = model.impl().graph.find_value(value->name)->constant;
      as_is_bytes_.push_back(pack::lossless_bytes(given, codec::file_options(profile_)));
    } else if (rms > 0) {
      notes_.push_back(fmt::format("constant '{}' holds numbers of {:.1g}: kept as it is", value->name, rms));
    }
  }
  cache_.resize(parts_.size());
  // A bias that is not quantized gets no correction.
  const auto forget = [&](std::string& bias) {
    if (std::find(vectors_.begin(), vectors_.end(), bias) == vectors_.end()) bias.clear();
  };
  for (Part& part : parts_) forget(part.bias);
  for (LinearSite& site : sites_) forget(site.bias);

  if (!inputs_.empty()) {
    measure(temperature, progress);
  }
  choose_kernel_bases();
  for (const Part& part : parts_) {
    const auto m = moments_.find(part.name);
    if (part.kind == Part::Kind::linear && m != moments_.end())
      curvature_.push_back(factorize(m->second, !part.bias.empty(), kDamping));
    else curvature_.push_back(flat_curvature(1, part.columns));
    if (m != moments_.end()) m->second.groups.clear();
  }
  choose_units();
}

void Compressor::measure(double temperature, const Progress& progress) {
  MomentOptions options;
  options.temperature = temperature;
  options.seed = seed_;
  options.threads = threads_;
  try {
    moments_ = measure_moments(model_, sites_, inputs_, options, progress);
    weighed_by_ = "Fisher information";
    return;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::unsupported) throw;
    notes_.push_back(fmt::format("no Fisher information: {}", error.what()));
  }
  options.samples = 0;
  moments_ = measure_moments(model_, sites_, inputs_, options, progress);
  weighed_by_ = "input moments";
}

void Compressor::choose_kernel_bases() {
  std::vector<LinearSite> sites;
  for (const LinearSite& site : sites_)
    if (std::any_of(parts_.begin(), parts_.end(),
                    [&](const Part& part) { return part.kind == Part::Kind::linear && part.name == site.weights; }))
      sites.push_back(site);
  const std::map<std::string, BasisPtr> bases = choose_bases(model_.impl().graph, sites, moments_, kDamping);
  for (Part& part : parts_)
    if (const auto at = bases.find(part.name); at != bases.end()) {
      part.basis = at->second;
      if (const auto m = moments_.find(part.name); m != moments_.end()) transform_moments(m->second, *part.basis);
    }
  for (LinearSite& site : sites_)
    if (const auto at = bases.find(site.weights); at != bases.end()) site.basis = at->second;
}

void Compressor::choose_units() {
  // KL is about 1/2 sum of weight * error^2, and the error of fine quantization is step^2 / 12: all parts together
  // reach kDivergence where each weighted squared step has this value.
  const bool fisher = weighed_by_ == "Fisher information";
  int64_t elements = 0;
  for (const Part& part : parts_) elements += part.elements();
  const double squared_step = 24 * kDivergence / static_cast<double>(std::max<int64_t>(elements, 1));
  std::vector<double> relative;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const double rms = rms_of(weights_of(i));
    equal_steps_.push_back(static_cast<float>(rms / 8));
    unit_steps_.push_back(equal_steps_.back());
    if (!fisher || !curvature_[i].measured()) continue;
    const double step = std::sqrt(squared_step * std::exp2(-mean_log2_weight(curvature_[i])));
    unit_steps_.back() = static_cast<float>(std::clamp(step, kFinestPart * rms, 8 * rms));
    relative.push_back(static_cast<double>(unit_steps_.back() / equal_steps_.back()));
  }
  // Parts of unknown sensitivity: half the median step of the others, relative to their RMS.
  std::nth_element(relative.begin(), relative.begin() + static_cast<std::ptrdiff_t>(relative.size() / 2),
                   relative.end());
  if (!relative.empty())
    for (size_t i = 0; i < parts_.size(); ++i)
      if (!curvature_[i].measured())
        unit_steps_[i] = equal_steps_[i] * 0.5f * static_cast<float>(relative[relative.size() / 2]);

  std::map<std::string, double> bias_weight;
  for (const Part& part : parts_) {
    const auto m = moments_.find(part.name);
    if (part.bias.empty() || m == moments_.end() || m->second.bias_weight.empty()) continue;
    double sum = 0;
    for (float w : m->second.bias_weight) sum += static_cast<double>(w);
    bias_weight[part.bias] = sum / static_cast<double>(m->second.bias_weight.size());
  }
  for (const std::string& name : vectors_) {
    const double rms = std::max(rms_of(elements_of(name)), 1e-12);
    const auto known = bias_weight.find(name);
    const double step =
        known == bias_weight.end() ? rms / 128 : std::sqrt(squared_step / std::max(known->second, 1e-30));
    vector_units_.push_back(static_cast<float>(std::clamp(step, rms / kFinestStep, rms / kCoarsestStep)));
  }
}

std::vector<float> Compressor::elements_of(const std::string& constant) const {
  const Tensor& tensor = model_.impl().graph.find_value(constant)->constant;
  std::vector<float> elements(static_cast<size_t>(tensor.elements()));
  std::memcpy(elements.data(), tensor.data(), tensor.bytes());
  return elements;
}

std::vector<float> Compressor::weights_of(size_t i) const {
  const Part& part = parts_[i];
  std::vector<float> elements = elements_of(part.name);
  if (part.basis != nullptr) forward_transform(*part.basis, elements);
  return part.transposed ? transposed(elements, part.columns, part.rows) : elements;
}

Settings Compressor::settings(double step_scale, Allocation allocation) const {
  Settings settings;
  const auto factor = static_cast<float>(step_scale);
  const bool fisher = allocation == Allocation::fisher;
  for (float unit : fisher ? unit_steps_ : equal_steps_)
    settings.parts.push_back({.step = unit * factor, .per_channel_steps = fisher});
  for (float unit : vector_units_) settings.vector_steps.push_back(unit * factor);
  return settings;
}

std::shared_ptr<CodedPart> Compressor::make_part(size_t i, const PartSettings& settings,
                                                 const std::vector<float>& weights) const {
  const Part& part = parts_[i];
  const ThreadScope scope(threads_ == 0 ? hardware_threads() : threads_);
  QuantizedWeights result =
      quantize(weights, part.rows, part.columns, part.kernel_height, part.kernel_width, curvature_[i],
               {settings.step, settings.lambda, settings.per_channel_steps, part.basis, trellis_});
  auto coded = std::make_shared<CodedPart>();
  if (!part.bias.empty()) coded->mean_error = mean_error(weights, result.matrix, curvature_[i]);
  coded->matrix = std::move(result.matrix);
  coded->distortion = result.distortion;
  std::vector<uint8_t> classes;
  const codec::MatrixShape shape = coding_shape(coded->matrix, classes);
  codec::EncodeOptions options = codec::file_options(profile_);
  options.threads = current_threads();
  coded->bytes = static_cast<int64_t>(codec::encode(coded->matrix.levels, shape, options).size()) +
                 size_as_bytes(coded->matrix.row_class) + size_as_bytes(coded->matrix.column_class) +
                 static_cast<int64_t>(2 * coded->matrix.coefficients.size());
  if (coded->bytes < as_is_bytes_[i]) return coded;
  auto as_is = std::make_shared<CodedPart>();  // constants that repeat or hardly vary
  as_is->bytes = as_is_bytes_[i];
  as_is->as_is = true;
  return as_is;
}

std::shared_ptr<const CodedPart> Compressor::code_part(size_t i, const PartSettings& settings) {
  auto& known = cache_[i];
  if (const auto at = known.find(settings); at != known.end()) return at->second;
  std::shared_ptr<const CodedPart> coded = make_part(i, settings, weights_of(i));
  const int64_t variants =
      std::clamp(kElementsKept / std::max<int64_t>(model_.parameters(), 1), kVariantsKept, kSmallVariantsKept);
  if (static_cast<int64_t>(known.size()) >= variants) known.clear();
  known[settings] = coded;
  return coded;
}

CodedVectors Compressor::code_vectors(const std::vector<float>& steps,
                                      const std::vector<std::shared_ptr<const CodedPart>>& parts) const {
  std::map<std::string, const CodedPart*> corrections;
  for (size_t i = 0; i < parts.size(); ++i)
    if (parts[i] != nullptr && !parts[i]->mean_error.empty()) corrections[parts_[i].bias] = parts[i].get();
  CodedVectors coded;
  for (size_t v = 0; v < vectors_.size(); ++v) {
    const std::string& name = vectors_[v];
    const uint8_t step = codec::step_code(steps[v]);
    coded.steps.push_back(step);
    const std::vector<float> values = elements_of(name);
    const auto at = corrections.find(name);
    const auto level_of = [&](double value) { return std::rint(value / static_cast<double>(codec::step_of(step))); };
    for (size_t k = 0; k < values.size(); ++k) {
      const auto value = static_cast<double>(values[k]);
      double level =
          at == corrections.end() ? level_of(value) : level_of(value + static_cast<double>(at->second->mean_error[k]));
      // Where quantization has destroyed the network, errors have no bound: then the bias is not corrected.
      if (!(std::fabs(level) <= codec::kMaxLevel)) level = level_of(value);
      TERCEL_CHECK(std::fabs(level) <= codec::kMaxLevel, "'{}': {} is {} steps", name, value, level);
      coded.levels.push_back(static_cast<int32_t>(level));
    }
  }
  if (!vectors_.empty()) {
    const codec::MatrixShape shape{1, static_cast<int64_t>(coded.levels.size()), 1, 1, {}};
    coded.bytes = static_cast<int64_t>(codec::encode(coded.levels, shape, codec::file_options(profile_)).size()) +
                  size_as_bytes(coded.steps);
  }
  return coded;
}

Coded Compressor::code(const Settings& settings) {
  TERCEL_CHECK(settings.parts.size() == parts_.size());
  Coded coded;
  for (size_t i = 0; i < parts_.size(); ++i) coded.parts.push_back(code_part(i, settings.parts[i]));
  coded.vectors = code_vectors(settings.vector_steps, coded.parts);
  return coded;
}

Model Compressor::with(const Coded& coded) const {
  auto impl = changeable_copy(model_);
  const auto put = [&](const std::string& name, std::span<const float> values) {
    Value* value = impl->graph.find_value(name);
    const auto type = types_.find(name);
    Tensor tensor(type == types_.end() ? DType::f32 : type->second, value->constant.dims());
    narrow(values, tensor.dtype(), tensor.mutable_data());
    value->constant = type == types_.end() ? std::move(tensor) : Tensor::of<float>(tensor.dims(), to_floats(tensor));
  };
  for (size_t i = 0; i < coded.parts.size(); ++i) {
    if (coded.parts[i] == nullptr || coded.parts[i]->as_is) continue;
    const std::vector<float> rows = dequantize(coded.parts[i]->matrix);
    put(parts_[i].name, parts_[i].transposed ? transposed(rows, parts_[i].rows, parts_[i].columns) : rows);
  }
  size_t at = 0;
  for (size_t v = 0; v < coded.vectors.steps.size(); ++v) {
    const auto count = static_cast<size_t>(impl->graph.find_value(vectors_[v])->constant.elements());
    std::vector<float> values(count);
    for (float& x : values) x = static_cast<float>(coded.vectors.levels[at++]) * codec::step_of(coded.vectors.steps[v]);
    put(vectors_[v], values);
  }
  return Model(std::move(impl));
}

int64_t Coded::bytes() const {
  int64_t sum = vectors.bytes;
  for (const auto& part : parts)
    if (part != nullptr) sum += part->bytes;
  return sum;
}

}  // namespace tercel::inline tune
