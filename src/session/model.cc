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
const std::vector<PassReport>& Model::diary() const { return impl_->diary; }
int64_t Model::parameters() const { return count_parameters(impl_->graph); }
std::string Model::text(int64_t max_elements) const { return print(impl_->graph, {max_elements}); }
void Model::save_onnx(const std::filesystem::path& path) const { onnx::write_model(impl_->graph, path); }

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
  const auto at = metadata().find("tercel.labels");
  if (at == metadata().end()) return labels;
  std::istringstream lines(at->second);
  for (std::string line; std::getline(lines, line);) labels.push_back(line);
  return labels;
}

Preprocessing Model::preprocessing() const {
  Preprocessing defaults = Preprocessing::preset("imagenet");
  if (!inputs().empty()) {
    const Port port = inputs().front();
    const bool picture = port.dims.size() == 4 && port.dims[2] > 0 && port.dims[3] > 0;
    if (picture && port.dims[1] == 3) {
      const auto side = [](int64_t extent) { return static_cast<int>(std::min<int64_t>(extent, kMaxInputSide)); };
      defaults.height = side(port.dims[2]);
      defaults.width = side(port.dims[3]);
      defaults.resize = side(int64_t{std::min(defaults.width, defaults.height)} * 256 / 224);
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
               count_elements(dims);
               const ValueType& type = input->type;
               bool fits = !type.ranked || type.dims.size() == dims.size();
               for (size_t i = 0; fits && type.ranked && i < dims.size(); ++i)
                 fits = type.dims[i] == kUnknown || type.dims[i] == dims[i];
               if (!fits) fail_input("wanted shape {}, got {}", to_string(type), to_string(dims));
               input->type.ranked = true;
               input->type.dims = dims;
             });
  }
}

Model Model::with_shapes(const InputShapes& shapes) const {
  return at_place(
      [&] { return name(); },
      [&] {
        auto impl = std::make_shared<Impl>(Impl{impl_->name, impl_->graph.clone(), impl_->warnings, impl_->diary});
        set_input_shapes(impl->graph, shapes);
        infer_types(impl->graph);
        return Model(impl);
      });
}

Model Model::with_metadata(const std::map<std::string, std::string>& more) const {
  auto impl = std::make_shared<Impl>(Impl{impl_->name, impl_->graph.clone(), impl_->warnings, impl_->diary});
  for (const auto& [key, value] : more) impl->graph.metadata[key] = value;
  return Model(impl);
}

Model load(const std::filesystem::path& path) {
  const auto read_any = [&] {
    const auto file = MappedFile::open(path);
    if (!pack::is_packed(file->bytes())) return onnx::read_model(path);
    const ThreadScope threads(hardware_threads());
    return at_place([&] { return path.string(); }, [&] { return pack::read(file->bytes(), file); });
  };
  onnx::ReadResult read = read_any();
  return Model(
      std::make_shared<Model::Impl>(Model::Impl{path.string(), std::move(read.graph), std::move(read.warnings), {}}));
}

Model optimize(const Model& model, const OptimizeOptions& options) {
  return at_place([&] { return model.name(); },
                  [&] {
                    check_pass_names(options.without);
                    auto impl = std::make_shared<Model::Impl>(
                        Model::Impl{model.name(), model.impl().graph.clone(), model.warnings(), model.diary()});
                    append_diary(impl->diary,
                                 rewrite(impl->graph, portable_recipe(), options.dump_dir, options.without));
                    return Model(impl);
                  });
}

}  // namespace tercel
