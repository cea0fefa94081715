// Whatever the pipeline takes it computes to the byte as the reference kernels do: every kind of layer, awkward sizes,
// several designs, OpenCL and the simulated stages.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <thread>

#include "base/error_testing.h"
#include "base/rng.h"
#include "engines/cpu/cpu_engine.h"
#include "engines/pipeline/executor.h"
#include "engines/pipeline/network.h"
#include "engines/pipeline/pipeline_engine.h"
#include "engines/pipeline/pipeline_program.h"
#include "engines/pipeline/simulation.h"
#include "fpga/design_point.h"
#include "graph/infer.h"
#include "graph/verify.h"
#include "tensor/window.h"

namespace tercel::inline engines {
namespace {

using testing::HasSubstr;
using Ints = std::vector<int64_t>;

/// A graph of levels, built up value by value.
class Levels {
 public:
  explicit Levels(uint64_t seed) : rng_(seed) {}

  Value* input(Dims dims, DType dtype = DType::u8) {
    return graph_.add_input("x" + std::to_string(graph_.inputs().size()),
                            {dtype, true, std::move(dims), some_scale(dtype, 0.02f)});
  }

  /// Levels of a new scale, of the extents that the rule gives.
  Value* add(std::string_view op, std::vector<Value*> operands, Attrs attrs, Dims dims, float scale,
             DType dtype = DType::u8) {
    return put(op, std::move(operands), std::move(attrs), {dtype, true, std::move(dims), some_scale(dtype, scale)});
  }

  Value* floats(std::string_view op, std::vector<Value*> operands, Attrs attrs, Dims dims) {
    return put(op, std::move(operands), std::move(attrs), {DType::f32, true, std::move(dims)});
  }

  Value* moved(std::string_view op, std::vector<Value*> operands, Attrs attrs, Dims dims) {
    const ValueType& from = operands[0]->type;
    return put(op, std::move(operands), std::move(attrs), {from.dtype, true, std::move(dims), from.quantization});
  }

  Value* conv(Value* x, int64_t oc, int64_t kernel, Attrs attrs, int64_t group, Dims dims, DType dtype = DType::u8) {
    const int64_t ic = x->type.dims[1] / group;
    attrs.set("group", group);
    if (!attrs.has("kernel_shape")) attrs.set("kernel_shape", Ints{kernel, kernel});
    const Ints extents = attrs.get_ints("kernel_shape");
    const Dims shape{oc, ic, extents[0], extents[1]};
    Value* w = weights(shape, oc);
    const int64_t terms = count_elements(shape) / oc;
    return add("FusedConv", {x, w, bias(oc)}, std::move(attrs), std::move(dims),
               0.004f * std::sqrt(static_cast<float>(terms)), dtype);
  }

  /// Extents after windows over rows and columns.
  static Dims windows(const Value& x, const Attrs& attrs) {
    Dims dims = x.type.dims;
    const auto all = conv_windows(attrs, std::span(dims).subspan(2), attrs.get_ints("kernel_shape"));
    dims[2] = all[0].output, dims[3] = all[1].output;
    return dims;
  }

  std::vector<Value*> split(Value* x, const Ints& channels) {
    std::vector<Value*> parts;
    for (int64_t count : channels) {
      ValueType type = x->type;
      type.dims[1] = count;
      parts.push_back(graph_.add_value("part", type));
    }
    graph_.add_node("Split", {x, ints(channels)}, parts, {{"axis", int64_t{1}}}, "Split");
    return parts;
  }

  /// Channels in another order, as in ShuffleNet.
  Value* shuffled(Value* x, int64_t groups) {
    const Dims d = x->type.dims;
    const Ints apart{d[0], groups, d[1] / groups, d[2], d[3]};
    Value* grouped = moved("Reshape", {x, ints(apart)}, {}, apart);
    Value* turned =
        moved("Transpose", {grouped}, {{"perm", Ints{0, 2, 1, 3, 4}}}, {d[0], apart[2], groups, d[2], d[3]});
    return moved("Reshape", {turned, ints(d)}, {}, d);
  }

