#include "onnx/writer.h"

#include <algorithm>
#include <map>

#include "base/error.h"
#include "base/file.h"
#include "graph/op.h"
#include "onnx/opset_needs.h"
#include "onnx/proto.h"
#include "onnx/tensor_proto.h"

namespace tercel::onnx {
namespace {

using protozero::pbf_builder;

constexpr int64_t kMaxMessage = (int64_t{1} << 31) - 1;

int64_t ir_version_for(int64_t opset) { return opset >= 21 ? 10 : opset >= 19 ? 9 : 8; }

void write_value_info(pbf_builder<GraphField>& graph, GraphField field, const Value& value) {
  pbf_builder<ValueInfoField> info(graph, field);
  info.add_string(ValueInfoField::name, value.name);
  if (value.type.dtype == DType::none) return;
  pbf_builder<TypeField> type(info, ValueInfoField::type);
  pbf_builder<TensorTypeField> tensor(type, TypeField::tensor_type);
  tensor.add_int32(TensorTypeField::elem_type, dtype_to_onnx(value.type.dtype));
  if (!value.type.ranked) return;
  // protozero leaves out messages that stay empty, but an empty shape means a scalar, and an axis without a name an
  // axis less: both are written in full.
  if (value.type.dims.empty()) return tensor.add_message(TensorTypeField::shape, std::string());
  pbf_builder<ShapeField> shape(tensor, TensorTypeField::shape);
  for (size_t i = 0; i < value.type.dims.size(); ++i) {
    pbf_builder<DimField> dim(shape, ShapeField::dim);
    const bool named = i < value.dim_names.size() && !value.dim_names[i].empty();
    if (value.type.dims[i] != kUnknown) dim.add_int64(DimField::dim_value, value.type.dims[i]);
    else dim.add_string(DimField::dim_param, named ? value.dim_names[i] : fmt::format("{}_axis{}", value.name, i));
  }
}

struct AttrWriter {
  pbf_builder<AttributeField>& out;

  void type(AttributeType t) { out.add_enum(AttributeField::type, static_cast<int32_t>(t)); }
  void operator()(int64_t v) {
    out.add_int64(AttributeField::i, v);
    type(AttributeType::integer);
  }
  void operator()(float v) {
    out.add_float(AttributeField::f, v);
    type(AttributeType::real);
  }
  void operator()(const std::string& v) {
    out.add_string(AttributeField::s, v);
    type(AttributeType::text);
  }
  void operator()(const std::vector<int64_t>& v) {
    for (int64_t x : v) out.add_int64(AttributeField::ints, x);
    type(AttributeType::integers);
  }
  void operator()(const std::vector<float>& v) {
    for (float x : v) out.add_float(AttributeField::floats, x);
    type(AttributeType::reals);
  }
  void operator()(const std::vector<std::string>& v) {
    for (const auto& x : v) out.add_string(AttributeField::strings, x);
    type(AttributeType::texts);
  }
  void operator()(const Tensor& v) {
    std::string message;
    write_tensor(message, "", v);
    out.add_message(AttributeField::t, message);
    type(AttributeType::tensor);
  }
};

void write_attr(pbf_builder<NodeField>& out, const Node& node, const std::string& name, Attr value) {
  // The reader turned element types into words (translate_elementwise.cc).
  const bool dtype_word = (name == "to" && node.is("Cast")) || (name == "dtype" && node.is("EyeLike"));
  if (dtype_word) value = int64_t{dtype_to_onnx(parse_dtype(std::get<std::string>(value)))};
  pbf_builder<AttributeField> attribute(out, NodeField::attribute);
  attribute.add_string(AttributeField::name, name);
  std::visit(AttrWriter{attribute}, value);
}

void write_node(pbf_builder<GraphField>& graph, const Node& node, int64_t opset) {
  pbf_builder<NodeField> out(graph, GraphField::node);
  for (const Value* value : node.inputs) out.add_string(NodeField::input, value == nullptr ? "" : value->name);
  for (const Value* value : node.outputs) out.add_string(NodeField::output, value == nullptr ? "" : value->name);
  if (!node.name.empty()) out.add_string(NodeField::name, node.name);
  out.add_string(NodeField::op_type, node.op);
  for (const auto& [name, value] : node.attrs) {
    if (is_default(*node.spec, name, value)) continue;
    // Split's count of outputs became an attribute in opset 18; before, the outputs themselves say it.
    if (node.is("Split") && name == "num_outputs" && opset < 18) continue;
    write_attr(out, node, name, value);
  }
}

}  // namespace

int64_t needed_opset(const Graph& graph) {
  int64_t opset = 13;
  std::map<int64_t, std::string> latest;  // nodes that an opset is too new for
  for (const auto& node : graph.nodes()) {
    if (node->spec->since == 0)
      fail_unsupported("{}: ONNX has no such operator; it is made by Tercel's engine passes", node->describe());
    const OpsetRange range = allowed_opsets(*node);
    opset = std::max(opset, range.since);
    latest.emplace(range.until, node->describe());
  }
  if (!latest.empty() && latest.begin()->first < opset)
    fail_unsupported("{}: ONNX has it up to opset {} only, and the network needs opset {}", latest.begin()->second,
                     latest.begin()->first, opset);
  return opset;
}

std::string write_model(const Graph& graph, const Elsewhere& elsewhere) {
  const int64_t opset = needed_opset(graph);
  int64_t size = 0;
  const auto location_of = [&](const Value& value) { return elsewhere ? elsewhere(value) : std::string(); };
  for (const auto& value : graph.values())
    if (value->is_constant() && location_of(*value).empty()) size += static_cast<int64_t>(value->constant.bytes());
  if (size > kMaxMessage - (1 << 20))
    fail(ErrorCode::limit, "{} bytes of weights do not fit one ONNX file (2 GiB)", size);

  std::string message;
  message.reserve(static_cast<size_t>(size) + (1 << 20));
  pbf_builder<ModelField> model(message);
  model.add_int64(ModelField::ir_version, ir_version_for(opset));
  model.add_string(ModelField::producer_name, "tercel");
  {
    pbf_builder<OpsetField> import(model, ModelField::opset_import);
    import.add_string(OpsetField::domain, "");
    import.add_int64(OpsetField::version, opset);
  }
  for (const auto& [key, value] : graph.metadata) {
    pbf_builder<EntryField> entry(model, ModelField::metadata_props);
    entry.add_string(EntryField::key, key);
    entry.add_string(EntryField::value, value);
  }
  pbf_builder<GraphField> out(model, ModelField::graph);
  out.add_string(GraphField::name, graph.name);
  for (const auto& node : graph.nodes()) write_node(out, *node, opset);
  std::string tensor;
  for (const auto& value : graph.values()) {
    if (!value->is_constant()) continue;
    tensor.clear();
    const std::string location = location_of(*value);
    if (location.empty()) write_tensor(tensor, value->name, value->constant);
    else write_tensor_elsewhere(tensor, value->name, value->constant, location);
    out.add_message(GraphField::initializer, tensor);
  }
  for (const Value* value : graph.inputs()) write_value_info(out, GraphField::input, *value);
  for (const Value* value : graph.outputs()) write_value_info(out, GraphField::output, *value);
  return message;
}

void write_model(const Graph& graph, const std::filesystem::path& path) {
  const std::string message = write_model(graph);
  AtomicFile file(path);
  file.write(message);
  file.commit();
}

}  // namespace tercel::onnx
