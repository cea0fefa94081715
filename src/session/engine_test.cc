// The door of engines: a second engine of a few lines, sessions of several threads, weights packed once.
#include "engines/engine.h"

#include <atomic>
#include <thread>

#include "base/error.h"
#include "base/error_testing.h"
#include "kernels/ref/ref.h"
#include "session/passes_testing.h"
#include "session/session_on.h"

namespace tercel::inline session {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Node by node through the reference functions; every value has a tensor of its own.
class InterpreterProgram final : public Program {
 public:
  explicit InterpreterProgram(const Graph& graph) : graph_(graph.clone()) {
    for (const Value* value : graph_.inputs()) inputs_.push_back({value->name, value->type.dtype, value->type.dims});
    for (const Value* value : graph_.outputs()) outputs_.push_back({value->name, value->type.dtype, value->type.dims});
  }
  std::span<const ProgramPort> inputs() const override { return inputs_; }
  std::span<const ProgramPort> outputs() const override { return outputs_; }

  void run(const RunArgs& args) const override {
    std::map<const Value*, Tensor> values;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      Tensor tensor(inputs_[i].dtype, inputs_[i].dims);
      std::memcpy(tensor.mutable_data(), args.inputs[i], tensor.bytes());
      values[graph_.inputs()[i]] = std::move(tensor);
    }
    if (args.step_ms != nullptr) args.step_ms->assign(graph_.nodes().size(), 0);
    for (const auto& node : graph_.nodes()) {
      if (args.stop.stop_requested()) fail(ErrorCode::stopped, "stopped");
      std::vector<View> src, dst;
      for (const Value* value : node->inputs)
        src.push_back(value == nullptr ? View{} : (value->is_constant() ? value->constant : values[value]).view());
      for (const Value* value : node->outputs) {
        if (value != nullptr) values[value] = Tensor(value->type.dtype, value->type.dims);
        dst.push_back(value == nullptr ? View{} : values[value].view());
      }
      find_ref(node->op)(node->attrs, src, dst);
    }
    for (size_t i = 0; i < outputs_.size(); ++i) {
      const Value* value = graph_.outputs()[i];
      const Tensor& tensor = value->is_constant() ? value->constant : values[value];
      std::memcpy(args.outputs[i], tensor.data(), tensor.bytes());
    }
  }

  PlanReport report() const override {
    PlanReport report;
    for (const auto& node : graph_.nodes()) {
      StepReport step;
      step.node = node->name;
      step.op = node->op;
      step.variant = "interpreted";
      report.steps.push_back(std::move(step));
    }
    return report;
  }

 private:
  Graph graph_;
  std::vector<ProgramPort> inputs_, outputs_;
};

class InterpreterEngine final : public Engine {
 public:
  std::string_view name() const override { return "interpreter"; }
  std::string_view what() const override { return "one node after the other"; }
  std::span<const Pass> recipe(bool) const override { return {}; }
  std::vector<Refusal> refusals(const Graph& graph) const override {
    std::vector<Refusal> all;
    for (const auto& node : graph.nodes())
      if (node->is("Relu")) all.push_back({node->describe(), "this engine does not like it"});
    return all;
  }
  std::unique_ptr<const Program> compile(const Graph& graph, const CompileOptions&) const override {
    fail_refused(*this, refusals(graph));
    return std::make_unique<InterpreterProgram>(graph);
  }
};

const InterpreterEngine kInterpreter;

Model model_of(const std::string& text) {
  return Model(std::make_shared<Model::Impl>(Model::Impl{"test", graph_of(text), {}, {}}));
}

Array ramp(std::vector<int64_t> dims) {
  Array array(DType::f32, std::move(dims));
  float value = -1;
  for (float& v : array.floats()) v = value += 0.01f;
  return array;
}

constexpr const char* kText = R"(input %x : f32[?x3x8x8]
input %w_conv : f32[16x3x3x3]
input %w_bias : f32[16]
input %w_gamma : f32[16]
input %w_beta : f32[16]
input %w_mean : f32[16]
input %var_bn : f32[16]
input %w_fc : f32[16x10]
%c : f32[?x16x8x8] = Conv(%x, %w_conv, %w_bias) {pads = [1, 1, 1, 1]}
%n : f32[?x16x8x8] = BatchNormalization(%c, %w_gamma, %w_beta, %w_mean, %var_bn)
%s : f32[?x16x8x8] = Sigmoid(%n)
%p : f32[?x16x1x1] = GlobalAveragePool(%s)
%f : f32[?x16] = Flatten(%p)
%y : f32[?x10] = MatMul(%f, %w_fc)
output %y
)";