  Value* weights(const Dims& dims, int64_t channels) {
    std::vector<int8_t> levels(static_cast<size_t>(count_elements(dims)));
    for (int8_t& level : levels) level = static_cast<int8_t>(static_cast<int>(rng_.below(255)) - 127);
    auto meaning = std::make_shared<Quantization>();
    for (int64_t c = 0; c < channels; ++c) {
      meaning->scales.push_back(0.001f + 0.0005f * static_cast<float>(rng_.below(8)));
      meaning->zeros.push_back(0);
    }
    meaning->axis = 0;
    Value* w = graph_.add_constant("w", Tensor::of<int8_t>(dims, levels));
    w->type.quantization = meaning;
    return w;
  }

  Value* bias(int64_t channels) {
    std::vector<int32_t> values(static_cast<size_t>(channels));
    for (int32_t& value : values) value = static_cast<int32_t>(rng_.below(20000)) - 10000;
    return graph_.add_constant("bias", Tensor::of<int32_t>({channels}, values));
  }

  Value* ints(const Ints& values) {
    return graph_.add_constant("ints", Tensor::of<int64_t>({static_cast<int64_t>(values.size())}, values));
  }

  /// An output besides the one that finish() takes.
  void finish_with(Value* output) { graph_.add_output(output); }

  Graph finish(Value* output) {
    graph_.add_output(output);
    infer_types(graph_);
    verify(graph_, "the test");
    return std::move(graph_);
  }

  Rng& rng() { return rng_; }
  Graph& graph() { return graph_; }

 private:
  QuantizationPtr some_scale(DType dtype, float scale) {
    const int32_t zero = static_cast<int32_t>(rng_.below(200)) - (dtype == DType::u8 ? 0 : 100);
    return std::make_shared<Quantization>(Quantization{{scale}, {zero}});
  }

  Value* put(std::string_view op, std::vector<Value*> operands, Attrs attrs, ValueType type) {
    Value* result = graph_.add_value("v", std::move(type));
    graph_.add_node(op, std::move(operands), {result}, std::move(attrs), op);
    return result;
  }

