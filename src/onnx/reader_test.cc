// The reader against files that break a rule: each must give an Error that says where, and none may crash or allocate
// without bound. Models are made with the writer and with a tiny protobuf builder, so that every byte is ours.

#include "onnx/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <limits>

#include "base/error.h"
#include "base/folder_testing.h"
#include "graph/infer.h"
#include "graph/text.h"
#include "graph/verify.h"
#include "onnx/proto.h"
#include "onnx/tensor_proto.h"
#include "onnx/writer.h"

namespace tercel::onnx {
namespace {

namespace fs = std::filesystem;
using protozero::pbf_builder;
using testing::HasSubstr;

struct NodeText {
  std::string op;
  std::vector<std::string> inputs, outputs;
  std::string name = "n";
  std::string domain;
};

/// A model with one f32 input `x` of 2x3, whatever initializers and nodes, and outputs by name.
struct ModelText {
  int64_t opset = 17, ir_version = 8;
  std::string opset_domain;
  std::vector<std::string> initializers;  // TensorProto messages
  std::vector<NodeText> nodes;
  std::vector<std::string> outputs{"y"};
  std::vector<std::string> inputs{"x"};
  std::vector<int64_t> input_dims{2, 3};

  std::string bytes() const {
    std::string message;
    pbf_builder<ModelField> model(message);
    model.add_int64(ModelField::ir_version, ir_version);
    {
      pbf_builder<OpsetField> import(model, ModelField::opset_import);
      if (!opset_domain.empty()) import.add_string(OpsetField::domain, opset_domain);
      import.add_int64(OpsetField::version, opset);
    }
    pbf_builder<GraphField> graph(model, ModelField::graph);
    for (const NodeText& n : nodes) {
      pbf_builder<NodeField> node(graph, GraphField::node);
      for (const auto& i : n.inputs) node.add_string(NodeField::input, i);
      for (const auto& o : n.outputs) node.add_string(NodeField::output, o);
      node.add_string(NodeField::name, n.name);
      node.add_string(NodeField::op_type, n.op);
      if (!n.domain.empty()) node.add_string(NodeField::domain, n.domain);
    }
    for (const auto& t : initializers) graph.add_message(GraphField::initializer, t);
    for (const auto& i : inputs) port(graph, GraphField::input, i, input_dims);
    for (const auto& o : outputs) port(graph, GraphField::output, o, {});
    return message;
  }

