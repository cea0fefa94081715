#include "onnx/reader.h"

#include <cmath>
#include <map>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "graph/infer.h"
#include "graph/op.h"
#include "onnx/other_formats.h"
#include "onnx/proto.h"
#include "onnx/tensor_proto.h"
#include "onnx/translate.h"

namespace tercel::onnx {
namespace {

using protozero::pbf_message;
using protozero::pbf_reader;
using protozero::pbf_wire_type;

constexpr size_t kMaxRank = 32;

struct RawNode {
  std::string op, name, domain;
  std::vector<std::string> inputs, outputs;
  std::vector<pbf_reader> attributes;
};

class Reader {
 public:
  explicit Reader(TensorSource source) : source_(std::move(source)) {}

  ReadResult read(pbf_reader message) {
    std::optional<pbf_reader> graph;
    bool has_functions = false;
    for (pbf_message<ModelField> m(message); m.next();) {
      switch (m.tag()) {
        case ModelField::graph:
          if (graph) fail_input("holds two graphs");
          graph = m.get_message();
          break;
        case ModelField::opset_import: read_opset(m.get_message()); break;
        case ModelField::metadata_props: read_metadata(m.get_message()); break;
        case ModelField::functions:
          has_functions = true;
          m.skip();
          break;
        default: m.skip();
      }
    }
    if (!graph) fail_input("holds no graph: not an ONNX model, or cut short");
    if (has_functions) fail_unsupported("the model defines functions of its own; inline them first (onnx.inliner)");
    if (!opset_) refuse_other_domains(*graph);
    if (!opset_) fail_input("names no opset for the standard operators");
    if (*opset_ < kOldestOpset || *opset_ > kNewestOpset)
      fail_unsupported("opset {}; Tercel reads {} to {}", *opset_, kOldestOpset, kNewestOpset);
    read_graph(*graph);
    check_weights();
    return {std::move(graph_), std::move(warnings_), 0};
  }

 private:
  static bool is_other_domain(std::string_view domain) { return !domain.empty() && domain != "ai.onnx"; }

  static void refuse_other_domain(const RawNode& node) {
    if (!is_other_domain(node.domain)) return;
    fail_unsupported("Tercel has no operator '{}' of domain '{}'; it reads the standard operators only", node.op,
                     node.domain);
  }

  /// A model that imports other domains only: what it asks of them is a better answer than what it does not import.
  static void refuse_other_domains(const pbf_reader& graph) {
    for (pbf_message<GraphField> m(graph); m.next();) {
      if (m.tag() != GraphField::node) {
        m.skip();
        continue;
      }
      const RawNode node = read_raw_node(m.get_message());
      at_place([&] { return describe(node); }, [&] { refuse_other_domain(node); });
    }
  }

  void read_opset(pbf_message<OpsetField> m) {
    std::string domain;
    int64_t version = 0;
    while (m.next()) {
      switch (m.tag()) {
        case OpsetField::domain: domain = m.get_string(); break;
        case OpsetField::version: version = m.get_int64(); break;
        default: m.skip();
      }
    }
    if (is_other_domain(domain)) return;  // a node of another domain is refused where it stands
    if (opset_ && *opset_ != version)
      fail_input("names two opsets for the standard operators, {} and {}", *opset_, version);
    opset_ = version;
  }

  void read_metadata(pbf_message<EntryField> m) {
    std::string key, value;
    while (m.next()) {
      switch (m.tag()) {
        case EntryField::key: key = m.get_string(); break;
        case EntryField::value: value = m.get_string(); break;
        default: m.skip();
      }
    }
    graph_.metadata[key] = value;
  }

  void read_graph(pbf_reader message) {
    std::vector<pbf_reader> inputs, outputs, nodes;
    for (pbf_message<GraphField> m(message); m.next();) {
      switch (m.tag()) {
        case GraphField::name: graph_.name = m.get_string(); break;
        case GraphField::initializer: read_initializer(m.get_message()); break;
        case GraphField::input: inputs.push_back(m.get_message()); break;
        case GraphField::output: outputs.push_back(m.get_message()); break;
        case GraphField::node: nodes.push_back(m.get_message()); break;
        case GraphField::sparse_initializer: fail_unsupported("sparse initialisers");
        default: m.skip();
      }
    }
    for (const pbf_reader& input : inputs) read_input(input);
    for (const pbf_reader& node : nodes) read_node(node);
    for (const pbf_reader& output : outputs) read_output(output);
    check_all_made();
    if (graph_.outputs().empty()) fail_input("the graph has no output");
    graph_.sort();
    infer_types(graph_);  // nodes that came before their operands learn their types only now
  }

