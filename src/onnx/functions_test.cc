// Operators of Tercel's own domain in files, and functions that a model defines.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "graph/op.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "onnx/proto.h"
#include "onnx/protozero.h"
#include "onnx/reader.h"
#include "onnx/writer.h"

namespace tercel::onnx {
namespace {

using protozero::pbf_builder;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

using Names = std::vector<std::string>;

struct Attribute {
  std::string name;
  std::optional<int64_t> integer;
  std::optional<float> real;
  std::string argument = {};  // of the function around

  std::string bytes() const {
    std::string message;
    pbf_builder<AttributeField> out(message);
    out.add_string(AttributeField::name, name);
    if (integer) out.add_int64(AttributeField::i, *integer);
    if (real) out.add_float(AttributeField::f, *real);
    if (!argument.empty()) out.add_string(AttributeField::ref_attr_name, argument);
    return message;
  }
};

struct NodeOf {
  std::string domain, op;
  Names inputs, outputs;
  std::vector<Attribute> attributes = {};
  std::string name = {};

  std::string bytes() const {
    std::string message;
    pbf_builder<NodeField> out(message);
    for (const auto& input : inputs) out.add_string(NodeField::input, input);
    for (const auto& output : outputs) out.add_string(NodeField::output, output);
    out.add_string(NodeField::name, name);
    out.add_string(NodeField::op_type, op);
    out.add_string(NodeField::domain, domain);
    for (const auto& attribute : attributes) out.add_message(NodeField::attribute, attribute.bytes());
    return message;
  }
};

using Imported = std::vector<std::pair<std::string, int64_t>>;

template <typename Field>
void write_imports(pbf_builder<Field>& out, Field field, const Imported& imports) {
  for (const auto& [domain, version] : imports) {
    pbf_builder<OpsetField> import(out, field);
    import.add_string(OpsetField::domain, domain);
    import.add_int64(OpsetField::version, version);
  }
}

struct FunctionOf {
  std::string domain, name;
  Names inputs, outputs;
  std::vector<NodeOf> nodes;
  Names attributes = {};
  std::vector<Attribute> defaults = {};
  Imported imports = {{"", 17}, {"mine", 1}};

  std::string bytes() const {
    std::string message;
    pbf_builder<FunctionField> out(message);
    out.add_string(FunctionField::name, name);
    out.add_string(FunctionField::domain, domain);
    for (const auto& input : inputs) out.add_string(FunctionField::input, input);
    for (const auto& output : outputs) out.add_string(FunctionField::output, output);
    for (const auto& attribute : attributes) out.add_string(FunctionField::attribute, attribute);
    for (const auto& attribute : defaults) out.add_message(FunctionField::attribute_proto, attribute.bytes());
    for (const auto& node : nodes) out.add_message(FunctionField::node, node.bytes());
    write_imports(out, FunctionField::opset_import, imports);
    return message;
  }
};

/// x : f32[2x3] -> y.
struct ModelOf {
  std::vector<NodeOf> nodes;
  std::vector<FunctionOf> functions = {};
  Imported imports = {{"", 17}, {"ai.tercel", 1}, {"mine", 1}};