  static void port(pbf_builder<GraphField>& graph, GraphField field, const std::string& name,
                   const std::vector<int64_t>& dims) {
    pbf_builder<ValueInfoField> info(graph, field);
    info.add_string(ValueInfoField::name, name);
    pbf_builder<TypeField> type(info, ValueInfoField::type);
    pbf_builder<TensorTypeField> tensor(type, TypeField::tensor_type);
    tensor.add_int32(TensorTypeField::elem_type, 1);
    if (dims.empty()) return;
    pbf_builder<ShapeField> shape(tensor, TensorTypeField::shape);
    for (int64_t d : dims) {
      pbf_builder<DimField> dim(shape, ShapeField::dim);
      dim.add_int64(DimField::dim_value, d);
    }
  }
};

std::string tensor_message(const std::string& name, const std::vector<int64_t>& dims, int32_t type,
                           const std::string& raw) {
  std::string message;
  pbf_builder<TensorField> tensor(message);
  for (int64_t d : dims) tensor.add_int64(TensorField::dims, d);
  tensor.add_int32(TensorField::data_type, type);
  tensor.add_string(TensorField::name, name);
  tensor.add_bytes(TensorField::raw_data, raw);
  return message;
}

std::string external_message(const std::string& location, const std::string& length = "") {
  std::string message;
  pbf_builder<TensorField> tensor(message);
  tensor.add_int64(TensorField::dims, 3);
  tensor.add_int32(TensorField::data_type, 1);
  tensor.add_string(TensorField::name, "w");
  tensor.add_enum(TensorField::data_location, 1);
  const auto entry = [&](const char* key, const std::string& value) {
    pbf_builder<EntryField> e(tensor, TensorField::external_data);
    e.add_string(EntryField::key, key);
    e.add_string(EntryField::value, value);
  };
  entry("location", location);
  if (!length.empty()) entry("length", length);
  return message;
}

ReadResult read(const std::string& bytes) {
  // A copy of exactly this size, so that the address sanitizer sees every byte read too far.
  auto owner = std::make_shared<std::vector<char>>(bytes.begin(), bytes.end());
  return read_model(std::as_bytes(std::span(*owner)), owner);
}

void expect_refusal(const std::string& bytes, const std::string& words) {
  try {
    read(bytes);
    FAIL() << "was read; wanted: " << words;
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr(words));
  }
}

const NodeText kRelu{"Relu", {"x"}, {"y"}};

TEST(Reader, ReadsASmallModelAndWritesItBack) {
  ModelText text;
  text.initializers = {tensor_message("w", {3}, 1, std::string(12, '\0'))};
  text.nodes = {{"Add", {"x", "w"}, {"t"}}, {"Relu", {"t"}, {"y"}}};
  const ReadResult first = read(text.bytes());
  verify(first.graph, "reading");
  EXPECT_EQ(to_string(first.graph.outputs()[0]->type), "f32[2x3]");
  const ReadResult second = read(write_model(first.graph));
  EXPECT_EQ(print(first.graph), print(second.graph));
}

TEST(Writer, KeepsUnknownAxesAndScalars) {
  const Graph graph =
      parse_graph("input %x : f32[?x3]\ninput %s : f32[]\n%y : f32[?x3] = Add(%x, %s)\noutput %y\noutput %s\n");
  const ReadResult back = read(write_model(graph));
  EXPECT_EQ(back.graph.inputs()[0]->type, graph.inputs()[0]->type);
  EXPECT_EQ(back.graph.inputs()[1]->type, graph.inputs()[1]->type);
}

// ONNX's shape inference counts windows that start in the padding; ONNX Runtime and Tercel leave them out.
TEST(Writer, PoolsAreWrittenWithoutWindowsThatStartInThePadding) {
  const auto written = [](const char* extents, const char* attributes) {
    const Graph graph = parse_graph(
        fmt::format("input %x : f32[1x2x{}]\n%y : f32[?x?x?x?] = AveragePool(%x) {{kernel_shape = [3, 3], strides = "
                    "[3, 3], pads = [1, 1, 1, 1], ceil_mode = {}}}\noutput %y\n",
                    extents, attributes));
    Graph typed = graph.clone();
    infer_types(typed);
    ReadResult back = read(write_model(typed));
    EXPECT_EQ(to_string(back.graph.outputs()[0]->type), to_string(typed.outputs()[0]->type));
    return back.graph.nodes()[0]->attrs;
  };
  // 5: windows start at -1, 2 and 5, where the input ends; 6: the last one reads an element of the input.
  EXPECT_FALSE(written("5x5", "1").get_bool("ceil_mode"));
  EXPECT_TRUE(written("6x6", "1").get_bool("ceil_mode"));
  const Attrs mixed = written("5x6", "1");
  EXPECT_TRUE(mixed.get_bool("ceil_mode"));
  EXPECT_EQ(mixed.get_ints("pads"), (std::vector<int64_t>{1, 1, 0, 1}));
  EXPECT_TRUE(written("?x5", "1").get_bool("ceil_mode"));
}

TEST(Reader, SaysThatInputsWithDefaultsCanNoLongerBeGiven) {
  ModelText text;
  text.initializers = {tensor_message("w", {2, 3}, 1, std::string(24, '\0'))};
  text.nodes = {{"Add", {"x", "w"}, {"y"}}};
  text.inputs = {"x", "w"};
  const ReadResult result = read(text.bytes());
  EXPECT_EQ(result.graph.inputs().size(), 1u);
  ASSERT_EQ(result.warnings.size(), 1u);
  EXPECT_THAT(result.warnings[0], HasSubstr("'w'"));
  EXPECT_THAT(result.warnings[0], HasSubstr("constant here"));
  text.ir_version = 3;  // when all initializers were inputs
  EXPECT_TRUE(read(text.bytes()).warnings.empty());
}

TEST(Reader, SortsNodesThatComeTooEarly) {
  ModelText text;
  text.nodes = {{"Relu", {"t"}, {"y"}}, {"Neg", {"x"}, {"t"}}};
  const ReadResult result = read(text.bytes());
  verify(result.graph, "reading");
  EXPECT_EQ(result.graph.nodes()[0]->op, "Neg");
}

TEST(Reader, TruncatedAtEveryByteIsAnError) {
  ModelText text;
  text.initializers = {tensor_message("w", {3}, 1, std::string(12, '\0'))};
  text.nodes = {{"Add", {"x", "w"}, {"y"}}};
  const std::string bytes = text.bytes();
  for (size_t length = 0; length < bytes.size(); ++length) EXPECT_THROW(read(bytes.substr(0, length)), Error) << length;
}

TEST(Reader, AnyByteChangedIsReadOrRefusedButNeverWorse) {
  ModelText text;
  text.initializers = {tensor_message("w", {3}, 1, std::string(12, '\0'))};
  text.nodes = {{"Add", {"x", "w"}, {"y"}}};
  const std::string bytes = text.bytes();
  int read_fine = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    for (int flip : {0x01, 0x08, 0x80, 0xFF}) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(changed[at] ^ flip);
      try {
        verify(read(changed).graph, "reading");
        ++read_fine;
      } catch (const Error&) {
      }
    }
  }
  EXPECT_GT(read_fine, 0);
}