  void check_all_made() const {
    const std::unordered_set<const Value*> given(graph_.inputs().begin(), graph_.inputs().end());
    for (const auto& value : graph_.values()) {
      if (value->producer != nullptr || value->is_constant() || given.contains(value.get())) continue;
      if (!value->users.empty())
        fail_input("{}: reads '{}', which nothing makes", value->users.front()->describe(), value->name);
      if (graph_.is_output(value.get())) fail_input("output '{}' is made by nothing", value->name);
    }
  }

  void read_initializer(const pbf_reader& message) {
    NamedTensor named = read_tensor(message, source_);
    if (named.name.empty()) fail_input("an initialiser has no name");
    if (find(named.name) != nullptr) fail_input("initialiser '{}' stands twice", named.name);
    if (named.tensor.dims().size() > kMaxRank)
      fail_input("initialiser '{}' has rank {}", named.name, named.tensor.rank());
    named_[named.name] = graph_.add_constant(named.name, std::move(named.tensor));
  }

  struct ValueInfo {
    std::string name;
    ValueType type;
    std::vector<std::string> dim_names;
  };

  static ValueInfo read_value_info(const pbf_reader& message) {
    ValueInfo info;
    std::optional<pbf_reader> type;
    for (pbf_message<ValueInfoField> m(message); m.next();) {
      switch (m.tag()) {
        case ValueInfoField::name: info.name = m.get_string(); break;
        case ValueInfoField::type: type = m.get_message(); break;
        default: m.skip();
      }
    }
    at_place([&] { return fmt::format("'{}'", info.name); },
             [&] {
               if (!type) return;
               for (pbf_message<TypeField> m(*type); m.next();) {
                 if (m.tag() != TypeField::tensor_type) fail_unsupported("not a tensor (sequence, map or optional)");
                 read_tensor_type(m.get_message(), info);
               }
             });
    return info;
  }

  static void read_tensor_type(pbf_message<TensorTypeField> m, ValueInfo& info) {
    while (m.next()) {
      switch (m.tag()) {
        case TensorTypeField::elem_type: {
          const int32_t code = m.get_int32();
          info.type.dtype = dtype_from_onnx(code);
          if (info.type.dtype == DType::none) fail_unsupported("elements of type {} ({})", onnx_type_name(code), code);
          break;
        }
        case TensorTypeField::shape:
          info.type.ranked = true;
          for (pbf_message<ShapeField> shape(m.get_message()); shape.next();) {
            if (shape.tag() == ShapeField::dim) read_dim(shape.get_message(), info);
            else shape.skip();
          }
          break;
        default: m.skip();
      }
    }
  }

  static void read_dim(pbf_message<DimField> m, ValueInfo& info) {
    int64_t extent = kUnknown;
    std::string symbol;
    while (m.next()) {
      switch (m.tag()) {
        case DimField::dim_value: extent = m.get_int64(); break;
        case DimField::dim_param: symbol = m.get_string(); break;
        default: m.skip();
      }
    }
    if (extent < -1) fail_input("an extent of {}", extent);
    if (info.type.dims.size() >= kMaxRank) fail_input("more than {} axes", kMaxRank);
    info.type.dims.push_back(extent);
    info.dim_names.push_back(std::move(symbol));
  }

  void read_input(const pbf_reader& message) {
    ValueInfo info = at_place([] { return "input"; }, [&] { return read_value_info(message); });
    if (info.name.empty()) fail_input("a graph input has no name");
    if (const Value* taken = find(info.name)) {
      if (taken->is_constant()) return;  // an input with a default value: Tercel keeps the default
      fail_input("input '{}' stands twice", info.name);
    }
    if (info.type.dtype == DType::none) fail_input("input '{}' has no element type", info.name);
    if (all_known(info.type.dims))
      at_place([&] { return fmt::format("input '{}'", info.name); }, [&] { count_elements(info.type.dims); });
    Value* value = graph_.add_input(info.name, std::move(info.type));
    value->dim_names = std::move(info.dim_names);
    named_[info.name] = value;
  }