  Graph graph_;
  Rng rng_;
};

/// The bytes of all outputs, one after the other.
std::vector<std::byte> run(const Program& program, const std::vector<std::vector<std::byte>>& inputs) {
  std::vector<const std::byte*> from;
  for (const auto& input : inputs) from.push_back(input.data());
  std::vector<std::vector<std::byte>> results;
  std::vector<std::byte*> to;
  for (const ProgramPort& port : program.outputs()) to.push_back(results.emplace_back(port.bytes()).data());
  program.run({from, to});
  std::vector<std::byte> all;
  for (const auto& result : results) all.insert(all.end(), result.begin(), result.end());
  return all;
}

bool has_opencl() {
  static const bool has = [] {
    PipelineNetwork none;
    none.feature_words = 1;
    none.design.lane = 16;
    try {
      make_opencl_executor(none, {});
      return true;
    } catch (const Error&) {
      return false;
    }
  }();
  return has;
}

/// The same bytes from the reference and from the pipeline.
void expect_same(const Graph& graph, const Program& pipeline, uint64_t seed) {
  const auto reference = reference_engine().compile(graph, {});
  Rng rng(seed);
  std::vector<std::vector<std::byte>> inputs;
  for (const ProgramPort& port : reference->inputs()) {
    inputs.emplace_back(port.bytes());
    for (std::byte& level : inputs.back()) level = static_cast<std::byte>(rng.below(256));
  }
  const auto wanted = run(*reference, inputs), got = run(pipeline, inputs);
  size_t differ = 0;
  for (size_t i = 0; i < wanted.size(); ++i) differ += wanted[i] != got[i] ? 1 : 0;
  EXPECT_EQ(differ, 0u) << "of " << wanted.size();
  EXPECT_EQ(run(pipeline, inputs), got) << "the second time";
}

void expect_same(const Graph& graph, const std::string& options, uint64_t seed) {
  SCOPED_TRACE(options);
  expect_same(graph, *pipeline_engine(options).compile(graph, {}), seed);
}

void expect_same_everywhere(const std::function<Graph()>& make, uint64_t seed = 1) {
  for (const char* options :
       {"vec=16,lane=16,executor=simulated", "vec=4,lane=8,executor=simulated",
        "vec=16,lane=8,executor=simulated,data_depth=1,sums_depth=1,levels_depth=1,pooled_depth=1",
        "vec=8,lane=16,window_x=3,executor=simulated"})
    expect_same(make(), options, seed);
  if (!has_opencl()) return;
  expect_same(make(), "vec=16,lane=16", seed);
  expect_same(make(), "vec=4,lane=8,window_x=3", seed);
}

TEST(Pipeline, Convolutions) {
  expect_same_everywhere([] {
    Levels net(3);
    Value* x = net.conv(net.input({1, 3, 17, 13}), 20, 3, {{"pads", Ints{1, 1, 1, 1}}}, 1, {1, 20, 17, 13});
    x = net.conv(x, 33, 1, {}, 1, {1, 33, 17, 13}, DType::i8);
    x = net.conv(x, 9, 5, {{"pads", Ints{0, 2, 3, 1}}, {"strides", Ints{2, 3}}}, 1, {1, 9, 8, 4});
    return net.finish(net.conv(x, 5, 2, {{"dilations", Ints{3, 2}}}, 1, {1, 5, 5, 2}));
  });
}

TEST(Pipeline, GroupsAndDepthwise) {
  expect_same_everywhere([] {
    Levels net(4);
    Value* x = net.conv(net.input({1, 24, 9, 9}), 24, 3, {{"pads", Ints{1, 1, 1, 1}}}, 24, {1, 24, 9, 9});
    x = net.conv(x, 36, 3, {{"strides", Ints{2, 2}}}, 3, {1, 36, 4, 4});      // groups begin within a word
    x = net.conv(x, 72, 3, {{"pads", Ints{1, 1, 1, 1}}}, 36, {1, 72, 4, 4});  // two results each
    return net.finish(net.conv(x, 40, 1, {}, 4, {1, 40, 4, 4}));
  });
}

TEST(Pipeline, StridesBeyondTheWindow) {
  expect_same_everywhere([] {
    Levels net(5);
    Value* x = net.conv(net.input({1, 16, 15, 15}), 8, 1, {{"strides", Ints{2, 2}}}, 1, {1, 8, 8, 8});
    return net.finish(net.conv(x, 8, 2, {{"strides", Ints{3, 3}}}, 1, {1, 8, 3, 3}));
  });
}

TEST(Pipeline, PoolsInTheStreamAndAlone) {
  expect_same_everywhere([] {
    Levels net(6);
    const Attrs three{{"kernel_shape", Ints{3, 3}}, {"strides", Ints{2, 2}}, {"pads", Ints{1, 1, 1, 1}}};
    Value* x = net.conv(net.input({1, 8, 21, 19}), 18, 3, {}, 1, {1, 18, 19, 17});
    x = net.moved("MaxPool", {x}, three, {1, 18, 10, 9});
    x = net.moved("MaxPool", {x}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{2, 2}}, {"ceil_mode", int64_t{1}}},
                  {1, 18, 5, 5});
    x = net.add("AveragePool", {x}, {{"kernel_shape", Ints{2, 2}}, {"strides", Ints{1, 1}}}, {1, 18, 4, 4}, 0.03f);
    return net.finish(net.add("GlobalAveragePool", {x}, {}, {1, 18, 1, 1}, 0.02f));
  });
}

TEST(Pipeline, ResidualsOfEitherOperand) {
  expect_same_everywhere([] {
    Levels net(7);
    Value* x = net.input({1, 20, 7, 11});
    Value* a = net.conv(x, 20, 3, {{"pads", Ints{1, 1, 1, 1}}}, 1, {1, 20, 7, 11});
    Value* sum = net.add("FusedAdd", {a, x}, {{"activation", std::string("Relu")}}, {1, 20, 7, 11}, 0.05f);
    Value* b = net.conv(sum, 20, 1, {}, 1, {1, 20, 7, 11}, DType::i8);
    Value* second = net.add("FusedAdd", {sum, b}, {}, {1, 20, 7, 11}, 0.07f, DType::i8);
    return net.finish(net.add("FusedAdd", {second, sum}, {}, {1, 20, 7, 11}, 0.09f));
  });
}