  std::string bytes() const {
    std::string message;
    pbf_builder<ModelField> model(message);
    model.add_int64(ModelField::ir_version, 8);
    write_imports(model, ModelField::opset_import, imports);
    for (const auto& function : functions) model.add_message(ModelField::functions, function.bytes());
    pbf_builder<GraphField> graph(model, ModelField::graph);
    for (const auto& node : nodes) graph.add_message(GraphField::node, node.bytes());
    for (const auto& [field, name] : {std::pair(GraphField::input, "x"), std::pair(GraphField::output, "y")}) {
      pbf_builder<ValueInfoField> info(graph, field);
      info.add_string(ValueInfoField::name, name);
      pbf_builder<TypeField> type(info, ValueInfoField::type);
      pbf_builder<TensorTypeField> tensor(type, TypeField::tensor_type);
      tensor.add_int32(TensorTypeField::elem_type, 1);
      if (field == GraphField::output) continue;
      pbf_builder<ShapeField> shape(tensor, TensorTypeField::shape);
      for (int64_t extent : {2, 3}) {
        pbf_builder<DimField> dim(shape, ShapeField::dim);
        dim.add_int64(DimField::dim_value, extent);
      }
    }
    return message;
  }
};

ReadResult read(const std::string& bytes) {
  auto owner = std::make_shared<std::vector<char>>(bytes.begin(), bytes.end());
  ReadResult result = read_model(std::as_bytes(std::span(*owner)), owner);
  verify(result.graph, "reading");
  return result;
}

std::string refusal(const std::string& bytes) {
  try {
    read(bytes);
    return "was read";
  } catch (const Error& error) {
    return error.what();
  }
}

Names operators(const Graph& graph) {
  Names ops;
  for (const auto& node : graph.nodes()) ops.push_back(node->op);
  return ops;
}

const NodeOf kRowScale{"ai.tercel", "RowScale", {"x"}, {"y"}, {{"epsilon", {}, 0.5f}}, "scale"};

// ---- our own domain

TEST(OwnDomain, IsReadWithItsVersion) {
  const ReadResult result = read(ModelOf{{kRowScale}}.bytes());
  ASSERT_THAT(operators(result.graph), ElementsAre("ai.tercel.RowScale"));
  const Node& node = *result.graph.nodes()[0];
  EXPECT_EQ(node.attrs.get_float("epsilon"), 0.5f);
  EXPECT_EQ(node.attrs.get_int("centred"), 0);
  EXPECT_EQ(to_string(node.output()->type), "f32[2x1]");
  EXPECT_THAT(result.warnings, IsEmpty());
}

TEST(OwnDomain, VersionsThatAreNoneAreRefusedInWords) {
  EXPECT_THAT(refusal(ModelOf{{kRowScale}, {}, {{"", 17}}}.bytes()),
              HasSubstr("node 'scale' (ai.tercel.RowScale): names no version of the domain 'ai.tercel'"));
  EXPECT_THAT(refusal(ModelOf{{kRowScale}, {}, {{"", 17}, {"ai.tercel", 0}}}.bytes()),
              HasSubstr("node 'scale' (ai.tercel.RowScale): version 0 of the domain 'ai.tercel'; there is 1 to 2"));
  EXPECT_THAT(
      refusal(ModelOf{{kRowScale}, {}, {{"", 17}, {"ai.tercel", 3}}}.bytes()),
      HasSubstr(
          "node 'scale' (ai.tercel.RowScale): version 3 of the domain 'ai.tercel', and the file does not say what "
          "'RowScale' is in standard operators; this Tercel reads versions up to 2"));
  EXPECT_THAT(refusal(ModelOf{{kRowScale}, {}, {{"", 17}, {"ai.tercel", 1}, {"ai.tercel", 2}}}.bytes()),
              HasSubstr("names two versions of the domain 'ai.tercel', 1 and 2"));
}

TEST(OwnDomain, OperatorsItDoesNotHaveAreRefusedInWords) {
  NodeOf node = kRowScale;
  for (const char* op : {"RowScales", "Relu", "FusedAdd", "ai.tercel.RowScale", ""}) {
    node.op = op;
    EXPECT_THAT(
        refusal(ModelOf{{node}}.bytes()),
        HasSubstr(fmt::format("version 1 of the domain 'ai.tercel' has no operator '{}'; it has RowScale", op)));
  }
  for (const char* op : {"RowScale", "ai.tercel.RowScale", "FusedAdd", "Silu"})
    EXPECT_THAT(refusal(ModelOf{{{"", op, {"x"}, {"y"}}}}.bytes()),
                HasSubstr(fmt::format("Tercel has no operator '{}'", op)));
}

TEST(OwnDomain, AttributesAndOperandsAreChecked) {
  NodeOf node = kRowScale;
  node.attributes = {{"axis", 1, {}}};
  EXPECT_THAT(refusal(ModelOf{{node}}.bytes()),
              testing::StartsWith("node 'scale' (ai.tercel.RowScale): ai.tercel.RowScale has no attribute 'axis'"));
  node.attributes = {{"epsilon", 1, {}}};
  EXPECT_THAT(refusal(ModelOf{{node}}.bytes()), HasSubstr("attribute 'epsilon' is an integer, wanted a real number"));
  node.attributes = {{"centred", 2, {}}};
  EXPECT_THAT(refusal(ModelOf{{node}}.bytes()), HasSubstr("attribute 'centred' is 2, wanted 0 to 1"));
  node.attributes = {};
  node.inputs = {"x", "x"};
  EXPECT_THAT(refusal(ModelOf{{node}}.bytes()), HasSubstr("has 2 inputs, ai.tercel.RowScale takes 1 to 1"));
}

TEST(OwnDomain, WhatTercelKnowsIsNotTakenFromAFunction) {
  const FunctionOf wrong{"ai.tercel", "RowScale", {"x"}, {"y"}, {{"", "Neg", {"x"}, {"y"}}}, {"epsilon", "centred"}};
  EXPECT_THAT(operators(read(ModelOf{{kRowScale}, {wrong}}.bytes()).graph), ElementsAre("ai.tercel.RowScale"));
}

TEST(OwnDomain, WhatANewerTercelWroteRunsInStandardOperatorsWhereTheFileHasThem) {
  const FunctionOf form{"ai.tercel", "RowScale", {"a"}, {"b"}, {{"", "Neg", {"a"}, {"b"}}}, {"epsilon"}};
  NodeOf later{"ai.tercel", "Later", {"t"}, {"y"}};
  NodeOf first = kRowScale;
  first.outputs = {"t"};
  FunctionOf later_form = form;
  later_form.name = "Later";
  const ReadResult result = read(ModelOf{{first, later}, {form, later_form}, {{"", 17}, {"ai.tercel", 7}}}.bytes());
  EXPECT_THAT(operators(result.graph), ElementsAre("Neg", "Neg"));
  EXPECT_THAT(result.warnings, ElementsAre(HasSubstr("'RowScale' of version 7"), HasSubstr("'Later' of version 7")));
}

std::string written(const Graph& graph, OwnOperators own = OwnOperators::with_standard_form) {
  return write_model(graph, {}, own);
}

TEST(OwnDomain, IsWrittenOnlyWhereItIsUsed) {
  const Graph graph = read(ModelOf{{kRowScale}}.bytes()).graph;
  for (OwnOperators own : {OwnOperators::with_standard_form, OwnOperators::alone}) {
    const ReadResult back = read(written(graph, own));
    EXPECT_EQ(print(back.graph), print(graph));
    EXPECT_THAT(back.warnings, IsEmpty());
  }
  EXPECT_EQ(needed_opset(graph), 13);
  EXPECT_THAT(written(graph), HasSubstr("CastLike"));
  EXPECT_THAT(written(graph, OwnOperators::alone), AllOf(HasSubstr("ai.tercel"), Not(HasSubstr("CastLike"))));
  const Graph standard = read(ModelOf{{{"", "Relu", {"x"}, {"y"}}}}.bytes()).graph;
  EXPECT_THAT(written(standard), Not(HasSubstr("ai.tercel")));
}

/// An operator without a standard form is for .tercel files.
TEST(OwnDomain, WithoutAStandardFormIsNotWrittenForOtherTools) {
  const Graph graph = read(ModelOf{{kRowScale}}.bytes()).graph;
  OpSpec memory = *find_own_op("RowScale");
  memory.standard_form = {};
  graph.nodes()[0]->spec = &memory;
  EXPECT_NO_THROW(written(graph, OwnOperators::alone));
  try {
    written(graph);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), AllOf(HasSubstr("node 'scale' (ai.tercel.RowScale): it has no form in standard ONNX"),
                                    HasSubstr("tercel compress --lossless")));
  }
}