TEST(Reader, SaysWhatIsWrongWithTheGraph) {
  ModelText text;
  text.nodes = {{"Relu", {"b"}, {"a"}}, {"Relu", {"a"}, {"b"}}, {"Add", {"x", "a"}, {"y"}}};
  expect_refusal(text.bytes(), "cycle");
  text.nodes = {{"Relu", {"nowhere"}, {"y"}}};
  expect_refusal(text.bytes(), "node 'n' (Relu): reads 'nowhere', which nothing makes");
  text.nodes = {kRelu, kRelu};
  expect_refusal(text.bytes(), "makes 'y', which is made already");
  text.nodes = {{"Relu", {"x"}, {"x"}}};
  expect_refusal(text.bytes(), "makes 'x', which is made already");
  text.nodes = {{"Relu", {"x", "x"}, {"y"}}};
  expect_refusal(text.bytes(), "has 2 inputs, Relu takes 1 to 1");
  text.nodes = {{"Relu", {""}, {"y"}}};
  expect_refusal(text.bytes(), "Relu");
  text.nodes = {{"Frobnicate", {"x"}, {"y"}}};
  expect_refusal(text.bytes(), "node 'n' (Frobnicate): Tercel has no operator 'Frobnicate'");
  text.nodes = {{"FusedAdd", {"x", "x"}, {"y"}}};  // ours, not ONNX's
  expect_refusal(text.bytes(), "no operator 'FusedAdd'");
  text.nodes = {{"Relu", {"x"}, {"y"}, "n", "com.example"}};
  expect_refusal(text.bytes(), "node 'n' (Relu): Tercel has no operator 'Relu' of domain 'com.example'");
  text.opset_domain = "com.example";  // and nothing else is imported
  expect_refusal(text.bytes(), "node 'n' (Relu): Tercel has no operator 'Relu' of domain 'com.example'");
  text.nodes = {kRelu};
  expect_refusal(text.bytes(), "names no opset for the standard operators");
  text.opset_domain.clear();
  text.nodes = {kRelu};
  text.outputs = {"z"};
  expect_refusal(text.bytes(), "output 'z' has no producer");
  text.outputs = {};
  expect_refusal(text.bytes(), "no output");
  text.outputs = {"y"};
  text.inputs = {"x", "x"};
  expect_refusal(text.bytes(), "duplicate input 'x'");
}

TEST(Reader, NamesItMakesGiveWayToTheFiles) {
  ModelText text;
  text.opset = 11;
  text.nodes = {{"Softmax", {"x"}, {"s"}},
                {"Relu", {"s"}, {"Flatten"}},
                {"Relu", {"Flatten"}, {"Reshape"}},
                {"Relu", {"Reshape"}, {"y"}}};
  const ReadResult result = read(text.bytes());
  verify(result.graph, "reading");
  for (const char* name : {"Flatten", "Reshape", "y"}) EXPECT_TRUE(result.graph.find_value(name)->producer->is("Relu"));
  text.nodes = {{"Squeeze", {"x"}, {"s"}}, {"Softmax", {"s"}, {"t"}}, {"Add", {"t", "Flatten"}, {"y"}}};
  expect_refusal(text.bytes(), "'Flatten', which nothing makes");
}