void expect_close(const Array& got, const Array& wanted) {
  ASSERT_EQ(got.dims(), wanted.dims());
  for (size_t i = 0; i < wanted.floats().size(); ++i) ASSERT_NEAR(got.floats()[i], wanted.floats()[i], 1e-5) << i;
}

TEST(Engine, AnotherEngineBehindTheSameDoor) {
  const Model model = model_of(kText);
  Session cpu(model), other = session_on(kInterpreter, model);
  for (int64_t batch : {1, 3})
    expect_close(other.run({ramp({batch, 3, 8, 8})})[0], cpu.run({ramp({batch, 3, 8, 8})})[0]);
  const PlanReport report = other.prepare();
  EXPECT_EQ(report.engine, "interpreter");
  ASSERT_FALSE(report.steps.empty());
  EXPECT_EQ(report.steps[0].variant, "interpreted");
  EXPECT_FALSE(report.pass_log.empty());  // the portable passes are no engine's
  EXPECT_EQ(other.profile({ramp({1, 3, 8, 8})}, 2).steps.size(), report.steps.size());
}

TEST(Engine, NodesThatItCannotTakeAreAllNamed) {
  const Model one = model_of("input %x : f32[2]\n%y : f32[2] = Relu(%x)\noutput %y\n");
  const Model two =
      model_of("input %x : f32[2]\n%y : f32[2] = Relu(%x)\n%z : f32[2] = Relu(%y)\noutput %y\noutput %z\n");
  const auto message = [](const Model& model) -> std::string {
    SessionOptions options;
    options.optimize = false;
    try {
      session_on(kInterpreter, model, options).prepare();
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::unsupported);
      return error.what();
    }
    return "took it";
  };
  EXPECT_THAT(message(one), testing::HasSubstr("this engine does not like it"));
  EXPECT_THAT(message(two),
              testing::AllOf(testing::HasSubstr("interpreter"), testing::HasSubstr("'y'"), testing::HasSubstr("'z'")));
}

TEST(Engine, ChosenByName) {
  const Model model = model_of(kText);
  SessionOptions options;
  options.engine = "reference";
  EXPECT_EQ(Session(model, options).prepare().engine, "reference");
  for (const StepReport& step : Session(model, options).prepare().steps) EXPECT_EQ(step.variant, "ref") << step.op;
  EXPECT_EQ(Session(model).prepare().engine, available_engines().at(0).name);
  options.engine = "gpu";
  EXPECT_THROW(Session(model, options), Error);
  options.engine = "cpu";
  options.reference = true;
  EXPECT_THROW(Session(model, options), Error);
}

TEST(Session, StopsBeforeTheNextNode) {
  Session session(model_of(kText));
  std::stop_source stop;
  EXPECT_EQ(session.run({ramp({1, 3, 8, 8})}, stop.get_token()).size(), 1u);
  stop.request_stop();
  try {
    session.run({ramp({1, 3, 8, 8})}, stop.get_token());
    FAIL() << "ran to its end";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::stopped);
  }
  EXPECT_EQ(session.run({ramp({1, 3, 8, 8})}).size(), 1u);
}

