#include "onnx/opset_needs.h"

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "base/error.h"
#include "graph/op.h"
#include "onnx/reader.h"

namespace tercel::onnx {
namespace {

// --- attributes ---

/// Attributes that are not what they were before they existed.
struct Later {
  std::string_view op, attribute;
  int64_t since;
};
constexpr Later kLaterAttributes[] = {{"Reshape", "allowzero", 14},
                                      {"Shape", "start", 15},
                                      {"Shape", "end", 15},
                                      {"ScatterElements", "reduction", 16},
                                      {"ScatterND", "reduction", 16},
                                      {"LpPool", "ceil_mode", 18},
                                      {"LpPool", "dilations", 18},
                                      {"Resize", "antialias", 18},
                                      {"Resize", "axes", 18},
                                      {"Resize", "keep_aspect_ratio_policy", 18},
                                      {"AveragePool", "dilations", 19}};

/// Values that an attribute took on later than it existed.
struct LaterValue {
  std::string_view op, attribute, value;
  int64_t since;
};
constexpr LaterValue kLaterValues[] = {
    {"ScatterElements", "reduction", "max", 18},
    {"ScatterElements", "reduction", "min", 18},
    {"ScatterND", "reduction", "max", 18},
    {"ScatterND", "reduction", "min", 18},
    {"Pad", "mode", "wrap", 19},
    {"Resize", "coordinate_transformation_mode", "half_pixel_symmetric", 19},
    {"GridSample", "mode", "cubic", 20},
};

int64_t opset_of_attributes(const Node& node) {
  int64_t opset = 0;
  for (const Later& later : kLaterAttributes) {
    const Attr* value = node.is(later.op) ? node.attrs.find(later.attribute) : nullptr;
    if (value != nullptr && !is_default(*node.spec, later.attribute, *value)) opset = std::max(opset, later.since);
  }
  for (const LaterValue& later : kLaterValues)
    if (node.is(later.op) && node.attrs.get_string(later.attribute) == later.value)
      opset = std::max(opset, later.since);
  return opset;
}

// --- element types ---

/// Element types of operands ("Op", "Op:operand") and results ("Op>result"): what they may be from the operator's first
/// opset on, and what came later ("22: bf16"). Facts of the ONNX standard, opset 13 to 22. Operands that must have the
/// type of another are not listed, nor those that may have any type. "floats" is f32 f64 f16.
struct Types {
  std::string_view places, types;
};
constexpr Types kTypes[] = {
    {"Acos Acosh Asin Asinh Atan Atanh AveragePool Conv ConvTranspose Cos Cosh Det Elu GlobalAveragePool GlobalLpPool "
     "GlobalMaxPool HardSigmoid InstanceNormalization LpNormalization LpPool MaxUnpool NegativeLogLikelihoodLoss Round "
     "Selu Sin Sinh Softplus Softsign Tan ThresholdedRelu GRU LSTM RNN HardSwish GridSample:1 RoiAlign Mish",
     "floats 22: bf16"},
    {"Ceil Erf Exp Floor Hardmax IsNaN LRN Log LogSoftmax Mean MeanVarianceNormalization Reciprocal Sigmoid Softmax "
     "SoftmaxCrossEntropyLoss Sqrt Sum Tanh Gelu GroupNormalization LayerNormalization",
     "floats bf16"},
    {"BatchNormalization BatchNormalization:1 BatchNormalization:3", "floats 14: bf16"},
    {"LeakyRelu", "floats 16: bf16"},
    {"Resize:1", "floats"},
    {"Celu DynamicQuantizeLinear NonMaxSuppression QLinearConv:1 Resize:2", "f32"},
    {"Relu", "floats bf16 14: signed"},
    {"Neg", "floats bf16 signed"},
    {"IsInf", "f32 f64 20: f16 bf16"},
    {"Abs ArgMax ArgMin Clip Greater Less Max Min Mod Sign", "floats bf16 signed unsigned"},
    {"GreaterOrEqual LessOrEqual", "floats signed unsigned 16: bf16"},
    {"Pow", "floats bf16 i32 i64"},
    {"Pow:1", "floats signed unsigned 15: bf16"},
    {"Einsum OneHot OneHot:1 Shrink TopK", "floats signed unsigned"},
    {"Add Div Mul Sub", "floats bf16 i32 u32 i64 u64 14: i8 u8 i16 u16"},
    {"Gemm MatMul ReduceSum ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMean ReduceProd ReduceSumSquare",
     "floats bf16 i32 u32 i64 u64"},
    {"ReduceMax ReduceMin", "floats bf16 i8 u8 i32 u32 i64 u64 20: bool"},
    {"CumSum", "f32 f64 i32 u32 i64 u64 14: f16 bf16"},
    {"PRelu", "floats i32 u32 i64 u64 16: bf16"},
    {"Range", "f32 f64 i16 i32 i64"},
    {"MaxPool", "floats i8 u8 22: bf16"},
    {"BitShift", "unsigned"},
    {"BitwiseAnd BitwiseNot BitwiseOr BitwiseXor", "signed unsigned"},
    {"Compress OneHot:2 ReverseSequence Unique", "floats signed unsigned bool"},
    {"Where:1", "floats signed unsigned bool 16: bf16"},
    {"ConstantOfShape>0", "floats signed unsigned bool 20: bf16"},
    {"EyeLike EyeLike>0 GridSample", "floats signed unsigned bool 22: bf16"},
    {"QuantizeLinear", "f32 i32 19: f16 bf16"},
    {"QuantizeLinear:1", "f32 19: f16 bf16 i32"},
    {"QuantizeLinear:2 QuantizeLinear>0", "i8 u8 21: i16 u16"},
    {"DequantizeLinear", "i8 u8 i32 21: i16 u16"},
    {"DequantizeLinear:1", "f32 19: f16 bf16"},
    {"QLinearMatMul:1", "f32 21: f16 bf16"},
    {"ConvInteger ConvInteger:1 MatMulInteger MatMulInteger:1 QLinearConv QLinearConv:3 QLinearConv:7 QLinearMatMul "
     "QLinearMatMul:3 QLinearMatMul:7",
     "i8 u8"},
    {"BlackmanWindow HammingWindow HannWindow", "i32 i64"},
    {"BlackmanWindow>0 HammingWindow>0 HannWindow>0", "floats bf16 signed unsigned"},
    {"GatherND:1 ScatterND:1", "i64"},
};

using Since = std::map<DType, int64_t>;

Since parse_types(std::string_view types) {
  static const std::map<std::string_view, std::vector<DType>> kGroups = {
      {"floats", {DType::f32, DType::f64, DType::f16}},
      {"signed", {DType::i8, DType::i16, DType::i32, DType::i64}},
      {"unsigned", {DType::u8, DType::u16, DType::u32, DType::u64}}};
  Since since;
  int64_t opset = 0;
  std::istringstream words{std::string(types)};
  for (std::string word; words >> word;) {
    if (word.back() == ':') {
      opset = std::stoll(word);
      continue;
    }
    const auto group = kGroups.find(word);
    for (DType dtype : group != kGroups.end() ? group->second : std::vector<DType>{parse_dtype(word)}) {
      TERCEL_CHECK(dtype != DType::none, "no element type '{}'", word);
      since.emplace(dtype, opset);
    }
  }
  return since;
}

const std::map<std::string, Since, std::less<>>& types_by_place() {
  static const auto kByPlace = [] {
    std::map<std::string, Since, std::less<>> by_place;
    for (const Types& row : kTypes) {
      std::istringstream places{std::string(row.places)};
      for (std::string place; places >> place;) {
        if (place.find_first_of(":>") == std::string::npos) place += ":0";
        TERCEL_CHECK(by_place.emplace(place, parse_types(row.types)).second, "{} stands in the table twice", place);
      }
    }
    return by_place;
  }();
  return kByPlace;
}

int64_t opset_of_type(const Node& node, const Value* value, char side, size_t place) {
  if (value == nullptr || value->type.dtype == DType::none) return 0;
  const auto row = types_by_place().find(fmt::format("{}{}{}", node.op, side, place));
  if (row == types_by_place().end()) return 0;
  const auto since = row->second.find(value->type.dtype);
  if (since == row->second.end())
    fail_unsupported("{}: no opset up to {} has {} for {} {}", node.describe(), kNewestOpset,
                     to_string(value->type.dtype), side == '>' ? "result" : "operand", place);
  return since->second;
}

int64_t opset_of_types(const Node& node) {
  int64_t opset = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) opset = std::max(opset, opset_of_type(node, node.inputs[i], ':', i));
  for (size_t i = 0; i < node.outputs.size(); ++i)
    opset = std::max(opset, opset_of_type(node, node.outputs[i], '>', i));
  return opset;
}

bool differ(const Node& node, size_t a, size_t b) {
  const Value* x = node.input(a);
  const Value* y = node.input(b);
  return x != nullptr && y != nullptr && x->type.dtype != y->type.dtype;
}

}  // namespace

