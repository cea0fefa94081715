#include "tercel/model.h"

#include <algorithm>
#include <sstream>

#include "base/error.h"
#include "base/file.h"
#include "base/threads.h"
#include "graph/cost.h"
#include "graph/infer.h"
#include "graph/text.h"
#include "image/preprocessing.h"
#include "onnx/reader.h"
#include "onnx/writer.h"
#include "pack/pack.h"
#include "passes/recipe.h"
#include "plan/evaluate.h"
#include "session/model_impl.h"
#include "session/optimizer.h"

namespace tercel {
namespace {

constexpr const char* kLabelsKey = "tercel.labels";

Port port_of(const Value& value) {
  return {value.name, value.type.dtype, value.type.dims, value.dim_names, value.type.ranked};
}

std::vector<Port> ports_of(const std::vector<Value*>& values) {
  std::vector<Port> ports;
  for (const Value* value : values) ports.push_back(port_of(*value));
  return ports;
}

std::string name_of(const Value* value) { return value == nullptr ? "" : value->name; }

}  // namespace

std::string Model::name() const { return impl_->name; }
std::vector<Port> Model::inputs() const { return ports_of(impl_->graph.inputs()); }
std::vector<Port> Model::outputs() const { return ports_of(impl_->graph.outputs()); }
const std::map<std::string, std::string>& Model::metadata() const { return impl_->graph.metadata; }
const std::vector<std::string>& Model::warnings() const { return impl_->warnings; }
const std::vector<PassReport>& Model::pass_log() const { return impl_->pass_log; }
int64_t Model::parameters() const { return count_parameters(impl_->graph); }
std::string Model::text(int64_t max_elements) const { return print(impl_->graph, {max_elements}); }
void Model::save_onnx(const std::filesystem::path& path) const { onnx::write_model(impl_->graph, path); }

std::string Model::to_bytes() const {
  const std::span<const std::byte> packed = impl_->packed.bytes;
  if (!packed.empty()) return {reinterpret_cast<const char*>(packed.data()), packed.size()};
  return at_place([&] { return name(); },
                  [&] { return onnx::write_model(impl_->graph, {}, onnx::OwnOperators::alone); });
}

int64_t Model::parameter_bytes() const {
  int64_t bytes = 0;
  for (const auto& value : impl_->graph.values())
    if (value->is_constant()) bytes += static_cast<int64_t>(value->constant.bytes());
  return bytes;
}

std::vector<NodeInfo> Model::nodes() const {
  std::vector<NodeInfo> infos;
  for (const auto& node : impl_->graph.nodes()) {
    NodeInfo info{node->name, node->op, {}, {}, {}, count_macs(*node), 0};
    for (const Value* value : node->inputs) {
      info.inputs.push_back(name_of(value));
      if (value != nullptr && value->is_constant() && is_float(value->type.dtype))
        info.parameters += value->constant.elements();
    }
    for (const Value* value : node->outputs) {
      info.outputs.push_back(name_of(value));
      info.output_types.push_back(value == nullptr ? "" : to_string(value->type));
    }
    infos.push_back(std::move(info));
  }
  return infos;
}

std::vector<std::string> Model::labels() const {
  std::vector<std::string> labels;
  const auto at = metadata().find(kLabelsKey);
  if (at == metadata().end()) return labels;
  std::istringstream lines(at->second);
  for (std::string line; std::getline(lines, line);) labels.push_back(line);
  return labels;
}

Model Model::with_labels(const std::vector<std::string>& labels) const {
  return with_metadata({{kLabelsKey, fmt::format("{}", fmt::join(labels, "\n"))}});
}

Preprocessing Model::preprocessing() const {
  Preprocessing defaults = Preprocessing::preset("imagenet");
  if (!inputs().empty()) {
    const Port port = inputs().front();
    const bool picture = port.dims.size() == 4 && port.dims[2] > 0 && port.dims[3] > 0;
    const bool grey = picture && port.dims[1] == 1;
    if (grey) defaults = Preprocessing::preset("mnist");
    if (grey || (picture && port.dims[1] == 3)) {
      const auto side = [](int64_t extent) { return static_cast<int>(std::min<int64_t>(extent, kMaxInputSide)); };
      defaults.height = side(port.dims[2]);
      defaults.width = side(port.dims[3]);
      const int shorter = std::min(defaults.width, defaults.height);
      defaults.resize = grey ? shorter : side(int64_t{shorter} * 256 / 224);
    }
  }
  return Preprocessing::from_metadata(metadata(), defaults);
}

void set_input_shapes(Graph& graph, const InputShapes& shapes) {
  for (const auto& shape : shapes) {
    const auto& name = shape.first;
    const auto& dims = shape.second;
    Value* input = nullptr;
    for (Value* candidate : graph.inputs())
      if (candidate->name == name) input = candidate;
    if (input == nullptr) fail_input("the model has no input '{}'", name);
    at_place([&] { return fmt::format("input '{}'", input->name); },
             [&] {
               if (all_known(dims)) count_elements(dims);
               ValueType& type = input->type;
               bool fits = !type.ranked || type.dims.size() == dims.size();
               for (size_t i = 0; fits && i < dims.size(); ++i)
                 fits = dims[i] >= kUnknown &&
                        (!type.ranked || type.dims[i] == kUnknown || dims[i] == kUnknown || type.dims[i] == dims[i]);
               if (!fits) fail_input("wanted shape {}, got {}", to_string(type), to_string(dims));
               if (!type.ranked) type.dims.assign(dims.size(), kUnknown);
               type.ranked = true;
               for (size_t i = 0; i < dims.size(); ++i)
                 if (dims[i] != kUnknown) type.dims[i] = dims[i];
             });
  }
}

namespace {

/// Shapes that the network computes (by Shape, Gather, Concat and the like) follow only from what they come to: a copy
/// folds them, and its types are taken over.
void learn_computed_shapes(Graph& graph) {
  const auto open = [](const Value& value) { return !value.type.static_shape(); };
  if (std::none_of(graph.values().begin(), graph.values().end(), [&](const auto& value) { return open(*value); }))
    return;
  Graph folded = graph.clone();
  rewrite(folded, minimal_recipe());
  infer_types(folded);
  for (const auto& value : graph.values())
    if (const Value* known = folded.find_value(value->name);
        known != nullptr && open(*value) && known->type.ranked && known->type.dtype == value->type.dtype)
      value->type = known->type;
}

/// One input that takes pictures: f32 of rank 4 with three channels, or one.
bool is_picture(const std::vector<Port>& ports) {
  if (ports.size() != 1 || ports[0].dtype != DType::f32 || !ports[0].ranked) return false;
  const std::vector<int64_t>& dims = ports[0].dims;
  const auto channels = [](int64_t extent) { return extent == 3 || extent == 1; };
  return dims.size() == 4 && (channels(dims[1]) || channels(dims[3]) || (dims[1] == kUnknown && dims[3] == kUnknown));
}

/// What is not fixed, as the preprocessing makes it; as it is where that contradicts what is fixed.
Dims picture_dims(const Dims& dims, const Preprocessing& how) {
  const int64_t c = how.channels();
  const Dims made = how.channels_last ? Dims{1, how.height, how.width, c} : Dims{1, c, how.height, how.width};
  Dims filled = dims;
  bool fits = true;
  for (size_t i = 0; i < dims.size(); ++i) {
    if (filled[i] == kUnknown) filled[i] = made[i];
    fits &= i == 0 || filled[i] == made[i];
  }
  if (fits || all_known(dims)) return filled;
  filled = dims;
  if (filled[0] == kUnknown) filled[0] = 1;
  return filled;
}

}  // namespace

Model Model::with_shapes(const InputShapes& shapes) const {
  return at_place([&] { return name(); },
                  [&] {
                    auto impl = changeable_copy(*this);
                    set_input_shapes(impl->graph, shapes);
                    infer_types(impl->graph);
                    learn_computed_shapes(impl->graph);
                    return Model(impl);
                  });
}

InputShapes Model::likely_shapes(const InputShapes& given) const {
  const std::vector<Port> ports = inputs();
  for (const auto& shape : given)
    if (std::none_of(ports.begin(), ports.end(), [&](const Port& port) { return port.name == shape.first; }))
      fail_input("the model has no input '{}'", shape.first);
  InputShapes shapes;
  std::map<std::string, int64_t> symbols;
  const auto symbol = [](const Port& port, size_t axis) {
    return axis < port.dim_names.size() ? port.dim_names[axis] : std::string();
  };
  const auto learn = [&](const Port& port, size_t axis, int64_t extent) {
    if (extent != kUnknown && !symbol(port, axis).empty()) symbols.emplace(symbol(port, axis), extent);
  };
  for (const Port& port : ports) {
    const auto at = given.find(port.name);
    if (at != given.end()) {
      shapes[port.name] = at->second;
      for (size_t i = 0; i < at->second.size(); ++i) learn(port, i, at->second[i]);
    } else if (port.ranked) {
      Dims dims = port.dims;
      if (!all_known(dims) && is_picture(ports)) dims = picture_dims(dims, preprocessing());
      else if (!dims.empty() && dims[0] == kUnknown && !symbols.contains(symbol(port, 0))) dims[0] = 1;
      for (size_t i = 0; i < dims.size(); ++i) learn(port, i, dims[i]);
      shapes[port.name] = std::move(dims);
    }
  }
  for (const Port& port : ports) {
    const auto at = shapes.find(port.name);
    for (size_t i = 0; at != shapes.end() && i < at->second.size(); ++i)
      if (const auto known = symbols.find(symbol(port, i)); at->second[i] == kUnknown && known != symbols.end())
        at->second[i] = known->second;
  }
  return shapes;
}

InputShapes Model::full_shapes(const InputShapes& given) const {
  return at_place(
      [&] { return name(); },
      [&] {
        InputShapes shapes = likely_shapes(given);
        for (const Port& port : inputs()) {
          const auto at = shapes.find(port.name);
          if (at == shapes.end())
            fail_input("input '{}' has no shape of its own: give one (--shape {}=...)", port.name, port.name);
          const Dims& dims = at->second;
          const auto open = static_cast<size_t>(std::find(dims.begin(), dims.end(), kUnknown) - dims.begin());
          if (open == dims.size()) continue;
          const bool named = open < port.dim_names.size() && !port.dim_names[open].empty();
          fail_input("input '{}': the extent of axis {}{} is not fixed: give a shape (--shape {}=...)", port.name, open,
                     named ? " (" + port.dim_names[open] + ")" : "", port.name);
        }
        return shapes;
      });
}

Model Model::with_metadata(const std::map<std::string, std::string>& more) const {
  auto impl = changeable_copy(*this);
  for (const auto& [key, value] : more) impl->graph.metadata[key] = value;
  return Model(impl);
}

namespace {

Model read(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string name,
           const std::function<onnx::ReadResult()>& read_onnx) {
  const bool packed = pack::is_packed(bytes);
  onnx::ReadResult result;
  if (packed) {
    const ThreadScope threads(hardware_threads());
    result = pack::read(bytes, owner);
  } else {
    result = read_onnx();
  }
  auto impl = std::make_shared<Model::Impl>(Model::Impl{std::move(name), std::move(result.graph)});
  impl->warnings = std::move(result.warnings);
  impl->onnx_bytes = packed ? 0 : result.bytes;
  if (packed) impl->packed = {bytes, std::move(owner)};
  return Model(std::move(impl));
}

}  // namespace

Model load(const std::filesystem::path& path) {
  const auto file = MappedFile::open(path);
  // The ONNX reader tells the file itself: what lies beside it is read, too.
  if (!pack::is_packed(file->bytes()))
    return read(file->bytes(), file, path.string(), [&] { return onnx::read_model(path); });
  return at_place([&] { return path.string(); }, [&] { return read(file->bytes(), file, path.string(), {}); });
}

Model load(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, std::string name) {
  return at_place([&] { return name; },
                  [&] { return read(bytes, owner, name, [&] { return onnx::read_model(bytes, owner); }); });
}

Model optimize(const Model& model, const OptimizeOptions& options) {
  return at_place([&] { return model.name(); },
                  [&] {
                    check_pass_names(options.without);
                    auto impl = changeable_copy(model);
                    append_pass_log(impl->pass_log,
                                    rewrite(impl->graph, portable_recipe(), options.dump_dir, options.without));
                    return Model(impl);
                  });
}

}  // namespace tercel