TEST(Pipeline, ConcatenationsInPlaceAndCopied) {
  expect_same_everywhere([] {
    Levels net(8);
    Value* x = net.input({1, 16, 6, 6});
    Value* a = net.conv(x, 16, 1, {}, 1, {1, 16, 6, 6});
    Value* b = net.conv(x, 10, 3, {{"pads", Ints{1, 1, 1, 1}}}, 1, {1, 10, 6, 6});
    Value* c = net.conv(x, 7, 1, {}, 1, {1, 7, 6, 6});
    for (Value* part : {b, c}) part->type.quantization = a->type.quantization;
    Value* all = net.moved("Concat", {a, b, c, a}, {{"axis", int64_t{1}}}, {1, 49, 6, 6});
    Value* d = net.conv(b, 12, 1, {}, 1, {1, 12, 6, 6});  // a part that others read
    Value* e = net.conv(all, 12, 3, {{"pads", Ints{1, 1, 1, 1}}}, 1, {1, 12, 6, 6});
    return net.finish(net.add("FusedAdd", {d, e}, {}, {1, 12, 6, 6}, 0.06f));
  });
}

TEST(Pipeline, FullyConnectedAndBatches) {
  expect_same_everywhere([] {
    Levels net(9);
    Value* x = net.conv(net.input({3, 5, 8, 6}), 12, 3, {}, 1, {3, 12, 6, 4});
    x = net.moved("Reshape", {x, net.ints({3, -1})}, {}, {3, 288});
    Value* w = net.weights({19, 288}, 19);
    x = net.add("FusedMatMul", {x, w, net.bias(19)}, {{"transB", int64_t{1}}, {"alpha_scale", 1.0f}}, {3, 19}, 0.3f);
    Value* v = net.weights({7, 19}, 7);
    return net.finish(net.add("FusedMatMul", {x, v}, {{"transB", int64_t{1}}, {"alpha_scale", 0.5f}}, {3, 7}, 0.2f));
  });
}

// Means as the answer are floats; a Softmax behind them is the host's too.
TEST(Pipeline, MeansInFloatsAtTheEnd) {
  for (const DType dtype : {DType::u8, DType::i8})
    for (const bool softmax : {false, true})
      expect_same_everywhere([&] {
        Levels net(21);
        Value* x = net.conv(net.input({2, 5, 8, 6}), 37, 3, {}, 1, {2, 37, 6, 4}, dtype);
        x = net.floats("GlobalAveragePool", {x}, {}, {2, 37, 1, 1});
        x = net.floats("Flatten", {x}, {}, {2, 37});
        return net.finish(softmax ? net.floats("Softmax", {x}, {{"axis", int64_t{1}}}, {2, 37}) : x);
      });
}

// Channels that begin within a word, and levels that are an answer too.
TEST(Pipeline, MeansOfAPartOfAConcatenation) {
  expect_same_everywhere([] {
    Levels net(22);
    Value* in = net.input({1, 6, 5, 5});
    Value* a = net.conv(in, 19, 1, {}, 1, {1, 19, 5, 5});
    Value* b = net.conv(in, 10, 1, {}, 1, {1, 10, 5, 5});
    Value* all = net.moved("Concat", {a, b}, {{"axis", int64_t{1}}}, {1, 29, 5, 5});
    net.finish_with(net.conv(all, 4, 1, {}, 1, {1, 4, 5, 5}));
    return net.finish(net.floats("GlobalAveragePool", {b}, {}, {1, 10, 1, 1}));
  });
}