TEST(Reader, ResultsLeftOutThatHaveToBeThereAreMade) {
  ModelText text;
  text.nodes = {{"Shape", {"x"}, {""}}, {"Relu", {"x"}, {"y"}}};
  const ReadResult shape = read(text.bytes());
  verify(shape.graph, "reading");
  for (const auto& node : shape.graph.nodes()) EXPECT_NE(node->output(), nullptr);
  text.nodes = {{"Split", {"x"}, {"a", "", "b"}}, {"Add", {"a", "b"}, {"y"}}};
  text.input_dims = {3, 3};
  const ReadResult split = read(text.bytes());
  for (const auto& node : split.graph.nodes())
    for (const Value* result : node->outputs) EXPECT_NE(result, nullptr) << node->op;
}

/// What older opsets meant by the same words.
TEST(Reader, RegionsBeforeOpset16AreNotMovedByHalfAPixel) {
  for (int64_t opset : {10, 15, 16}) {
    ModelText text;
    text.opset = opset;
    text.input_dims = {1, 1, 4, 4};
    text.initializers = {tensor_message("rois", {1, 4}, 1, std::string(16, '\0')),
                         tensor_message("of", {1}, 7, std::string(8, '\0'))};
    text.nodes = {{"RoiAlign", {"x", "rois", "of"}, {"y"}}};
    const ReadResult result = read(text.bytes());
    EXPECT_EQ(result.graph.nodes()[0]->attrs.get_string("coordinate_transformation_mode"),
              opset < 16 ? "output_half_pixel" : "half_pixel");
    EXPECT_GE(needed_opset(result.graph), 16);
  }
}

TEST(Writer, AsksForTheOpsetOfWhatIsSaid) {
  const auto opset_of = [](const std::string& node) {
    Graph graph = parse_graph("input %x : f32[3x4]\n" + node + "\noutput %y\n");
    return needed_opset(graph);
  };
  EXPECT_EQ(opset_of("%y : i64[2] = Shape(%x)"), 13);
  EXPECT_EQ(opset_of("%y : i64[1] = Shape(%x) {start = 1}"), 15);
  EXPECT_EQ(opset_of("%y, %z : f32[1x4], f32[2x4] = Split(%x) {num_outputs = 2}"), 18);
  EXPECT_EQ(opset_of("%y, %z : f32[3x2], f32[3x2] = Split(%x) {axis = 1, num_outputs = 2}"), 13);
}

TEST(Writer, AsksForTheOpsetThatHasTheTypes) {
  const auto opset_of = [](const std::string& text) { return needed_opset(parse_graph(text)); };
  const auto unary = [&](const std::string& op, const std::string& type, const std::string& result) {
    return opset_of(fmt::format("input %x : {}[2x3]\n%y : {}[2x3] = {}(%x)\noutput %y\n", type, result, op));
  };
  const auto binary = [&](const std::string& op, const std::string& type) {
    return opset_of(fmt::format("input %x : {0}[2]\n%y : {0}[2] = {1}(%x, %x)\noutput %y\n", type, op));
  };
  for (const char* op : {"Add", "Sub", "Mul", "Div"}) {
    for (const char* type : {"f32", "bf16", "i32", "u64"}) EXPECT_EQ(binary(op, type), 13) << op << type;
    for (const char* type : {"i8", "u8", "i16", "u16"}) EXPECT_EQ(binary(op, type), 14) << op << type;
  }
  EXPECT_EQ(binary("PRelu", "bf16"), 16);
  EXPECT_EQ(unary("Relu", "f32", "f32"), 13);
  EXPECT_EQ(unary("Relu", "i8", "i8"), 14);
  EXPECT_EQ(unary("LeakyRelu", "bf16", "bf16"), 16);
  EXPECT_EQ(unary("IsInf", "f16", "bool"), 20);
  EXPECT_EQ(unary("Round", "bf16", "bf16"), 22);
  EXPECT_EQ(unary("Sqrt", "bf16", "bf16"), 13);
  EXPECT_EQ(opset_of("input %x : bool[2]\n%y : bool[1] = ReduceMax(%x)\noutput %y\n"), 20);
  EXPECT_THROW(unary("Celu", "f64", "f64"), Error);  // no opset up to 22 has it
  const auto quantize = [&](const std::string& x, const std::string& scale, const std::string& zero) {
    return opset_of(
        fmt::format("input %x : {0}[2]\ninput %s : {1}[]\ninput %z : {2}[]\n"
                    "%y : {2}[2] = QuantizeLinear(%x, %s, %z)\noutput %y\n",
                    x, scale, zero));
  };
  EXPECT_EQ(quantize("f32", "f32", "u8"), 13);
  EXPECT_EQ(quantize("f16", "f16", "u8"), 19);
  EXPECT_EQ(quantize("f32", "f32", "u16"), 21);
  EXPECT_EQ(quantize("i32", "f32", "u8"), 13);
  EXPECT_THROW(quantize("i32", "f32", "u16"), Error);  // 16 bits came when the scale had to have the data's type
}

