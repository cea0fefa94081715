#include "passes/lower_quantized.h"

#include "passes/pass_testing.h"

namespace tercel::inline passes {
namespace {

// Whole numbers may be moved as they are, and then be read at another scale. What that reader says stays.
TEST(LowerQuantized, MovedLevelsMayStandForSomethingElse) {
  Graph graph = parse_graph(R"(input %a : u8[1x2]
const %first : f32[] = [0.5]
const %second : f32[] = [0.25]
%x : f32[1x2] = DequantizeLinear(%a, %first)
%x_low : f32[1x2] = Relu(%x)
%p : u8[1x2] = QuantizeLinear(%x_low, %second)
%b : u8[2x1] = Transpose(%a) {perm = [1, 0]}
%y : f32[2x1] = DequantizeLinear(%b, %second)
%y_low : f32[2x1] = Relu(%y)
%q : u8[2x1] = QuantizeLinear(%y_low, %first)
output %p
output %q
)");
  infer_types(graph);
  PassContext context;
  const Pass pass{"tested", "", lower_quantized};
  run_passes(graph, {&pass, 1}, context);
  infer_types(graph);
  const auto read_by = [&](const char* result) { return graph.find_value(result)->producer; };
  for (const char* result : {"p", "q"}) ASSERT_TRUE(read_by(result)->is("Requantize")) << print(graph);
  EXPECT_EQ(read_by("p")->input(0)->type.quantization->scales, std::vector{0.5F});
  EXPECT_EQ(read_by("q")->input(0)->type.quantization->scales, std::vector{0.25F});
}

TEST(LowerQuantized, BiasOfMoreAxesThanTheProductStaysAnAdd) {
  const auto lowered = [](const std::string& ones) {
    return after(lower_quantized, R"(input %a : u8[2x3]
const %w : i8[3x2] = [1, 2, 3, 4, 5, 6]
const %s : f32[] = [0.5]
const %t : f32[] = [0.0625]
const %c : f32[)" + ones + R"(2] = [1, 2]
%x : f32[2x3] = DequantizeLinear(%a, %s)
%v : f32[3x2] = DequantizeLinear(%w, %t)
%m : f32[2x2] = MatMul(%x, %v)
%n : f32[)" + std::string(ones == "1x1x" ? "1x" : "") +
                                      R"(2x2] = Add(%m, %c)
%y : u8[)" + std::string(ones == "1x1x" ? "1x" : "") +
                                      R"(2x2] = QuantizeLinear(%n, %s)
output %y
)");
  };
  EXPECT_THAT(lowered(""), testing::HasSubstr("u8[2x2]{scale = 0.5, zero = 0} = FusedMatMul"));
  EXPECT_THAT(lowered("1x"), testing::HasSubstr("FusedMatMul"));
  EXPECT_THAT(lowered("1x1x"), testing::Not(testing::HasSubstr("FusedMatMul")));
}

// Each part of a Split has a QuantizeLinear of its own; what is not requantized needs no node.
TEST(LowerQuantized, PartsAndLargestLevelsAreLevels) {
  const std::string text = after(lower_quantized, R"(input %a : u8[1x4x3x2]
const %s : f32[] = [0.5]
const %t : f32[] = [0.25]
%x : f32[1x4x3x2] = DequantizeLinear(%a, %s)
%b, %c : f32[1x2x3x2], f32[1x2x3x2] = Split(%x) {axis = 1, num_outputs = 2}
%p : u8[1x2x3x2] = QuantizeLinear(%b, %s)
%q : u8[1x2x3x2] = QuantizeLinear(%c, %t)
%m : f32[1x4x1x1] = GlobalMaxPool(%x)
%r : u8[1x4x1x1] = QuantizeLinear(%m, %s)
output %p
output %q
output %r
)");
  using testing::HasSubstr;
  EXPECT_THAT(text, HasSubstr("u8[1x2x3x2]{scale = 0.5, zero = 0} = Split(%a) {axis = 1, num_outputs = 2}"));
  EXPECT_THAT(text, HasSubstr("%q : u8[1x2x3x2]{scale = 0.25, zero = 0} = Requantize("));
  EXPECT_THAT(text, HasSubstr("u8[1x4x1x1]{scale = 0.5, zero = 0} = MaxPool(%a) {kernel_shape = [3, 2]}"));
  EXPECT_THAT(text, testing::Not(HasSubstr("DequantizeLinear")));
}

}  // namespace
}  // namespace tercel::inline passes