TEST(Pipeline, NormalizationAcrossChannels) {
  for (int64_t size : {1, 2, 5, 30})
    expect_same_everywhere([size] {
      Levels net(10);
      Value* x = net.input({2, 21, 3, 4}, DType::i8);
      return net.finish(net.add("LRN", {x}, {{"size", size}, {"alpha", 0.5f}, {"beta", 0.75f}, {"bias", 2.0f}},
                                {2, 21, 3, 4}, 0.01f));
    });
}

TEST(Pipeline, SlicesAndPads) {
  expect_same_everywhere([] {
    Levels net(11);
    Value* x = net.input({1, 16, 9, 9});
    Value* y = net.moved("Slice", {x, net.ints({0, 1}), net.ints({100, 100}), net.ints({2, 3}), net.ints({2, 2})}, {},
                         {1, 16, 5, 4});
    Value* zero =
        net.graph().add_constant("zero", Tensor::scalar(static_cast<uint8_t>(x->type.quantization->zeros[0])));
    y = net.moved("Pad", {y, net.ints({0, 8, 0, 1, 0, 9, 2, 0}), zero}, {{"mode", std::string("constant")}},
                  {1, 33, 7, 5});
    y = net.moved("Slice", {y, net.ints({3}), net.ints({30}), net.ints({1}), net.ints({2})}, {}, {1, 14, 7, 5});
    return net.finish(net.add("Requantize", {y}, {{"activation", std::string("Clip")}, {"alpha", 0.1f}, {"beta", 1.5f}},
                              {1, 14, 7, 5}, 0.01f));
  });
}

TEST(Pipeline, AveragesOfFewerElementsAtTheEdges) {
  for (int64_t counts_padding : {0, 1})
    expect_same_everywhere([counts_padding] {
      Levels net(12);
      const auto pool = [&](Value* x, Attrs attrs) {
        attrs.set("count_include_pad", counts_padding);
        const Dims dims = net.windows(*x, attrs);
        return net.add("AveragePool", {x}, std::move(attrs), dims, 0.02f);
      };
      Value* x = pool(net.input({2, 19, 9, 8}), {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{1, 1, 1, 1}}});
      x = pool(x, {{"kernel_shape", Ints{3, 2}},
                   {"strides", Ints{2, 3}},
                   {"pads", Ints{0, 1, 1, 0}},
                   {"ceil_mode", int64_t{1}}});
      Value* y = pool(x, {{"kernel_shape", Ints{3, 3}}, {"pads", Ints{2, 2, 2, 2}}});
      Value* other = net.conv(y, 16, 1, {}, 1, {2, 16, y->type.dims[2], y->type.dims[3]});
      y->type.quantization = other->type.quantization;
      return net.finish(net.moved("Concat", {other, y}, {{"axis", int64_t{1}}},
                                  {2, 35, y->type.dims[2], y->type.dims[3]}));  // edges within a larger map
    });
}

TEST(Pipeline, PartsOfChannelsAndShuffles) {
  expect_same_everywhere([] {
    Levels net(13);
    Value* x = net.conv(net.input({2, 8, 6, 5}), 48, 1, {}, 1, {2, 48, 6, 5});
    const auto split = net.split(x, {16, 3, 29});
    Value* a = net.conv(split[0], 12, 3, {{"pads", Ints{1, 1, 1, 1}}}, 1, {2, 12, 6, 5});
    Value* b = net.conv(split[1], 12, 1, {}, 1, {2, 12, 6, 5});
    Value* c = net.conv(split[2], 12, 1, {}, 1, {2, 12, 6, 5});
    for (Value* part : {b, c}) part->type.quantization = a->type.quantization;
    Value* y = net.moved("Concat", {a, b, c}, {{"axis", int64_t{1}}}, {2, 36, 6, 5});
    y = net.shuffled(y, 3);
    const auto halves = net.split(y, {32, 4});
    Value* d = net.conv(halves[0], 32, 3, {{"pads", Ints{1, 1, 1, 1}}}, 32, {2, 32, 6, 5});
    Value* sum = net.add("FusedAdd", {d, halves[0]}, {}, {2, 32, 6, 5}, 0.05f);  // beside the part itself
    halves[1]->type.quantization = y->type.quantization;
    sum->type.quantization = y->type.quantization;
    return net.finish(net.moved("Concat", {sum, halves[1]}, {{"axis", int64_t{1}}}, {2, 36, 6, 5}));
  });
}