TEST(OwnDomain, OperatorsOfTheEngineAreNeverWritten) {
  const Graph graph = parse_graph("input %x : f32[2x3]\n%y : f32[2x3] = Silu(%x)\noutput %y\n");
  EXPECT_THROW(written(graph, OwnOperators::alone), Error);
}

// ---- functions of the model

FunctionOf leaky() {
  // b = LeakyRelu(a) * -1, by way of a name that the model has too.
  return {"mine",
          "Leaky",
          {"a"},
          {"b"},
          {{"", "LeakyRelu", {"a"}, {"x"}, {{"alpha", {}, {}, "slope"}}}, {"", "Neg", {"x"}, {"b"}}},
          {},
          {{"slope", {}, 0.25f}}};
}

TEST(Functions, ArePutInWhereTheyAreCalled) {
  ModelOf model{
      {{"mine", "Leaky", {"x"}, {"t"}, {{"slope", {}, 0.5f}}, "one"}, {"mine", "Leaky", {"t"}, {"y"}, {}, "two"}},
      {leaky()}};
  const Graph graph = read(model.bytes()).graph;
  EXPECT_THAT(operators(graph), ElementsAre("LeakyRelu", "Neg", "LeakyRelu", "Neg"));
  EXPECT_EQ(graph.nodes()[0]->attrs.get_float("alpha"), 0.5f);
  EXPECT_EQ(graph.nodes()[2]->attrs.get_float("alpha"), 0.25f);
  EXPECT_EQ(graph.nodes()[0]->output()->name, "one/x");
  EXPECT_EQ(graph.nodes()[2]->inputs[0]->name, "t");
  EXPECT_EQ(to_string(graph.outputs()[0]->type), "f32[2x3]");
  EXPECT_EQ(print(read(write_model(graph)).graph), print(graph));
}

TEST(Functions, CallOneAnotherInOpsetsOfTheirOwn) {
  FunctionOf outer{"mine",
                   "Outer",
                   {"a", "unused"},
                   {"b", "c"},
                   {{"mine", "Leaky", {"a"}, {"b"}}, {"", "Clip", {"a"}, {"c"}, {{"min", {}, 0.5f}}}}};
  const ModelOf model{{{"mine", "Outer", {"x"}, {"", "y"}}}, {outer, leaky()}};
  EXPECT_THAT(refusal(model.bytes()), HasSubstr("Clip has no attribute 'min'"));
  outer.imports = {{"", 10}, {"mine", 1}};  // where the bound was an attribute
  const Graph graph = read(ModelOf{model.nodes, {outer, leaky()}}.bytes()).graph;
  EXPECT_THAT(operators(graph), ElementsAre("LeakyRelu", "Neg", "Clip"));
  EXPECT_EQ(graph.outputs()[0]->producer->input(1)->constant.at<float>(0), 0.5f);
}

