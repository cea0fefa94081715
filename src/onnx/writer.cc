#include "onnx/writer.h"

#include <algorithm>
#include <map>

#include "base/bits.h"
#include "base/check.h"
#include "base/error.h"
#include "base/file.h"
#include "graph/dtype_attr.h"
#include "graph/op.h"
#include "graph/standard_form.h"
#include "onnx/opset_needs.h"
#include "onnx/proto.h"
#include "onnx/tensor_proto.h"
#include "tensor/window.h"

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

/// Adds an AttributeProto of that name and value to a node.
void write_attr(pbf_builder<NodeField>& out, const std::string& name, const Attr& value) {
  pbf_builder<AttributeField> attribute(out, NodeField::attribute);
  attribute.add_string(AttributeField::name, name);
  std::visit(AttrWriter{attribute}, value);
}

void write_attr(pbf_builder<NodeField>& out, const Node& node, const std::string& name, Attr value) {
  // The reader turned element types into words (translate_elementwise.cc).
  if (names_dtype(node, name)) value = int64_t{dtype_to_onnx(parse_dtype(std::get<std::string>(value)))};
  write_attr(out, name, value);
}

/// With ceil_mode, ONNX's shape inference counts a last window that would start in the padding, which ONNX Runtime,
/// PyTorch and Tercel leave out; a checker then finds another extent than the one written. Where extents are known,
/// pools are written so that no such window comes up: the values are the same.
Attrs without_empty_windows(const Node& node) {
  Attrs attrs = node.attrs;
  if (!(node.is("AveragePool") || node.is("MaxPool") || node.is("LpPool")) || !attrs.get_bool("ceil_mode"))
    return attrs;
  const ValueType& type = node.input(0)->type;
  if (!type.ranked || type.dims.size() < 3) return attrs;
  const std::vector<int64_t> input(type.dims.begin() + 2, type.dims.end()), kernel = attrs.get_ints("kernel_shape");
  if (!all_known(input)) return attrs;
  const std::vector<Window> ceiling = conv_windows(attrs, input, kernel);
  attrs.set("ceil_mode", int64_t{0});
  if (conv_windows(attrs, input, kernel) == ceiling) return attrs;
  attrs.set("ceil_mode", int64_t{1});
  std::vector<int64_t> begins, ends;
  for (const Window& w : ceiling) {
    const int64_t room = w.input + w.pad_begin + w.pad_end - w.reach();
    const bool left_out = div_up(room, w.stride) + 1 > w.output;
    begins.push_back(w.pad_begin);
    ends.push_back(left_out && room % w.stride <= w.pad_end ? w.pad_end - room % w.stride : w.pad_end);
  }
  begins.insert(begins.end(), ends.begin(), ends.end());
  attrs.set("pads", begins);
  return attrs;
}

std::string node_message(const Node& node, int64_t opset) {
  std::string message;
  pbf_builder<NodeField> out(message);
  for (const Value* value : node.inputs) out.add_string(NodeField::input, value == nullptr ? "" : value->name);
  for (const Value* value : node.outputs) out.add_string(NodeField::output, value == nullptr ? "" : value->name);
  if (!node.name.empty()) out.add_string(NodeField::name, node.name);
  const bool own = node.spec->domain == Domain::tercel;
  out.add_string(NodeField::op_type, own ? std::string(type_in_files(*node.spec)) : node.op);
  if (own) out.add_string(NodeField::domain, std::string(kTercelDomain));
  for (const auto& [name, value] : without_empty_windows(node)) {
    // Attributes of ours are written in full: functions know no defaults before IR version 9.
    if (!own && is_default(*node.spec, name, value)) continue;
    // Split's count of outputs became an attribute in opset 18; before, the outputs themselves say it.
    if (node.is("Split") && name == "num_outputs" && opset < 18) continue;
    write_attr(out, node, name, value);
  }
  return message;
}

/// A node that makes `name`: a constant, as functions have no initializers.
std::string constant_message(const std::string& name, const Tensor& tensor) {
  std::string message;
  pbf_builder<NodeField> out(message);
  out.add_string(NodeField::output, name);
  out.add_string(NodeField::op_type, "Constant");
  write_attr(out, "value", tensor);
  return message;
}

/// A node that makes what the attribute `name` of the function's call holds.
std::string argument_message(const std::string& name, AttrKind kind) {
  const auto [field, type] = [&]() -> std::pair<const char*, AttributeType> {
    switch (kind) {
      case AttrKind::integer: return {"value_int", AttributeType::integer};
      case AttrKind::real: return {"value_float", AttributeType::real};
      case AttrKind::integers: return {"value_ints", AttributeType::integers};
      case AttrKind::reals: return {"value_floats", AttributeType::reals};
      default: raise_bug(__FILE__, __LINE__, "kind", "an attribute that no Constant holds");
    }
  }();
  std::string message;
  pbf_builder<NodeField> out(message);
  out.add_string(NodeField::output, name);
  out.add_string(NodeField::op_type, "Constant");
  pbf_builder<AttributeField> attribute(out, NodeField::attribute);
  attribute.add_string(AttributeField::name, field);
  attribute.add_string(AttributeField::ref_attr_name, name);
  attribute.add_enum(AttributeField::type, static_cast<int32_t>(type));
  return message;
}

