#include "onnx/reader.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "graph/infer.h"
#include "graph/op.h"
#include "onnx/functions.h"
#include "onnx/other_formats.h"
#include "onnx/proto.h"
#include "onnx/scope.h"
#include "onnx/tensor_proto.h"
#include "onnx/translate.h"
#include "onnx/value_info.h"

namespace tercel::onnx {
namespace {

using protozero::pbf_message;
using protozero::pbf_reader;
using protozero::pbf_wire_type;

// Functions are put in where they are called, and a small file can ask for that without end.
constexpr size_t kMaxCallDepth = 32, kMaxPrefix = 256;
constexpr size_t kInlinedBytes = size_t{64} << 20;  // about; besides as much as the file has

class Reader {
 public:
  Reader(TensorSource source, size_t bytes) : source_(std::move(source)), inlined_left_(kInlinedBytes + bytes) {}

  ReadResult read(pbf_reader message) {
    std::optional<pbf_reader> graph;
    for (pbf_message<ModelField> m(message); m.next();) {
      switch (m.tag()) {
        case ModelField::graph:
          if (graph) fail_input("holds two graphs");
          graph = m.get_message();
          break;
        case ModelField::ir_version: ir_version_ = m.get_int64(); break;
        case ModelField::opset_import: imports_.add(m.get_message()); break;
        case ModelField::metadata_props: read_metadata(m.get_message()); break;
        case ModelField::functions: functions_.add(m.get_message()); break;
        default: m.skip();
      }
    }
    if (!graph) fail_input("holds no graph: not an ONNX model, or cut short");
    if (imports_.find("")) imports_.opset();
    read_graph(*graph);
    warn_of_defaults();
    check_weights();
    return {std::move(graph_), std::move(warnings_), 0};
  }

