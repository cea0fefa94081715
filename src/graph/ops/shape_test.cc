#include <gtest/gtest.h>

#include <limits>

#include "graph/ops/families.h"
#include "graph/ops/rule_testing.h"

namespace tercel::inline graph {
namespace {

constexpr int64_t kU = kUnknown;
constexpr int64_t kLow = std::numeric_limits<int64_t>::min();
constexpr int64_t kHigh = std::numeric_limits<int64_t>::max();
const std::monostate kAbsent;

Attrs axis(int64_t value) { return {{"axis", value}}; }

TEST(ShapeRules, Reshape) {
  EXPECT_EQ(rule("Reshape", {f32({2, 3, 4}), ints({0, -1})}), "f32[2x12]");
  EXPECT_EQ(rule("Reshape", {f32({kU, 3, 4}), ints({0, -1})}), "f32[?x12]");
  EXPECT_EQ(rule("Reshape", {f32({kU, 3, 4}), ints({-1, 12})}), "f32[?x12]");
  EXPECT_EQ(rule("Reshape", {f32({0, 3}), ints({0, 4})}), "f32[0x4]");
  EXPECT_EQ(rule("Reshape", {f32({0, 3}), ints({3, -1})}), "f32[3x0]");
  EXPECT_EQ(rule("Reshape", {f32({0, 3}), ints({7, 0})}, {{"allowzero", int64_t{1}}}), "f32[7x0]");
  EXPECT_EQ(rule("Reshape", {f32({1}), ints({})}), "f32[]");
  EXPECT_EQ(rule("Reshape", {unranked(), ints({2, 0, -1})}), "f32[2x?x?]");
  EXPECT_EQ(rule("Reshape", {f32({2, 3}), i64({3})}), "f32[?x?x?]");
  EXPECT_EQ(rule("Reshape", {f32({2, 3}), i64({kU})}), "f32[...]");
  EXPECT_THROW(rule("Reshape", {f32({2, 3}), ints({5})}), Error);
  EXPECT_THROW(rule("Reshape", {f32({2, 3}), ints({4, -1})}), Error);
  EXPECT_THROW(rule("Reshape", {f32({2, 3}), ints({-1, -1})}), Error);
  EXPECT_THROW(rule("Reshape", {f32({2, 3}), ints({-2, 3})}), Error);
  EXPECT_THROW(rule("Reshape", {f32({6}), ints({6, 0})}), Error);
  EXPECT_THROW(rule("Reshape", {f32({0}), ints({0, -1})}, {{"allowzero", int64_t{1}}}), Error);
  EXPECT_THROW(rule("Reshape", {f32({6}), i64({int64_t{1} << 40})}), Error);
  EXPECT_THROW(rule("Reshape", {f32({6}), Tensor::of<float>({1}, {6})}), Error);
}

TEST(ShapeRules, FlattenSqueezeUnsqueeze) {
  EXPECT_EQ(rule("Flatten", {f32({2, 3, 4})}, axis(-1)), "f32[6x4]");
  EXPECT_EQ(rule("Flatten", {f32({2, 3, 4})}, axis(0)), "f32[1x24]");
  EXPECT_EQ(rule("Flatten", {f32({2, kU, 4})}, axis(1)), "f32[2x?]");
  EXPECT_THROW(rule("Flatten", {f32({2, 3})}, axis(3)), Error);
  EXPECT_EQ(rule("Squeeze", {f32({1, 3, 1}), ints({-1})}), "f32[1x3]");
  EXPECT_EQ(rule("Squeeze", {f32({1, 3, 1})}), "f32[3]");
  EXPECT_EQ(rule("Squeeze", {f32({1, kU})}), "f32[...]");
  EXPECT_EQ(rule("Squeeze", {f32({1, kU, 4}), i64({2})}), "f32[?]");
  EXPECT_THROW(rule("Squeeze", {f32({1, 3}), ints({1})}), Error);
  EXPECT_THROW(rule("Squeeze", {f32({1, 3}), ints({0, -2})}), Error);
  EXPECT_EQ(rule("Unsqueeze", {f32({3}), ints({-1, 0})}), "f32[1x3x1]");
  EXPECT_THROW(rule("Unsqueeze", {f32({3}), ints({3, 0})}), Error);
}

TEST(ShapeRules, Slice) {
  EXPECT_EQ(rule("Slice", {f32({10}), ints({kLow}), ints({kHigh}), kAbsent, ints({3})}), "f32[4]");
  EXPECT_EQ(rule("Slice", {f32({10}), ints({kHigh}), ints({kLow}), ints({0}), ints({-1})}), "f32[10]");
  EXPECT_EQ(rule("Slice", {f32({10}), ints({kHigh}), ints({kLow}), ints({0}), ints({kLow})}), "f32[1]");
  EXPECT_EQ(rule("Slice", {f32({10}), ints({-3}), ints({-1})}), "f32[2]");
  EXPECT_EQ(rule("Slice", {f32({0, 4}), ints({0}), ints({5}), ints({0}), ints({-2})}), "f32[0x4]");
  EXPECT_EQ(rule("Slice", {f32({kU, 4}), ints({0, 1}), ints({5, 3})}), "f32[?x2]");
  EXPECT_EQ(rule("Slice", {f32({8, 4}), i64({1}), ints({5}), ints({1})}), "f32[8x?]");
  EXPECT_EQ(rule("Slice", {f32({8, 4}), i64({kU}), i64({kU})}), "f32[?x?]");
  EXPECT_THROW(rule("Slice", {f32({8}), ints({0}), ints({5}), ints({0}), ints({0})}), Error);
  EXPECT_THROW(rule("Slice", {f32({8}), ints({0, 0}), ints({5, 5}), ints({0, 0})}), Error);
  EXPECT_THROW(rule("Slice", {f32({8}), ints({0}), ints({5, 5})}), Error);
  EXPECT_THROW(rule("Slice", {f32({8}), ints({0}), ints({5}), ints({1})}), Error);
}

TEST(ShapeRules, SplitAndConcat) {
  const auto split = [](std::vector<RuleOperand> operands, Attrs attrs, size_t outputs) {
    std::string text;
    for (const ValueType& type : run_rule("Split", operands, std::move(attrs), outputs)) text += to_string(type) + " ";
    return text;
  };
  EXPECT_EQ(split({f32({2, 5}), ints({1, 4})}, axis(1), 2), "f32[2x1] f32[2x4] ");
  EXPECT_EQ(split({f32({5})}, {{"num_outputs", int64_t{4}}}, 4), "f32[2] f32[2] f32[1] f32[0] ");
  EXPECT_EQ(split({f32({kU})}, {}, 2), "f32[?] f32[?] ");
  EXPECT_THROW(split({f32({5})}, {}, 2), Error);
  EXPECT_THROW(split({f32({5}), ints({2, 2})}, {}, 2), Error);
  EXPECT_THROW(split({f32({5}), ints({6, -1})}, {}, 2), Error);
  EXPECT_THROW(split({f32({5}), ints({5})}, {}, 2), Error);
  EXPECT_EQ(rule("Concat", {f32({2, kU}), f32({kU, 3}), f32({4, kU})}, axis(0)), "f32[?x3]");
  EXPECT_EQ(rule("Concat", {f32({2, 3}), unranked()}, axis(-1)), "f32[2x?]");
  EXPECT_EQ(rule("Concat", {f32({2, 3}), f32({0, 3})}, axis(0)), "f32[2x3]");
  EXPECT_THROW(rule("Concat", {f32({2, 3}), f32({2, 4})}, axis(0)), Error);
  EXPECT_THROW(rule("Concat", {f32({2, 3}), f32({2})}, axis(0)), Error);
  EXPECT_THROW(rule("Concat", {f32({2}), i64({2})}, axis(0)), Error);
  EXPECT_THROW(rule("Concat", {f32({2}), f32({2})}, axis(1)), Error);
}

TEST(ShapeRules, TransposeExpandTile) {
  EXPECT_EQ(rule("Transpose", {f32({2, 3, kU})}), "f32[?x3x2]");
  EXPECT_EQ(rule("Transpose", {unranked()}, {{"perm", std::vector<int64_t>{1, 0}}}), "f32[?x?]");
  EXPECT_THROW(rule("Transpose", {f32({2, 3})}, {{"perm", std::vector<int64_t>{1, 1}}}), Error);
  EXPECT_THROW(rule("Transpose", {f32({2, 3})}, {{"perm", std::vector<int64_t>{0}}}), Error);
  EXPECT_THROW(rule("Transpose", {f32({2, 3})}, {{"perm", std::vector<int64_t>{0, -1}}}), Error);
  EXPECT_EQ(rule("Expand", {f32({3, 1}), ints({2, 1, 6})}), "f32[2x3x6]");
  EXPECT_EQ(rule("Expand", {f32({3, 1}), i64({3})}), "f32[?x?x?]");
  EXPECT_EQ(rule("Expand", {f32({1}), ints({0})}), "f32[0]");
  EXPECT_THROW(rule("Expand", {f32({3}), ints({4})}), Error);
  EXPECT_THROW(rule("Expand", {f32({3}), ints({-1})}), Error);
  EXPECT_EQ(rule("Tile", {f32({2, kU}), ints({3, 0})}), "f32[6x0]");
  EXPECT_THROW(rule("Tile", {f32({2}), ints({-1})}), Error);
  EXPECT_THROW(rule("Tile", {f32({2}), ints({1, 1})}), Error);
  EXPECT_THROW(rule("Tile", {f32({4}), ints({kHigh})}), Error);
}

TEST(ShapeRules, Windows) {
  for (const char* op : {"BlackmanWindow", "HammingWindow", "HannWindow"}) {
    EXPECT_EQ(rule(op, {Tensor::scalar(int64_t{5})}), "f32[5]");
    EXPECT_EQ(rule(op, {Tensor::scalar(int32_t{0})}, {{"output_datatype", "i16"}}), "i16[0]");
    EXPECT_EQ(rule(op, {i64({})}, {{"output_datatype", "bf16"}}), "bf16[?]");
    EXPECT_THROW(rule(op, {Tensor::scalar(int64_t{-1})}), Error);
    EXPECT_THROW(rule(op, {Tensor::scalar(kHigh)}), Error);
    EXPECT_THROW(rule(op, {Tensor::scalar(5.0f)}), Error);
    EXPECT_THROW(rule(op, {ints({1, 2})}), Error);
    EXPECT_THROW(rule(op, {i64({})}, {{"output_datatype", "bool"}}), Error);
  }
}

TEST(ShapeRules, ShapeAndRange) {
  EXPECT_EQ(rule("Shape", {f32({2, kU, 4})}, {{"start", int64_t{-2}}, {"end", int64_t{9}}}), "i64[2]");
  EXPECT_EQ(rule("Shape", {f32({2})}, {{"start", int64_t{1}}, {"end", int64_t{0}}}), "i64[0]");
  EXPECT_EQ(rule("Shape", {unranked()}), "i64[?]");
  EXPECT_EQ(rule("ConstantOfShape", {ints({2, 0})}), "f32[2x0]");
  EXPECT_EQ(rule("ConstantOfShape", {ints({})}, {{"value", Tensor::of<int64_t>({1}, {7})}}), "i64[]");
  EXPECT_THROW(rule("ConstantOfShape", {ints({-1})}), Error);
  EXPECT_THROW(rule("ConstantOfShape", {ints({1 << 21, 1 << 21})}), Error);
  const auto range = [](auto start, auto limit, auto delta) {
    return rule("Range", {Tensor::scalar(start), Tensor::scalar(limit), Tensor::scalar(delta)});
  };
  EXPECT_EQ(range(int64_t{0}, int64_t{7}, int64_t{3}), "i64[3]");
  EXPECT_EQ(range(kHigh, kLow, kLow), "i64[2]");
  EXPECT_EQ(range(int64_t{5}, int64_t{5}, int64_t{1}), "i64[0]");
  EXPECT_EQ(range(0.0f, -1.0f, -0.3f), "f32[4]");
  EXPECT_EQ(range(0.0f, -std::numeric_limits<float>::infinity(), 1.0f), "f32[0]");
  EXPECT_THROW(range(kLow, kHigh, int64_t{1}), Error);
  EXPECT_THROW(range(int64_t{0}, int64_t{1}, int64_t{0}), Error);
  EXPECT_THROW(range(0.0f, std::numeric_limits<float>::infinity(), 1.0f), Error);
  EXPECT_THROW(range(0.0f, std::numeric_limits<float>::quiet_NaN(), 1.0f), Error);
}

TEST(ShapeRules, PadAndBlocks) {
  const Attrs reflect{{"mode", std::string("reflect")}};
  EXPECT_EQ(rule("Pad", {f32({2, 3}), ints({0, -1, 1, 2})}), "f32[3x4]");
  EXPECT_EQ(rule("Pad", {f32({2, 3}), ints({1, 1}), kAbsent, ints({-1})}), "f32[2x5]");
  EXPECT_EQ(rule("Pad", {f32({kU, 3}), ints({0, 1, 0, 1})}), "f32[?x5]");
  EXPECT_EQ(rule("Pad", {f32({2, 3}), i64({kU})}), "f32[?x?]");
  EXPECT_THROW(rule("Pad", {f32({2}), ints({-2, -1})}), Error);
  EXPECT_THROW(rule("Pad", {f32({2}), ints({kHigh, kHigh})}), Error);
  EXPECT_THROW(rule("Pad", {f32({2}), ints({1})}), Error);
  EXPECT_THROW(rule("Pad", {f32({0}), ints({1, 0})}, reflect), Error);
  EXPECT_EQ(rule("DepthToSpace", {f32({1, 8, 2, kU})}, {{"blocksize", int64_t{2}}}), "f32[1x2x4x?]");
  EXPECT_EQ(rule("SpaceToDepth", {f32({1, 2, 4, 6})}, {{"blocksize", int64_t{2}}}), "f32[1x8x2x3]");
  EXPECT_THROW(rule("SpaceToDepth", {f32({1, 2, 5, 6})}, {{"blocksize", int64_t{2}}}), Error);
  EXPECT_THROW(rule("DepthToSpace", {f32({1, 8, 2, 2})}, {{"blocksize", kHigh}}), Error);
  EXPECT_THROW(rule("DepthToSpace", {f32({1, 8, 2, 2})}, {{"blocksize", int64_t{0}}}), Error);
}

TEST(ShapeRules, GatherAndScatter) {
  EXPECT_EQ(rule("Gather", {f32({2, 3, 4}), i64({5, kU})}, axis(1)), "f32[2x5x?x4]");
  EXPECT_EQ(rule("Gather", {f32({3}), i64({})}), "f32[]");
  EXPECT_THROW(rule("Gather", {f32({}), i64({})}), Error);
  EXPECT_THROW(rule("Gather", {f32({3}), f32({1})}), Error);
  EXPECT_EQ(rule("GatherElements", {f32({3, 4}), i64({7, 4})}), "f32[7x4]");
  EXPECT_THROW(rule("GatherElements", {f32({3, 4}), i64({3, 5})}), Error);
  EXPECT_EQ(rule("GatherND", {f32({2, 3, 4}), i64({2, 5, 1})}, {{"batch_dims", int64_t{1}}}), "f32[2x5x4]");
  EXPECT_EQ(rule("GatherND", {f32({2, 3, 4}), i64({5, kU})}), "f32[...]");
  EXPECT_THROW(rule("GatherND", {f32({2, 3}), i64({5, 3})}), Error);
  EXPECT_THROW(rule("GatherND", {f32({2, 3}), i64({3, 1})}, {{"batch_dims", int64_t{1}}}), Error);
  EXPECT_EQ(rule("ScatterND", {f32({4, 5}), i64({2, 1}), f32({2, 5})}), "f32[4x5]");
  EXPECT_THROW(rule("ScatterND", {f32({4, 5}), i64({2, 1}), f32({2, 4})}), Error);
  EXPECT_THROW(rule("ScatterElements", {f32({4}), i64({2}), f32({3})}), Error);
  EXPECT_THROW(rule("ScatterElements", {f32({4}), i64({2}), f32({2})}, {{"reduction", std::string("sub")}}), Error);
  EXPECT_EQ(rule("OneHot", {i64({2, 3}), Tensor::scalar(int64_t{5}), f32({2})}, axis(1)), "f32[2x5x3]");
  EXPECT_EQ(rule("OneHot", {i64({2}), i64({}), f32({2})}), "f32[2x?]");
  EXPECT_THROW(rule("OneHot", {i64({2}), i64({}), f32({3})}), Error);
}

TEST(ShapeRules, DataDependentExtentsOfConstantsAreExact) {
  const Tensor x = Tensor::of<float>({2, 3}, {0, 1, 0, -1, std::numeric_limits<float>::quiet_NaN(), 1});
  EXPECT_EQ(rule("NonZero", {x}), "i64[2x4]");
  EXPECT_EQ(rule("NonZero", {f32({2, 3})}), "i64[2x?]");
  EXPECT_EQ(rule("Unique", {x}), "f32[4]");
  EXPECT_EQ(rule("Unique", {x}, axis(0)), "f32[2x3]");
  EXPECT_EQ(rule("Unique", {Tensor(DType::f32, {int64_t{1} << 36, 0})}, axis(0)), "f32[1x0]");
  const Tensor condition = Tensor::of<Bool>({3}, {Bool(true), Bool(false), Bool(true)});
  EXPECT_EQ(rule("Compress", {f32({4, kU}), condition}, axis(0)), "f32[2x?]");
  EXPECT_EQ(rule("Compress", {f32({4}), typed(DType::boolean, {3})}), "f32[?]");
  EXPECT_THROW(rule("Compress", {f32({2}), condition}), Error);
}

TEST(ShapeRules, Resize) {
  const auto scales = [](const std::vector<float>& values) {
    return Tensor::of<float>({static_cast<int64_t>(values.size())}, values);
  };
  const auto resize = [](RuleOperand factors, RuleOperand sizes, Attrs attrs = {}) {
    return rule("Resize", {f32({1, 10, kU}), kAbsent, std::move(factors), std::move(sizes)}, std::move(attrs));
  };
  const Attrs last_two{{"axes", std::vector<int64_t>{1, -1}}};
  EXPECT_EQ(resize(scales({1, 0.7f, 2}), kAbsent), "f32[1x7x?]");
  EXPECT_EQ(resize(kAbsent, ints({1, 4, 9})), "f32[1x4x9]");
  EXPECT_EQ(resize(scales({}), ints({4, 9}), last_two), "f32[1x4x9]");
  EXPECT_EQ(resize(f32({3}), kAbsent), "f32[?x?x?]");
  EXPECT_THROW(resize(kAbsent, kAbsent), Error);
  EXPECT_THROW(resize(scales({1, 1, 1}), ints({1, 1, 1})), Error);
  EXPECT_THROW(resize(scales({1, 0, 1}), kAbsent), Error);
  EXPECT_THROW(resize(scales({1, -1, 1}), kAbsent), Error);
  EXPECT_THROW(resize(scales({1, 1e30f, 1}), kAbsent), Error);
  EXPECT_THROW(resize(scales({1, 1}), kAbsent), Error);
  EXPECT_THROW(resize(kAbsent, ints({1, -4, 9})), Error);
  EXPECT_THROW(resize(scales({1, 1, 1}), kAbsent, {{"mode", std::string("lanczos")}}), Error);
  const Attrs keep{{"axes", std::vector<int64_t>{0, 1}}, {"keep_aspect_ratio_policy", std::string("not_larger")}};
  EXPECT_EQ(rule("Resize", {f32({10, 20}), kAbsent, kAbsent, ints({7, 7})}, keep), "f32[4x7]");
}

TEST(ShapeRules, NonMaxSuppression) {
  const Tensor boxes = Tensor::of<float>({1, 3, 4}, {0, 0, 1, 1, 1, 1, 0, 0, 0, 5, 1, 6});
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const auto suppress = [&](const std::vector<float>& scores) {
    return rule("NonMaxSuppression",
                {boxes, Tensor::of<float>({1, 1, 3}, scores), Tensor::scalar(int64_t{9}), Tensor::scalar(0.5f)});
  };
  EXPECT_EQ(suppress({1, 2, 3}), "i64[2x3]");  // the first two are the same box, corners swapped
  EXPECT_EQ(suppress({nan, nan, nan}), "i64[0x3]");
  EXPECT_EQ(rule("NonMaxSuppression", {boxes, f32({1, 1, 3})}), "i64[?x3]");
  EXPECT_THROW(rule("NonMaxSuppression", {boxes, f32({1, 1, 4})}), Error);
}

TEST(ShapeRules, NothingKnownPassesThroughEveryRule) {
  for (const auto& family : {elementwise_ops(), shape_ops()})
    for (const OpSpec& op : family) {
      if (op.name == "Constant" || op.name == "Resize") continue;  // no operand; refuses to be without scales and sizes
      Attrs attrs;
      for (const AttrSpec& attr : op.attrs) {
        if (attr.need != AttrSpec::Need::required) continue;
        if (attr.kind == AttrKind::integer) attrs.set(attr.name, int64_t{1});
        else attrs.set(attr.name, std::string(attr.name == "to" ? "f32" : "LEFT"));
      }
      const std::vector<RuleOperand> operands(static_cast<size_t>(op.inputs.least), unranked(DType::none));
      EXPECT_NO_THROW(run_rule(op.name, operands, attrs, static_cast<size_t>(op.outputs.least))) << op.name;
    }
}

}  // namespace
}  // namespace tercel::inline graph