TEST(Functions, MayPassAnOperandOn) {
  const FunctionOf same{"mine", "Same", {"a"}, {"a"}, {}};
  EXPECT_THAT(operators(read(ModelOf{{{"mine", "Same", {"x"}, {"y"}}}, {same}}.bytes()).graph),
              ElementsAre("Identity"));
}

TEST(Functions, SayWhatIsWrong) {
  const NodeOf call{"mine", "Leaky", {"x"}, {"y"}, {}, "n"};
  const auto with = [&](FunctionOf function, NodeOf node) { return refusal(ModelOf{{node}, {function}}.bytes()); };
  EXPECT_THAT(refusal(ModelOf{{call}}.bytes()),
              HasSubstr("node 'n' (Leaky): Tercel has no operator 'Leaky' of domain 'mine'"));
  NodeOf node = call;
  node.attributes = {{"steep", {}, 1.0f}};
  EXPECT_THAT(with(leaky(), node), HasSubstr("node 'n' (Leaky): the function has no attribute 'steep'"));
  node = call;
  node.inputs = {"x", "x"};
  EXPECT_THAT(with(leaky(), node), HasSubstr("has 2 inputs and 1 outputs, the function takes 1 and makes 1"));
  FunctionOf function = leaky();
  function.nodes[1].outputs = {"elsewhere"};
  EXPECT_THAT(with(function, call), HasSubstr("output 'y' has no producer"));
  function = leaky();
  function.nodes[0].op = "Frobnicate";
  EXPECT_THAT(with(function, call), HasSubstr("node 'n' (Leaky): node 'n/x' (Frobnicate): Tercel has no operator"));
  function = leaky();
  function.imports = {};
  EXPECT_THAT(with(function, call), HasSubstr("names no opset for the standard operators"));
  function.imports = {{"", 99}};
  EXPECT_THAT(with(function, call), HasSubstr("opset 99; Tercel reads 7 to 22"));
  function = leaky();
  function.domain = "";
  function.name = "Relu";
  EXPECT_THAT(with(function, {"", "Relu", {"x"}, {"y"}}), HasSubstr("defines 'Relu' of the standard domain anew"));
  EXPECT_THAT(refusal(ModelOf{{call}, {leaky(), leaky()}}.bytes()),
              HasSubstr("defines the function 'Leaky' of domain 'mine' twice"));
  EXPECT_THAT(refusal(ModelOf{{{"", "LeakyRelu", {"x"}, {"y"}, {{"alpha", {}, {}, "slope"}}}}}.bytes()),
              HasSubstr("refers to an attribute 'slope' of a function, outside of one"));
}

TEST(Functions, WithoutEndAreStopped) {
  FunctionOf function = leaky();
  function.nodes = {{"mine", "Leaky", {"a"}, {"b"}}};  // calls itself
  EXPECT_THAT(refusal(ModelOf{{{"mine", "Leaky", {"x"}, {"y"}}}, {function}}.bytes()), HasSubstr("more than 32 deep"));
  // Each calls the next ten times: 10^9 nodes in two thousand bytes.
  std::vector<FunctionOf> functions;
  for (int i = 0; i < 9; ++i) {
    FunctionOf next{"mine", std::to_string(i), {"a"}, {"b"}, {}};
    for (int k = 0; k < 10; ++k)
      next.nodes.push_back({i == 8 ? "" : "mine",
                            i == 8 ? "Neg" : std::to_string(i + 1),
                            {"a"},
                            {k == 0 ? "b" : "c" + std::to_string(k)}});
    functions.push_back(next);
  }
  EXPECT_THAT(refusal(ModelOf{{{"mine", "0", {"x"}, {"y"}}}, functions}.bytes()), HasSubstr("too many nodes"));
}

TEST(Functions, AnyByteChangedIsReadOrRefusedButNeverWorse) {
  const std::string bytes =
      ModelOf{{{"mine", "Leaky", {"x"}, {"t"}}, {"ai.tercel", "RowScale", {"t"}, {"y"}}}, {leaky()}}.bytes();
  read(bytes);
  for (size_t at = 0; at < bytes.size(); ++at)
    for (int flip : {0x01, 0x08, 0x80, 0xFF}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      refusal(changed);
    }
}

}  // namespace
}  // namespace tercel::onnx