TEST(Writer, AsksForTheOpsetThatHasTheWords) {
  const auto opset_of = [](const std::string& node) {
    return needed_opset(
        parse_graph("input %x : f32[1x1x4x4]\ninput %g : f32[1x2x2x2]\ninput %p : i64[8]\n" + node + "\noutput %y\n"));
  };
  EXPECT_EQ(opset_of("%y : f32[1x1x2x2] = GridSample(%x, %g)"), 16);
  EXPECT_EQ(opset_of("%y : f32[1x1x2x2] = GridSample(%x, %g) {mode = \"nearest\"}"), 16);
  EXPECT_EQ(opset_of("%y : f32[1x1x2x2] = GridSample(%x, %g) {mode = \"cubic\"}"), 20);
  EXPECT_EQ(opset_of("%y : f32[?x?x?x?] = Pad(%x, %p) {mode = \"edge\"}"), 13);
  EXPECT_EQ(opset_of("%y : f32[?x?x?x?] = Pad(%x, %p) {mode = \"wrap\"}"), 19);
}

TEST(Reader, GridSampleBeforeOpset20HadOtherWords) {
  for (int64_t opset : {16, 20}) {
    ModelText text;
    text.opset = opset;
    text.input_dims = {1, 1, 4, 2};
    text.nodes = {{"GridSample", {"x", "x"}, {"y"}}};
    const ReadResult result = read(text.bytes());
    EXPECT_EQ(result.graph.nodes()[0]->attrs.get_string("mode"), "linear");
    EXPECT_EQ(needed_opset(result.graph), 16);  // both call the default so
  }
}

TEST(Reader, SaysWhichOpsetsItReads) {
  ModelText text;
  text.nodes = {kRelu};
  for (int64_t opset : {int64_t{6}, int64_t{23}, int64_t{-1}, std::numeric_limits<int64_t>::max()}) {
    text.opset = opset;
    expect_refusal(text.bytes(), "Tercel reads 7 to 22");
  }
}

TEST(Reader, RefusesAbsurdShapes) {
  ModelText text;
  text.nodes = {kRelu};
  text.input_dims = {int64_t{1} << 40, int64_t{1} << 40};
  expect_refusal(text.bytes(), "too many elements");
  text.input_dims = {-7, 3};
  expect_refusal(text.bytes(), "extent of -7");
  text.input_dims = std::vector<int64_t>(1000, 1);
  expect_refusal(text.bytes(), "axes");
}

TEST(Reader, RefusesWrongInitialisers) {
  ModelText text;
  text.nodes = {{"Add", {"x", "w"}, {"y"}}};
  const auto with = [&](std::string tensor) {
    text.initializers = {std::move(tensor)};
    return text.bytes();
  };
  expect_refusal(with(tensor_message("w", {3}, 1, std::string(11, '\0'))),
                 "tensor 'w': has 11 bytes, shape 3 of f32 needs 12");
  expect_refusal(with(tensor_message("w", {-3}, 1, "")), "negative");
  expect_refusal(with(tensor_message("w", {int64_t{1} << 62, 4}, 1, "")), "too many elements");
  expect_refusal(with(tensor_message("w", {1 << 30}, 1, "")), "needs 4294967296");
  expect_refusal(with(tensor_message("w", {3}, 8, "")), "string");
  expect_refusal(with(tensor_message("w", {3}, 99, "")), "unknown (99)");
  expect_refusal(with(tensor_message("", {3}, 1, std::string(12, '\0'))), "no name");
  text.initializers = {tensor_message("w", {3}, 1, std::string(12, '\0')),
                       tensor_message("w", {3}, 1, std::string(12, '\0'))};
  expect_refusal(text.bytes(), "duplicate initializer 'w'");
  // Typed data that promises far more than the file holds must not be allocated.
  std::string empty;
  pbf_builder<TensorField> tensor(empty);
  tensor.add_int64(TensorField::dims, int64_t{1} << 38);
  tensor.add_int32(TensorField::data_type, 1);
  tensor.add_string(TensorField::name, "w");
  expect_refusal(with(empty), "promises");
}