/// One network of levels, by chance: branches, sums, concatenations, pools, strides, groups, odd sizes.
Graph random_network(uint64_t seed) {
  Levels net(seed);
  const auto chance = [&](int64_t of) { return static_cast<int64_t>(net.rng().below(static_cast<uint64_t>(of))); };
  const auto some_type = [&] { return chance(3) == 0 ? DType::i8 : DType::u8; };
  const auto window = [&](const Value& x, bool dilates) {
    Attrs attrs;
    Ints kernel, strides, pads(4), dilations;
    for (size_t axis : {size_t{0}, size_t{1}}) {
      const int64_t extent = x.type.dims[axis + 2];
      kernel.push_back(std::min(extent, 1 + chance(3)));
      strides.push_back(1 + chance(3) % 2);
      dilations.push_back(dilates && extent > 4 && chance(4) == 0 ? 2 : 1);
      for (size_t side : {axis, axis + 2}) pads[side] = chance(2) * chance(kernel.back());
    }
    attrs = {{"kernel_shape", kernel}, {"strides", strides}, {"pads", pads}};
    if (dilates) attrs.set("dilations", dilations);
    else if (chance(2) == 0) attrs.set("ceil_mode", int64_t{1});
    return attrs;
  };
  const auto conv = [&](Value* x, int64_t oc, int64_t group, Attrs attrs, DType dtype) {
    Dims dims = net.windows(*x, attrs);
    dims[1] = oc;
    return net.conv(x, oc, 0, std::move(attrs), group, dims, dtype);
  };
  const auto pointwise = [&](Value* x, int64_t oc, DType dtype) {
    return conv(x, oc, 1, {{"kernel_shape", Ints{1, 1}}}, dtype);
  };
  const int64_t images = 1 + chance(3);
  std::vector<Value*> values{net.input({images, 1 + chance(24), 3 + chance(9), 3 + chance(9)}, some_type())};
  for (int64_t steps = 3 + chance(5); steps > 0; --steps) {
    Value* x =
        chance(4) == 0 ? values[static_cast<size_t>(chance(static_cast<int64_t>(values.size())))] : values.back();
    const Dims dims = x->type.dims;
    const int64_t channels = dims[1];
    Value* y = nullptr;
    switch (chance(9)) {
      case 0: y = conv(x, 1 + chance(40), 1, window(*x, true), some_type()); break;
      case 1: {
        int64_t group = 1 + chance(channels);
        while (channels % group != 0) --group;
        y = conv(x, group * (1 + chance(3)), group, window(*x, true), some_type());
        break;
      }
      case 2: y = conv(x, channels, channels, window(*x, true), some_type()); break;
      case 3: {
        Attrs attrs = window(*x, false);
        const Dims pooled = net.windows(*x, attrs);
        y = net.moved("MaxPool", {x}, std::move(attrs), pooled);
        break;
      }
      case 4: {
        Attrs attrs = window(*x, false);
        attrs.set("count_include_pad", chance(2));
        const Dims pooled = net.windows(*x, attrs);
        y = net.add("AveragePool", {x}, std::move(attrs), pooled, 0.02f, some_type());
        break;
      }
      case 5: {
        Value* other = pointwise(x, channels, some_type());
        Attrs attrs;
        if (chance(2) == 0) attrs.set("activation", std::string("Relu"));
        y = net.add("FusedAdd", chance(2) == 0 ? std::vector{x, other} : std::vector{other, x}, std::move(attrs), dims,
                    0.06f, some_type());
        break;
      }
      case 6: {
        const DType dtype = some_type();
        std::vector<Value*> parts;
        Dims joined = dims;
        joined[1] = 0;
        for (int64_t i = 2 + chance(2); i > 0; --i) {
          parts.push_back(pointwise(x, chance(2) == 0 ? 16 : 1 + chance(20), dtype));
          parts.back()->type.quantization = parts[0]->type.quantization;
          joined[1] += parts.back()->type.dims[1];
        }
        y = net.moved("Concat", parts, {{"axis", int64_t{1}}}, joined);
        break;
      }
      case 7: {
        if (channels < 2) continue;
        const int64_t first = channels > 16 && chance(2) == 0 ? 16 : 1 + chance(channels - 1);
        const auto parts = net.split(x, {first, channels - first});
        values.push_back(parts[0]);
        y = parts[1];
        break;
      }
      default: {
        int64_t group = 1 + chance(4);
        while (channels % group != 0) --group;
        y = net.shuffled(net.add("Requantize", {x}, {}, dims, 0.02f, some_type()), group);
      }
    }
    values.push_back(y);
  }
  Value* x = values.back();
  const int64_t features = count_elements(x->type.dims) / images;
  if (chance(2) == 0) {
    x = net.moved("Reshape", {x, net.ints({images, -1})}, {}, {images, features});
    x = net.add("FusedMatMul", {x, net.weights({11, features}, 11), net.bias(11)},
                {{"transB", int64_t{1}}, {"alpha_scale", 1.0f}}, {images, 11}, 0.2f);
  } else if (chance(2) == 0) {
    x = net.add("GlobalAveragePool", {x}, {}, {images, x->type.dims[1], 1, 1}, 0.01f);
  }
  return net.finish(x);
}