TEST(Session, RunsIntoTheCallersMemory) {
  Session session(model_of(kText));
  const Array x = ramp({2, 3, 8, 8});
  const Array wanted = session.run({x})[0];
  const std::vector<Port> ports = session.output_ports({{"x", {2, 3, 8, 8}}});
  ASSERT_EQ(ports.size(), 1u);
  EXPECT_EQ(ports[0].name, "y");
  EXPECT_EQ(ports[0].dims, wanted.dims());

  std::vector<std::byte> odd(x.bytes() + 1);  // inputs may lie at any address
  std::memcpy(odd.data() + 1, x.data(), x.bytes());
  const ArrayView input(DType::f32, x.dims(), odd.data() + 1);
  Array got(DType::f32, wanted.dims());
  session.run(std::vector{input}, std::vector<MutableArrayView>{got});
  EXPECT_EQ(std::memcmp(got.data(), wanted.data(), wanted.bytes()), 0);
  EXPECT_EQ(std::memcmp(session.run(std::vector{input})[0].data(), wanted.data(), wanted.bytes()), 0);

  Array wrong_shape(DType::f32, {2, 11}), wrong_type(DType::f64, wanted.dims());
  EXPECT_THROW(session.run(std::vector{input}, std::vector<MutableArrayView>{wrong_shape}), Error);
  EXPECT_THROW(session.run(std::vector{input}, std::vector<MutableArrayView>{wrong_type}), Error);
  EXPECT_THROW(session.run(std::vector{input}, std::vector<MutableArrayView>{}), Error);
  EXPECT_THROW(session.run(std::vector{input}, std::vector{MutableArrayView(DType::f32, wanted.dims(), nullptr)}),
               Error);
  EXPECT_THROW(session.run(std::vector{ArrayView(DType::f32, x.dims(), nullptr)}), Error);
  EXPECT_THROW(session.run(std::vector{ArrayView(DType::f32, {2, 3, 8, -8}, x.data())}), Error);
}

TEST(Session, OutputsAreMemoryOfTheirOwn) {
  Session session(model_of("input %x : f32[4]\n%y : f32[4] = Relu(%x)\n%z : f32[4] = Neg(%x)\noutput %y\noutput %z\n"));
  std::vector<float> memory{-1, 2, -3, 4, 0, 0, 0, 0, 0, 0, 0, 0};
  const auto at = [&](size_t first) { return reinterpret_cast<std::byte*>(memory.data() + first); };
  const std::vector<float> before = memory;
  const auto error = [&](size_t y, size_t z, size_t bytes_off = 0) {
    return error_of([&] {
      session.run(
          std::vector{ArrayView(DType::f32, {4}, at(0))},
          std::vector{MutableArrayView(DType::f32, {4}, at(y) + bytes_off), MutableArrayView(DType::f32, {4}, at(z))});
    });
  };
  EXPECT_THAT(error(3, 8), HasSubstr("'y': its buffer shares memory with input 'x'"));
  EXPECT_THAT(error(4, 0), HasSubstr("'z': its buffer shares memory with input 'x'"));
  EXPECT_THAT(error(4, 7), HasSubstr("'z': its buffer shares memory with that of 'y'"));
  EXPECT_THAT(error(4, 8, 1), HasSubstr("'y': its buffer is not aligned"));
  EXPECT_EQ(memory, before);
  EXPECT_EQ(error(4, 8), "");  // side by side
  EXPECT_THAT(memory, ElementsAre(-1, 2, -3, 4, 0, 2, 0, 4, 1, -2, 3, -4));
}

TEST(Session, ManyThreadsOnOne) {
  Session session(model_of(kText), {.threads = 1});
  Session alone(model_of(kText), {.threads = 1});
  std::vector<Array> wanted;
  for (int64_t batch = 1; batch <= 6; ++batch) wanted.push_back(alone.run({ramp({batch, 3, 8, 8})})[0]);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 40; ++i) {
        const auto batch = static_cast<size_t>((i + t) % 6);  // more shapes than programs are kept
        const Array got = session.run({ramp({static_cast<int64_t>(batch) + 1, 3, 8, 8})})[0];
        if (got.dims() != wanted[batch].dims() ||
            std::memcmp(got.data(), wanted[batch].data(), wanted[batch].bytes()) != 0)
          ++wrong;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(Session, WeightsArePackedOnceForAllShapesAndSessions) {
  const Model model = model_of(kText);
  const PackedWeights& packed = *model.impl().shared->packed();
  {
    Session first(model);
    first.prepare({{"x", {1, 3, 8, 8}}});
    const size_t bytes = packed.bytes();
    EXPECT_GT(bytes, 0u);
    for (int64_t batch : {2, 3}) first.prepare({{"x", {batch, 3, 8, 8}}});
    EXPECT_EQ(packed.bytes(), bytes);
    Session second(model);
    second.prepare({{"x", {3, 3, 8, 8}}});
    EXPECT_EQ(packed.bytes(), bytes);
    expect_close(second.run({ramp({3, 3, 8, 8})})[0], first.run({ramp({3, 3, 8, 8})})[0]);
  }
  EXPECT_EQ(packed.bytes(), 0u);  // freed with the last session
}

}  // namespace
}  // namespace tercel::inline session