  void read_output(const pbf_reader& message) {
    const ValueInfo info = at_place([] { return "output"; }, [&] { return read_value_info(message); });
    Value* value = find(info.name);
    if (value == nullptr) fail_input("output '{}' is made by nothing", info.name);
    graph_.add_output(value);
  }

  static RawNode read_raw_node(const pbf_reader& message) {
    RawNode node;
    for (pbf_message<NodeField> m(message); m.next();) {
      switch (m.tag()) {
        case NodeField::input: node.inputs.push_back(m.get_string()); break;
        case NodeField::output: node.outputs.push_back(m.get_string()); break;
        case NodeField::name: node.name = m.get_string(); break;
        case NodeField::op_type: node.op = m.get_string(); break;
        case NodeField::domain: node.domain = m.get_string(); break;
        case NodeField::attribute: node.attributes.push_back(m.get_message()); break;
        default: m.skip();
      }
    }
    return node;
  }

  static std::string describe(const RawNode& node) {
    const std::string name = !node.name.empty() ? node.name : node.outputs.empty() ? "" : node.outputs[0];
    return fmt::format("node '{}' ({})", name, node.op);
  }

  void read_node(const pbf_reader& message) {
    const RawNode raw = read_raw_node(message);
    at_place([&] { return describe(raw); },
             [&] {
               refuse_other_domain(raw);
               Draft draft{graph_, *opset_, raw.op, raw.name, {}, {}, {}};
               for (const std::string& name : raw.inputs)
                 draft.inputs.push_back(name.empty() ? nullptr : mention(name));
               for (const std::string& name : raw.outputs) {
                 // A result that is left out does not come, but for the first and for Split's, whose number counts.
                 const bool needed = draft.outputs.empty() || raw.op == "Split";
                 if (!name.empty()) draft.outputs.push_back(claim(name));
                 else draft.outputs.push_back(needed ? graph_.add_value("unused") : nullptr);
               }
               for (const pbf_reader& attribute : raw.attributes) read_attribute(attribute, draft.attrs);
               trim(draft.inputs);
               translate(draft);
             });
  }

  // Trailing operands left out carry no meaning.
  static void trim(std::vector<Value*>& values) {
    while (!values.empty() && values.back() == nullptr) values.pop_back();
  }

  Value* find(const std::string& name) const {
    const auto at = named_.find(name);
    return at == named_.end() ? nullptr : at->second;
  }

  /// A value of the file. One that a translation made and called so gives way.
  Value* add(const std::string& name) {
    if (Value* made = graph_.find_value(name)) graph_.rename(made, name + ".made");
    return named_[name] = graph_.add_value(name);
  }

  Value* mention(const std::string& name) {
    if (Value* value = find(name)) return value;
    Value* value = add(name);
    promised_.insert(value);
    return value;
  }

  Value* claim(const std::string& name) {
    Value* value = find(name);
    if (value == nullptr) {
      value = add(name);
      claimed_.insert(value);
      return value;
    }
    const bool free = promised_.contains(value) && value->producer == nullptr && !value->is_constant();
    if (!free || !claimed_.insert(value).second) fail_input("makes '{}', which is made already", name);
    return value;
  }