/// An executor whose memory holds anything before a run.
class UnsetMemory final : public Executor {
 public:
  UnsetMemory(const PipelineNetwork& network, std::unique_ptr<Executor> inner)
      : bytes_(static_cast<size_t>(network.feature_words * network.design.vec)), inner_(std::move(inner)) {}

  std::string what() const override { return inner_->what(); }
  void write(int64_t first_word, std::span<const int8_t> levels) override {
    if (!filled_) {
      for (int8_t& byte : bytes_) byte = static_cast<int8_t>(static_cast<int>(rng_.below(256)) - 128);
      inner_->write(0, bytes_);
      filled_ = true;
    }
    inner_->write(first_word, levels);
  }
  void read(int64_t first_word, std::span<int8_t> levels) override { inner_->read(first_word, levels); }
  void run(std::vector<double>* ms, std::stop_token stop) override {
    inner_->run(ms, stop);
    filled_ = false;
  }

 private:
  std::vector<int8_t> bytes_;
  std::unique_ptr<Executor> inner_;
  Rng rng_{77};
  bool filled_ = false;
};

// What nobody wrote is read (channels that fill up a word, by weights of zero) and may be anything.
TEST(Pipeline, NothingUnsetReachesAResult) {
  for (const char* point : {"vec=16,lane=16", "vec=8,lane=8"})
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      SCOPED_TRACE(seed);
      const Graph graph = random_network(seed);
      for (const bool opencl : {false, true}) {
        if (opencl && !has_opencl()) continue;
        const PipelineProgram program(make_pipeline_network(graph, parse_design_point(point), {}),
                                      [&](const PipelineNetwork& made) -> std::unique_ptr<Executor> {
                                        std::unique_ptr<Executor> inner = std::make_unique<SimulatedPipeline>(made);
                                        if (opencl) inner = make_opencl_executor(made, {});
                                        return std::make_unique<UnsetMemory>(made, std::move(inner));
                                      });
        expect_same(graph, program, seed);
      }
    }
}

TEST(Pipeline, RandomNetworks) {
  const DesignPoint design =
      parse_design_point("vec=4,lane=8,window_x=3,weight_buffer_words=2048,window_buffer_words=16384");
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = random_network(seed);
    expect_same(graph, "vec=16,lane=16,executor=simulated", seed);
    // Rows among several tiles, as on OpenCL where rings are small.
    const PipelineProgram banded(make_pipeline_network(graph, design, {.ring_bytes = 1 << 10}),
                                 [](const PipelineNetwork& made) { return std::make_unique<SimulatedPipeline>(made); });
    expect_same(graph, banded, seed);
  }
}