OpsetRange allowed_opsets(const Node& node) {
  OpsetRange range{std::max({int64_t{node.spec->since}, opset_of_attributes(node), opset_of_types(node)}),
                   kNewestOpset};
  const auto since = [&](int64_t opset) { range.since = std::max(range.since, opset); };
  if (node.is("Pad") && node.input(3) != nullptr) since(18);  // axes
  if (node.is("GridSample") && node.input(0)->type.ranked && node.input(0)->type.dims.size() != 4) since(20);
  // Statistics of another type than the data came with 14, scale and bias of another with 15.
  if (node.is("BatchNormalization") && (differ(node, 0, 3) || differ(node, 0, 4))) since(14);
  if (node.is("BatchNormalization") && (differ(node, 0, 1) || differ(node, 0, 2))) since(15);
  // Since 19 the scale has the type of the data, which is how integers can no longer have a real one.
  if (node.is("QuantizeLinear") && differ(node, 0, 1)) range.until = 18;
  // Unequal parts that no operand tells: before, the number of results meant equal ones.
  if (node.is("Split") && node.input(1) == nullptr && node.input(0)->type.ranked) {
    const Dims& dims = node.input(0)->type.dims;
    const int64_t extent =
        dims[static_cast<size_t>(normalize_axis(node.attrs.get_int("axis"), static_cast<int64_t>(dims.size())))];
    if (extent != kUnknown && extent % static_cast<int64_t>(node.outputs.size()) != 0) since(18);
  }
  if (range.since > range.until)
    fail_unsupported("{}: needs opset {} for one part and at most {} for another", node.describe(), range.since,
                     range.until);
  return range;
}

}  // namespace tercel::onnx