  void read_attribute(const pbf_reader& message, Attrs& attrs) {
    std::string name;
    std::optional<AttributeType> declared;
    std::optional<Attr> value;
    const auto append = [&]<typename T>(T element) {
      if (!value || !std::holds_alternative<std::vector<T>>(*value)) value = std::vector<T>();
      std::get<std::vector<T>>(*value).push_back(std::move(element));
    };
    for (pbf_message<AttributeField> m(message); m.next();) {
      switch (m.tag()) {
        case AttributeField::name: name = m.get_string(); break;
        case AttributeField::type: declared = static_cast<AttributeType>(m.get_enum()); break;
        case AttributeField::ref_attr_name: fail_unsupported("attribute '{}' refers to a function's attribute", name);
        case AttributeField::f: value = m.get_float(); break;
        case AttributeField::i: value = m.get_int64(); break;
        case AttributeField::s: value = m.get_string(); break;
        case AttributeField::t:
          value = at_place([&] { return fmt::format("attribute '{}'", name); },
                           [&] { return read_tensor(m.get_message(), source_).tensor; });
          break;
        case AttributeField::floats:
          if (m.wire_type() == pbf_wire_type::fixed32) append(m.get_float());
          else
            for (float x : m.get_packed_float()) append(x);
          break;
        case AttributeField::ints:
          if (m.wire_type() == pbf_wire_type::varint) append(m.get_int64());
          else
            for (int64_t x : m.get_packed_int64()) append(x);
          break;
        case AttributeField::strings: append(m.get_string()); break;
        case AttributeField::g:
        case AttributeField::graphs: fail_unsupported("attribute '{}' holds a graph (control flow)", name);
        case AttributeField::tensors: fail_unsupported("attribute '{}' holds several tensors", name);
        default: m.skip();
      }
    }
    if (name.empty()) fail_input("an attribute has no name");
    if (attrs.has(name)) fail_input("attribute '{}' stands twice", name);
    // Writers leave out what is zero or empty; the declared type says what was meant.
    if (!value && declared) {
      switch (*declared) {
        case AttributeType::real: value = 0.0f; break;
        case AttributeType::integer: value = int64_t{0}; break;
        case AttributeType::text: value = std::string(); break;
        case AttributeType::reals: value = std::vector<float>(); break;
        case AttributeType::integers: value = std::vector<int64_t>(); break;
        case AttributeType::texts: value = std::vector<std::string>(); break;
        default: break;
      }
    }
    if (!value) fail_unsupported("attribute '{}' has no value of a kind Tercel reads", name);
    attrs.set(name, std::move(*value));
  }

  // One pass over the weights: a NaN spoils every answer, and is better reported here than found by surprise. Tensors
  // remember their bound, which passes ask for.
  void check_weights() {
    for (const auto& value : graph_.values()) {
      if (!value->is_constant() || value->type.dtype != DType::f32) continue;
      const Tensor& tensor = value->constant;
      if (tensor.unmade()) continue;  // decoded later, from levels
      if (std::isfinite(tensor.bound()) || tensor.elements() <= 1) continue;
      int64_t nan = 0;
      for (int64_t i = 0; i < tensor.elements(); ++i) nan += std::isnan(tensor.at<float>(i));
      // Infinities, in an attention mask and the like, are meant.
      if (nan > 0)
        warnings_.push_back(
            fmt::format("constant '{}': {} of {} elements are NaN", value->name, nan, tensor.elements()));
    }
  }

  TensorSource source_;
  Graph graph_;
  std::optional<int64_t> opset_;
  std::vector<std::string> warnings_;
  std::unordered_map<std::string, Value*> named_;  // by the file; the graph's other names are of translation
  std::unordered_set<const Value*> promised_;      // read before any node made it
  std::unordered_set<const Value*> claimed_;       // made by a node read so far
};

ReadResult read_bytes(std::span<const std::byte> bytes, TensorSource source) {
  refuse_other_formats(bytes);
  try {
    std::map<std::filesystem::path, int64_t> others;
    source.found = [&](const std::filesystem::path& path, int64_t size) { others[path] = size; };
    ReadResult result =
        Reader(std::move(source)).read(pbf_reader(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
    result.bytes = static_cast<int64_t>(bytes.size());
    for (const auto& [path, size] : others) result.bytes += size;
    return result;
  } catch (const protozero::exception& error) {
    fail_input("not an ONNX model, or cut short ({})", error.what());
  }
}

}  // namespace

ReadResult read_model(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, ReadElsewhere elsewhere) {
  return read_bytes(bytes, {std::move(owner), false, {}, std::move(elsewhere)});
}

ReadResult read_model(const std::filesystem::path& path) {
  return at_place([&] { return path.string(); },
                  [&] {
                    const auto file = MappedFile::open(path);
                    const auto folder = path.parent_path();
                    return read_bytes(file->bytes(), {file, true, folder.empty() ? "." : folder, {}});
                  });
}

}  // namespace tercel::onnx