// Reshaped levels lie as they did; what would read them by their new extents is refused.
TEST(Pipeline, RefusesToReadReshapedLevelsAsOthers) {
  const auto flat = [](std::string_view op) {
    Levels net(14);
    Value* x = net.conv(net.input({1, 8, 3, 3}), 8, 1, {}, 1, {1, 8, 3, 3});
    Value* y = net.moved("Reshape", {x, net.ints({1, 72})}, {}, {1, 72});
    std::vector<Value*> operands{y};
    if (op != "Requantize") operands.push_back(y);
    if (op == "Concat") return net.finish(net.moved(op, operands, {{"axis", int64_t{1}}}, {1, 144}));
    return net.finish(net.add(op, operands, {}, {1, 72}, 0.04f));
  };
  for (const char* op : {"Requantize", "FusedAdd", "Concat"})
    EXPECT_THAT(error_of([&] { pipeline_engine("executor=simulated").compile(flat(op), {}); }),
                HasSubstr("another shape on the way"))
        << op;
}

// Each with a program of its own, compiled at the same time on another part of the device, and both with a third.
TEST(Pipeline, SeveralThreadsAtOnce) {
  const auto make = [] {
    Levels net(23);
    Value* x = net.conv(net.input({1, 9, 12, 12}), 24, 3, {{"pads", Ints{1, 1, 1, 1}}}, 1, {1, 24, 12, 12});
    return net.finish(net.conv(x, 10, 3, {}, 1, {1, 10, 10, 10}));
  };
  const Graph graph = make();
  const auto options = [](const char* point) {
    return std::string(point) + (has_opencl() ? "" : ",executor=simulated");
  };
  const auto shared = pipeline_engine(options("vec=16,lane=16")).compile(graph, {});
  std::vector<std::jthread> threads;
  for (int i = 0; i < 3; ++i)
    threads.emplace_back([&, i] {
      const Graph own = make();
      CompileOptions compile;
      compile.threads = i;  // 0: the whole device
      const auto program = pipeline_engine(options(i == 1 ? "vec=8,lane=8" : "vec=16,lane=16")).compile(own, compile);
      for (uint64_t seed = 1; seed < 4; ++seed) {
        expect_same(own, *program, seed);
        expect_same(own, *shared, seed + static_cast<uint64_t>(10 * i));
      }
    });
}

std::string refused(Graph graph, const std::string& options = "") {
  return error_of([&] { pipeline_engine(options).compile(graph, {}); });
}

TEST(Pipeline, SaysWhatItCannotTake) {
  {
    Levels net(12);
    Value* x = net.conv(net.input({1, 64, 9, 9}), 8, 3, {}, 1, {1, 8, 7, 7});
    EXPECT_THAT(refused(net.finish(x), "window_buffer_words=8"), HasSubstr("reads windows of 36 words"));
  }
  {
    Levels net(12);
    Value* x = net.conv(net.input({1, 64, 9, 9}), 8, 3, {}, 1, {1, 8, 7, 7});
    EXPECT_THAT(refused(net.finish(x), "weight_buffer_words=8"), HasSubstr("keeps 36 words of weights"));
  }
  {
    Graph graph;
    Value* x = graph.add_input("x", {DType::f32, true, {1, 3}});
    Value* y = graph.add_value("y", {});
    graph.add_node("Relu", {x}, {y}, {}, "only");
    graph.add_output(y);
    infer_types(graph);
    EXPECT_THAT(refused(std::move(graph)), AllOf(HasSubstr("'only'"), HasSubstr("quantize the network first")));
  }
  EXPECT_THAT(error_of([] { pipeline_engine("vec=3"); }), HasSubstr("vec is 3"));
  EXPECT_THAT(error_of([] { pipeline_engine("executor=hands"); }), HasSubstr("executor=hands"));
  EXPECT_THAT(error_of([] { pipeline_engine("depth=3"); }), HasSubstr("there is no 'depth'"));
}

}  // namespace
}  // namespace tercel::inline engines