template <typename Field>
void write_import(pbf_builder<Field>& out, Field field, std::string_view domain, int64_t version) {
  pbf_builder<OpsetField> import(out, field);
  import.add_string(OpsetField::domain, std::string(domain));
  import.add_int64(OpsetField::version, version);
}

/// What an operator of ours means in standard operators, as a function of the model.
std::string function_message(const OpSpec& spec, int64_t opset) {
  const StandardForm& form = *standard_form(spec);
  std::string message;
  pbf_builder<FunctionField> out(message);
  out.add_string(FunctionField::name, std::string(type_in_files(spec)));
  out.add_string(FunctionField::domain, std::string(kTercelDomain));
  for (const Value* operand : form.operands) out.add_string(FunctionField::input, operand->name);
  for (const Value* result : form.graph.outputs()) out.add_string(FunctionField::output, result->name);
  for (const AttrSpec& attr : spec.attrs) {
    out.add_string(FunctionField::attribute, std::string(attr.name));
    for (const Value* value : form.attributes)
      if (value->name == attr.name) out.add_message(FunctionField::node, argument_message(value->name, attr.kind));
  }
  for (const auto& value : form.graph.values())
    if (value->is_constant()) out.add_message(FunctionField::node, constant_message(value->name, value->constant));
  for (const auto& node : form.graph.nodes()) out.add_message(FunctionField::node, node_message(*node, opset));
  write_import(out, FunctionField::opset_import, "", opset);
  return message;
}

/// The opset that the nodes seen so far need.
class NeededOpset {
 public:
  void add(const Node& node) { add(node, node.describe()); }
  /// An operator of ours: what its standard form needs.
  void add_form(const Node& node) {
    if (standard_form(*node.spec) == nullptr)
      fail_unsupported(
          "{}: it has no form in standard ONNX operators, so that other tools could not run the file; keep "
          "the network in a .tercel file (tercel compress --lossless)",
          node.describe());
    const Graph form = standard_form_of(node);
    for (const auto& part : form.nodes()) add(*part, node.describe());
  }

  int64_t opset() const {
    if (!latest_.empty() && latest_.begin()->first < opset_)
      fail_unsupported("{}: ONNX has it up to opset {} only, and the network needs opset {}", latest_.begin()->second,
                       latest_.begin()->first, opset_);
    return opset_;
  }

 private:
  void add(const Node& node, std::string who) {
    const OpsetRange range = allowed_opsets(node);
    opset_ = std::max(opset_, range.since);
    latest_.emplace(range.until, std::move(who));
  }

  int64_t opset_ = 13;
  std::map<int64_t, std::string> latest_;  // nodes that an opset is too new for
};

/// What a model has to import.
struct Versions {
  int64_t opset = 0;
  int64_t own = 0;  ///< of ai.tercel; 0: none
  std::map<std::string_view, const OpSpec*> own_operators;
};

Versions needed_versions(const Graph& graph, OwnOperators how) {
  NeededOpset needed;
  Versions versions;
  for (const auto& node : graph.nodes()) {
    switch (node->spec->domain) {
      case Domain::onnx: needed.add(*node); break;
      case Domain::tercel:
        versions.own = std::max<int64_t>(versions.own, node->spec->since);
        versions.own_operators.emplace(node->op, node->spec);
        if (how == OwnOperators::with_standard_form) needed.add_form(*node);
        break;
      case Domain::engine:
        fail_unsupported("{}: ONNX has no such operator; it is made by Tercel's engine passes", node->describe());
    }
  }
  versions.opset = needed.opset();
  return versions;
}

}  // namespace

int64_t needed_opset(const Graph& graph) { return needed_versions(graph, OwnOperators::alone).opset; }

std::string write_model(const Graph& graph, const Elsewhere& elsewhere, OwnOperators own) {
  const Versions versions = needed_versions(graph, own);
  const int64_t opset = versions.opset;
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
  write_import(model, ModelField::opset_import, "", opset);
  if (versions.own > 0) write_import(model, ModelField::opset_import, kTercelDomain, versions.own);
  for (const auto& [key, value] : graph.metadata) {
    pbf_builder<EntryField> entry(model, ModelField::metadata_props);
    entry.add_string(EntryField::key, key);
    entry.add_string(EntryField::value, value);
  }
  if (own == OwnOperators::with_standard_form)
    for (const auto& [op, spec] : versions.own_operators)
      model.add_message(ModelField::functions, function_message(*spec, opset));
  pbf_builder<GraphField> out(model, ModelField::graph);
  out.add_string(GraphField::name, graph.name);
  for (const auto& node : graph.nodes()) out.add_message(GraphField::node, node_message(*node, opset));
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