 private:
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
        case GraphField::sparse_initializer: fail_unsupported("sparse initializers");
        default: m.skip();
      }
    }
    for (const pbf_reader& input : inputs) read_input(input);
    for (const pbf_reader& node : nodes) read_node(node, scope_);
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
      if (graph_.is_output(value.get())) fail_input("output '{}' has no producer", value->name);
    }
  }

  void read_initializer(const pbf_reader& message) {
    NamedTensor named = read_tensor(message, source_);
    if (named.name.empty()) fail_input("an initializer has no name");
    if (scope_.knows(named.name)) fail_input("duplicate initializer '{}'", named.name);
    if (named.tensor.dims().size() > kMaxRank)
      fail_input("initializer '{}' has rank {}", named.name, named.tensor.rank());
    scope_.bind(named.name, graph_.add_constant(named.name, std::move(named.tensor)));
  }

  void read_input(const pbf_reader& message) {
    ValueInfo info = at_place([] { return "input"; }, [&] { return read_value_info(message); });
    if (info.name.empty()) fail_input("a graph input has no name");
    if (const Value* taken = scope_.find(info.name)) {
      if (taken->is_constant()) return defaults_.push_back(info.name);  // Tercel keeps the default
      fail_input("duplicate input '{}'", info.name);
    }
    if (info.type.dtype == DType::none) fail_input("input '{}' has no element type", info.name);
    if (all_known(info.type.dims))
      at_place([&] { return fmt::format("input '{}'", info.name); }, [&] { count_elements(info.type.dims); });
    Value* value = graph_.add_input(info.name, std::move(info.type));
    value->dim_names = std::move(info.dim_names);
    scope_.bind(info.name, value);
  }

  void read_output(const pbf_reader& message) {
    const ValueInfo info = at_place([] { return "output"; }, [&] { return read_value_info(message); });
    Value* value = scope_.find(info.name);
    if (value == nullptr) fail_input("output '{}' has no producer", info.name);
    graph_.add_output(value);
  }

  void read_node(const pbf_reader& message, Scope& scope) {
    const RawNode raw = read_raw_node(message);
    at_place([&] { return describe(raw, scope.prefix()); },
             [&] {
               if (scope.arguments() != nullptr) spend(message.length() + 512 * (1 + raw.outputs.size()));
               const std::string full_name = raw.name.empty() ? "" : scope.prefix() + raw.name;
               Draft draft{graph_, 0, raw.op, full_name, {}, {}, {}};
               const Function* called = resolve(raw, scope, draft);
               for (const std::string& name : raw.inputs)
                 draft.inputs.push_back(name.empty() ? nullptr : scope.mention(name));
               for (const std::string& name : raw.outputs) {
                 // A result that is left out does not come, but for the first and for Split's, whose number counts.
                 const bool needed = draft.outputs.empty() || raw.op == "Split";
                 if (!name.empty()) draft.outputs.push_back(scope.claim(name));
                 else draft.outputs.push_back(needed ? graph_.add_value("unused") : nullptr);
               }
               for (const pbf_reader& attribute : raw.attributes) read_attribute(attribute, scope, draft.attrs);
               trim(draft.inputs);
               if (called != nullptr) call(*called, draft);
               else translate(draft);
             });
  }

  /// What the node asks for: an operator, which is set in `draft`, or a function. What Tercel knows itself comes first:
  /// a function of that name is for other tools.
  const Function* resolve(const RawNode& raw, const Scope& scope, Draft& draft) {
    const Function* function = functions_.find(raw);
    if (raw.domain.empty()) {
      if (function != nullptr)
        fail_unsupported("the model defines '{}' of the standard domain anew; its function needs a domain of its own",
                         raw.op);
      draft.opset = scope.imports().opset();
      return nullptr;
    }
    if (raw.domain == kTercelDomain) return resolve_own(raw, scope, function, draft);
    if (function == nullptr)
      fail_unsupported(
          "Tercel has no operator '{}' of domain '{}'; it reads standard operators, those of '{}' and "
          "functions that the model defines",
          raw.op, raw.domain, kTercelDomain);
    return function;
  }

  const Function* resolve_own(const RawNode& raw, const Scope& scope, const Function* function, Draft& draft) {
    const auto version = scope.imports().find(kTercelDomain);
    if (!version) fail_input("names no version of the domain '{}' among what it imports", kTercelDomain);
    if (*version < 1)
      fail_input("version {} of the domain '{}'; there is 1 to {}", *version, kTercelDomain, kTercelVersion);
    const OpSpec* spec = find_own_op(raw.op);
    if (spec != nullptr && spec->since <= *version && *version <= kTercelVersion) {
      draft.op = spec->name;
      draft.domain = Domain::tercel;
      return nullptr;
    }
    if (function != nullptr) {
      if (strangers_.insert(raw.op).second)
        warnings_.push_back(
            fmt::format("'{}' of version {} of the domain '{}' is run in the standard operators that "
                        "the file gives for it: this Tercel knows version {}",
                        raw.op, *version, kTercelDomain, kTercelVersion));
      return function;
    }
    if (*version > kTercelVersion)
      fail_unsupported(
          "version {} of the domain '{}', and the file does not say what '{}' is in standard operators; "
          "this Tercel reads versions up to {}: take a newer one",
          *version, kTercelDomain, raw.op, kTercelVersion);
    std::string known;
    for (const OpSpec* own : all_ops())
      if (own->domain == Domain::tercel && own->since <= *version)
        known += fmt::format("{}{}", known.empty() ? "" : ", ", type_in_files(*own));
    fail_unsupported("version {} of the domain '{}' has no operator '{}'; it has {}", *version, kTercelDomain, raw.op,
                     known);
  }

  /// Puts the function's nodes where it is called.
  void call(const Function& function, const Draft& draft) {
    if (draft.inputs.size() > function.inputs.size() || draft.outputs.size() > function.outputs.size())
      fail_input("has {} inputs and {} outputs, the function takes {} and makes {}", draft.inputs.size(),
                 draft.outputs.size(), function.inputs.size(), function.outputs.size());
    if (++call_depth_ > kMaxCallDepth)
      fail_unsupported("functions that call functions, more than {} deep", kMaxCallDepth);
    spend(64 * (function.inputs.size() + function.outputs.size()));
    const std::string caller = !draft.name.empty()          ? draft.name
                               : draft.output(0) != nullptr ? draft.output(0)->name
                                                            : "";
    const Attrs arguments = arguments_of(function, draft.attrs);
    Scope body(graph_, function.imports, arguments, caller.substr(0, kMaxPrefix) + "/");
    for (size_t i = 0; i < function.inputs.size(); ++i) body.bind(function.inputs[i], draft.input(i));
    for (size_t i = 0; i < function.outputs.size(); ++i) {
      Value* result = draft.output(i);
      if (result == nullptr) continue;
      // A result that is an operand.
      if (Value* operand = body.find(function.outputs[i]); operand != nullptr && i < draft.outputs.size())
        infer_types(*graph_.add_node("Identity", {operand}, {result}, {}, draft.name));
      else body.promise(function.outputs[i], result);
    }
    for (const pbf_reader& node : function.nodes) read_node(node, body);
    --call_depth_;
  }

  void spend(size_t bytes) {
    if (bytes > inlined_left_) fail(ErrorCode::limit, "the model's functions come to too many nodes");
    inlined_left_ -= bytes;
  }

  Attrs arguments_of(const Function& function, const Attrs& given) {
    Attrs all;
    const Imports none;
    Scope outside(graph_, none);
    for (const pbf_reader& message : function.defaults) {
      spend(message.length());
      read_attribute(message, outside, all);
    }
    for (const auto& [name, value] : given) {
      if (!all.has(name) &&
          std::find(function.attributes.begin(), function.attributes.end(), name) == function.attributes.end())
        fail_input("the function has no attribute '{}'", name);
      all.set(name, value);
    }
    return all;
  }

  // Trailing operands left out carry no meaning.
  static void trim(std::vector<Value*>& values) {
    while (!values.empty() && values.back() == nullptr) values.pop_back();
  }

  void read_attribute(const pbf_reader& message, const Scope& scope, Attrs& attrs) {
    std::string name, argument;
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
        case AttributeField::ref_attr_name: argument = m.get_string(); break;
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
    if (attrs.has(name)) fail_input("duplicate attribute '{}'", name);
    if (!argument.empty()) {
      if (scope.arguments() == nullptr)
        fail_input("attribute '{}' refers to an attribute '{}' of a function, outside of one", name, argument);
      // One that the call leaves out is left out here too.
      if (const Attr* given = scope.arguments()->find(argument)) attrs.set(name, *given);
      return;
    }
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

  /// Until IR version 4 every initializer had to be an input too; since then those that are may be given another value.
  void warn_of_defaults() {
    constexpr size_t kNamed = 3;
    if (ir_version_ < 4 || defaults_.empty()) return;
    const size_t named = std::min(kNamed, defaults_.size());
    warnings_.push_back(
        fmt::format("{} of the inputs {} a default value and {} constant here, which no run can change: '{}'{}",
                    defaults_.size(), defaults_.size() == 1 ? "has" : "have", defaults_.size() == 1 ? "is" : "are",
                    fmt::join(defaults_.begin(), defaults_.begin() + static_cast<std::ptrdiff_t>(named), "', '"),
                    defaults_.size() > named ? fmt::format(" and {} more", defaults_.size() - named) : ""));
  }

  // One pass over the weights: a NaN spoils every answer, and is better reported here than found by surprise. Tensors
  // remember their bound, which passes ask for.
  void check_weights() {
    for (const auto& value : graph_.values()) {
      if (!value->is_constant() || value->type.dtype != DType::f32) continue;
      const Tensor& tensor = value->constant;
      if (tensor.lazy()) continue;  // decoded later, from levels
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
  Imports imports_;
  Functions functions_;
  Scope scope_{graph_, imports_};
  int64_t ir_version_ = 0;
  std::vector<std::string> defaults_;  // inputs that are initializers too
  std::vector<std::string> warnings_;
  std::set<std::string> strangers_;  // of our domain, not known here
  size_t call_depth_ = 0, inlined_left_;
};

ReadResult read_bytes(std::span<const std::byte> bytes, TensorSource source) {
  refuse_other_formats(bytes);
  try {
    std::map<std::filesystem::path, int64_t> others;
    source.found = [&](const std::filesystem::path& path, int64_t size) { others[path] = size; };
    ReadResult result = Reader(std::move(source), bytes.size())
                            .read(pbf_reader(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
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