TEST(Reader, WarnsOfWeightsThatAreNotNumbers) {
  ModelText text;
  const float weights[3] = {1, std::numeric_limits<float>::quiet_NaN(), 2};
  text.initializers = {
      tensor_message("w", {3}, 1, std::string(reinterpret_cast<const char*>(weights), sizeof(weights)))};
  text.nodes = {{"Add", {"x", "w"}, {"y"}}};
  const auto warnings = read(text.bytes()).warnings;
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(warnings[0], HasSubstr("'w': 1 of 3 elements are NaN"));
}

class ExternalData : public testing::Test {
 protected:
  ExternalData() {
    fs::create_directories(root_ / "model");
    const float values[3] = {1, 2, 3};
    write(root_ / "model" / "weights.bin", std::string(reinterpret_cast<const char*>(values), sizeof(values)));
    write(root_ / "secret.bin", std::string(12, 'x'));
    fs::create_symlink(root_ / "secret.bin", root_ / "model" / "link.bin");
  }
  static void write(const fs::path& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

  ReadResult read_with(const std::string& location, const std::string& length = "") {
    ModelText text;
    text.initializers = {external_message(location, length)};
    text.nodes = {{"Add", {"x", "w"}, {"y"}}};
    write(root_ / "model" / "m.onnx", text.bytes());
    return read_model(root_ / "model" / "m.onnx");
  }
  std::string refusal(const std::string& location, const std::string& length = "") {
    try {
      read_with(location, length);
      return "was read";
    } catch (const Error& error) {
      return error.what();
    }
  }

  TemporaryFolder temporary_{"external"};
  const fs::path& root_ = temporary_.path();
};

TEST_F(ExternalData, IsReadFromTheModelsFolder) {
  EXPECT_EQ(read_with("weights.bin").graph.find_value("w")->constant.at<float>(2), 3.0f);
  EXPECT_EQ(read_with("./weights.bin", "12").graph.find_value("w")->constant.at<float>(0), 1.0f);
}

TEST_F(ExternalData, NeverLeavesTheModelsFolder) {
  for (const std::string& location : {std::string("../secret.bin"), std::string("a/../../secret.bin"),
                                      (root_ / "secret.bin").string(), std::string("link.bin"), std::string("")})
    EXPECT_THAT(refusal(location), HasSubstr("outside the model's folder")) << location;
}

TEST_F(ExternalData, SaysWhatIsWrong) {
  EXPECT_THAT(refusal("absent.bin"), HasSubstr("absent.bin"));
  EXPECT_THAT(refusal("weights.bin", "8"), HasSubstr("holds 8 bytes"));
  EXPECT_THAT(refusal("weights.bin", "-1"), HasSubstr("wanted a count of bytes"));
  EXPECT_THAT(refusal("weights.bin", "12"), testing::StrEq("was read"));
}

TEST(TensorFile, RoundTrips) {
  const fs::path path = fs::temp_directory_path() / ("tercel_tensor_" + std::to_string(::getpid()) + ".pb");
  const Tensor tensor = Tensor::of<int64_t>({2, 2}, {1, -2, 3, std::numeric_limits<int64_t>::min()});
  write_tensor_file(path, {"t", tensor});
  const NamedTensor back = read_tensor_file(path);
  EXPECT_EQ(back.name, "t");
  EXPECT_EQ(back.tensor, tensor);
  fs::remove(path);
}

}  // namespace
}  // namespace tercel::onnx
