#include "plan/plan.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/bits.h"
#include "base/error.h"
#include "base/threads.h"
#include "graph/cost.h"
#include "kernels/menu.h"
#include "kernels/reorder.h"
#include "plan/arena.h"
#include "plan/row_chain.h"

namespace tercel::inline plan {
namespace {

// Operators whose result is their operand under another shape: no step, the same bytes.
bool is_view(const Node& node) {
  return node.is("Reshape") || node.is("Flatten") || node.is("Squeeze") || node.is("Unsqueeze") || node.is("Identity");
}

std::string why_not_known(const Value& value) {
  if (value.type.dtype != DType::none && value.type.static_shape()) return {};
  return fmt::format("the shape of '{}' is {}: it cannot be known before running", value.name, to_string(value.type));
}

size_t bytes_of(const ValueType& type) { return static_cast<size_t>(count_elements(type.dims)) * size_of(type.dtype); }

class Planner {
 public:
  Planner(const Graph& graph, const PlanOptions& options) : graph_(graph), options_(options) {}

  Plan make() {
    const ThreadScope threads(options_.threads);
    for (const Value* value : graph_.inputs()) {
      need_known(*value);
      const Place place{Place::Kind::input, plan_.inputs.size()};
      plan_.inputs.push_back({value->name, value->type.dtype, value->type.dims, place});
      set_buffer(value, Layout::plain, add_buffer({place, 0, 0, 0}));
    }
    for (const auto& node : graph_.nodes()) at_place([&] { return node->describe(); }, [&] { add_node(*node); });
    for (const Value* value : graph_.outputs()) {
      need_known(*value);
      output_buffers_.push_back(buffer_of(value, Layout::plain));
      plan_.outputs.push_back({value->name, value->type.dtype, value->type.dims, {}});
    }
    // Only now: the reorder steps of later outputs must not write over the earlier ones.
    for (int buffer : output_buffers_) buffers_[static_cast<size_t>(buffer)].last = now();
    chain_rows();
    place_in_memory();
    return std::move(plan_);
  }

 private:
  /// The bytes of one value in one layout. Views share the buffer of what they view.
  struct Buffer {
    Place place;  // decided already for inputs and constants; arena offsets come last
    size_t bytes = 0;
    int first = 0, last = 0;  // steps
  };

  static void need_known(const Value& value) {
    if (std::string reason = why_not_known(value); !reason.empty()) fail_unsupported("{}", reason);
  }

  int add_buffer(Buffer buffer) {
    buffers_.push_back(buffer);
    return static_cast<int>(buffers_.size()) - 1;
  }

  int add_constant(Tensor tensor) {
    const Place place{Place::Kind::constant, plan_.constants.size()};
    plan_.constants.push_back(tensor.aligned());
    return add_buffer({place, 0, 0, 0});
  }

  int now() const { return static_cast<int>(plan_.steps.size()); }

  int existing_buffer(const Value* value, Layout layout) const {
    const auto at = buffer_by_layout_.find(value);
    return at == buffer_by_layout_.end() ? -1 : at->second[static_cast<size_t>(layout)];
  }

  void set_buffer(const Value* value, Layout layout, int buffer) {
    buffer_by_layout_[value][static_cast<size_t>(layout)] = buffer;
    if (value->type.dims.size() == 4 && layouts_coincide(value->type.dims))
      buffer_by_layout_[value][1 - static_cast<size_t>(layout)] = buffer;
  }

  /// The buffer of a value in the layout asked for; a reorder step is added where it has one in the other only.
  int buffer_of(const Value* value, Layout layout) {
    if (const int buffer = existing_buffer(value, layout); buffer >= 0) return buffer;
    if (value->is_constant()) {
      Tensor tensor = value->constant;
      if (layout == Layout::channels_last && !layouts_coincide(tensor.dims())) {
        Tensor moved(tensor.dtype(), tensor.dims());
        reorder(tensor.data(), moved.mutable_data(), tensor.dtype(), tensor.dims(), Layout::plain);
        tensor = std::move(moved);
      }
      set_buffer(value, layout, add_constant(std::move(tensor)));
      return existing_buffer(value, layout);
    }
    const Layout other = layout == Layout::plain ? Layout::channels_last : Layout::plain;
    const int from = existing_buffer(value, other);
    TERCEL_CHECK(from >= 0, "'{}' has no buffer", value->name);
    if (layouts_coincide(value->type.dims)) {
      set_buffer(value, layout, from);
      return from;
    }
    Step step;
    step.node = value->name;
    step.op = "reorder";
    step.variant = fmt::format("{} to {}", to_string(other), to_string(layout));
    step.src_types = {{value->type.dtype, value->type.dims, other, {}}};
    step.dst_types = {{value->type.dtype, value->type.dims, layout, {}}};
    step.kernel = make_reorder(value->type.dtype, value->type.dims, other);
    step.bytes = static_cast<int64_t>(2 * bytes_of(value->type));
    buffers_[static_cast<size_t>(from)].last = now();
    const int to = add_buffer({{Place::Kind::arena, 0}, bytes_of(value->type), now(), now()});
    step_buffers_.push_back({{from}, {to}});
    plan_.steps.push_back(std::move(step));
    set_buffer(value, layout, to);
    return to;
  }

  Operand describe(const Value* value, Layout layout) const {
    if (value == nullptr) return {};
    return {value->type.dtype, value->type.dims, value->type.dims.size() == 4 ? layout : Layout::plain, value->constant,
            value->type.quantization};
  }

  /// The layout that operands have already: what a variant that takes any should be given.
  Layout common_layout(const Node& node) const {
    for (const Value* value : node.inputs)
      if (value != nullptr && value->type.dims.size() == 4 && !value->is_constant() &&
          !layouts_coincide(value->type.dims) && existing_buffer(value, Layout::plain) < 0)
        return Layout::channels_last;
    return Layout::plain;
  }

  void add_node(const Node& node) {
    if (std::string reason = why_not_planned(node); !reason.empty()) fail_unsupported("{}", reason);
    if (is_view(node)) {
      const Layout layout = node.is("Identity") ? common_layout(node) : Layout::plain;
      set_buffer(node.output(), layout, buffer_of(node.input(0), layout));
      return;
    }
    const auto variants = menu(node.op);
    Step step;
    for (const Variant& variant : variants) {
      const bool reference = &variant == &variants.back();
      if (options_.reference_only && !reference) {
        step.why_nots.push_back({std::string(variant.name), "only reference kernels were asked for"});
        continue;
      }
      const Layout layout = variant.layout == LayoutRule::plain           ? Layout::plain
                            : variant.layout == LayoutRule::channels_last ? Layout::channels_last
                                                                          : common_layout(node);
      // Constants keep their plain layout where kernels pack them anyway.
      const bool keep_constants = variant.layout == LayoutRule::channels_last;
      Problem problem{node.op, &node.attrs, {}, {}, options_.isa, options_.threads, options_.shared, options_.bf16};
      for (const Value* value : node.inputs)
        problem.src.push_back(
            describe(value, keep_constants && value != nullptr && value->is_constant() ? Layout::plain : layout));
      for (const Value* value : node.outputs) problem.dst.push_back(describe(value, layout));
      if (std::string reason = variant.why_not(problem); !reason.empty()) {
        step.why_nots.push_back({std::string(variant.name), std::move(reason)});
        continue;
      }
      step.variant = variant.name;
      take(node, variant, problem, std::move(step));
      return;
    }
    fail_unsupported("no kernel takes it");
  }

  void take(const Node& node, const Variant& variant, const Problem& problem, Step step) {
    step.node = node.name.empty() && node.output() != nullptr ? node.output()->name : node.name;
    step.op = node.op;
    step.macs = std::max<int64_t>(count_macs(node), 0);
    step.kernel = variant.make(problem);
    StepBuffers buffers;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Value* value = node.inputs[i];
      const bool gone = value == nullptr || (value->is_constant() && step.kernel->consumed(i));
      buffers.src.push_back(gone ? -1 : buffer_of(value, problem.src[i].layout));
      if (value != nullptr) step.bytes += static_cast<int64_t>(bytes_of(value->type));
      if (gone && value != nullptr) value->constant.release();
    }
    for (int buffer : buffers.src)
      if (buffer >= 0) buffers_[static_cast<size_t>(buffer)].last = now();
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const Value* value = node.outputs[i];
      int buffer = -1;
      if (value != nullptr) {
        buffer = add_buffer({{Place::Kind::arena, 0}, bytes_of(value->type), now(), now()});
        set_buffer(value, problem.dst[i].layout, buffer);
        step.bytes += static_cast<int64_t>(bytes_of(value->type));
      }
      buffers.dst.push_back(buffer);
    }
    step.src_types = problem.src;
    step.dst_types = problem.dst;
    for (Operand& operand : step.src_types) operand.constant = Tensor();
    plan_.scratch_bytes = std::max(plan_.scratch_bytes, step.kernel->scratch_bytes());
    plan_.packed_bytes += step.kernel->packed_bytes();
    step_buffers_.push_back(std::move(buffers));
    plan_.steps.push_back(std::move(step));
  }

  /// The buffer between step i and the next, where that one alone reads it and both can work by rows; else -1.
  int between(size_t i) const {
    const auto rows = [](const Step& step) { return step.kernel->by_rows() != nullptr; };
    if (i + 1 >= plan_.steps.size() || !rows(plan_.steps[i]) || !rows(plan_.steps[i + 1])) return -1;
    const int buffer = step_buffers_[i].dst[0];
    const std::vector<int>& readers = step_buffers_[i + 1].src;
    const bool once = readers[0] == buffer && std::count(readers.begin(), readers.end(), buffer) == 1;
    const bool output = std::count(output_buffers_.begin(), output_buffers_.end(), buffer) > 0;
    return once && !output && buffers_[static_cast<size_t>(buffer)].last == static_cast<int>(i) + 1 ? buffer : -1;
  }

  /// Of a step by rows, whose result is n c h w: how many, and how long each is.
  static ChainStage stage_of(const Step& step) {
    const Operand& result = step.dst_types[0];
    const int64_t rows = result.dims[0] * result.dims[2];
    return {nullptr, step.src.size(), rows, static_cast<size_t>(result.elements() / rows) * size_of(result.dtype)};
  }

  /// Steps whose values in between are too large for the cache become one, which works by rows.
  void chain_rows() {
    std::vector<Step> steps;
    std::vector<StepBuffers> step_buffers;
    std::vector<int> moved;  // by step: its new number
    for (size_t i = 0; i < plan_.steps.size();) {
      const size_t count = chain_from(i);
      moved.insert(moved.end(), count, static_cast<int>(steps.size()));
      if (count > 1) merge(i, count);
      steps.push_back(std::move(plan_.steps[i]));
      step_buffers.push_back(std::move(step_buffers_[i]));
      i += count;
    }
    plan_.steps = std::move(steps);
    step_buffers_ = std::move(step_buffers);
    for (Buffer& buffer : buffers_) {
      const auto now = [&](int step) {
        return step < static_cast<int>(moved.size()) ? moved[static_cast<size_t>(step)] : this->now();
      };
      buffer.first = now(buffer.first);
      buffer.last = now(buffer.last);
    }
  }

  /// How many steps from i on are worth doing by rows; 1 where none.
  size_t chain_from(size_t i) const {
    // Smaller values are found in the cache again anyway; weights are read once for each band.
    constexpr size_t kFarBytes = size_t{1} << 19, kNearWeights = size_t{1} << 18;
    std::vector<const ByRows*> kernels;
    std::vector<int64_t> rows;
    std::vector<size_t> row_bytes;
    size_t weights = 0, count = 0;
    while (count < RowChain::kMaxStages) {
      const Step& step = plan_.steps[i + count];
      if (step.kernel->by_rows() == nullptr || step.kernel->scratch_bytes() > 0) break;
      const ChainStage stage = stage_of(step);
      kernels.push_back(step.kernel->by_rows());
      rows.push_back(stage.rows);
      row_bytes.push_back(stage.row_bytes);
      weights += step.kernel->packed_bytes();
      if (weights > kNearWeights ||
          (count > 0 && RowChain::least_bytes(kernels, rows, row_bytes) > RowChain::kBandBytes))
        break;
      ++count;
      const int buffer = between(i + count - 1);
      if (buffer < 0 || buffers_[static_cast<size_t>(buffer)].bytes < kFarBytes) break;
    }
    return std::max<size_t>(count, 1);
  }

  /// Steps i .. i + count - 1 become step i.
  void merge(size_t i, size_t count) {
    Step& step = plan_.steps[i];
    StepBuffers& buffers = step_buffers_[i];
    std::vector<ChainStage> stages;
    for (size_t j = i; j < i + count; ++j) {
      Step& next = plan_.steps[j];
      ChainStage stage = stage_of(next);
      stage.operands = step_buffers_[j].src.size();
      stage.kernel = std::move(next.kernel);
      stages.push_back(std::move(stage));
      if (j == i) continue;
      const size_t between = bytes_of_buffer(buffers.dst[0]);
      buffers_[static_cast<size_t>(buffers.dst[0])].bytes = 0;
      step_buffers_[j].src[0] = -1;
      buffers.src.insert(buffers.src.end(), step_buffers_[j].src.begin(), step_buffers_[j].src.end());
      buffers.dst = step_buffers_[j].dst;
      step.node += " + " + next.node;
      step.op += " + " + next.op;
      step.variant += " + " + next.variant;
      step.macs += next.macs;
      step.bytes += next.bytes - static_cast<int64_t>(2 * between);
      step.src_types.insert(step.src_types.end(), next.src_types.begin(), next.src_types.end());
      step.dst_types = next.dst_types;
      step.why_nots.insert(step.why_nots.end(), next.why_nots.begin(), next.why_nots.end());
    }
    step.kernel = std::make_unique<RowChain>(std::move(stages), options_.threads);
    plan_.scratch_bytes = std::max(plan_.scratch_bytes, step.kernel->scratch_bytes());
  }

  size_t bytes_of_buffer(int buffer) const { return buffers_[static_cast<size_t>(buffer)].bytes; }

  void place_in_memory() {
    std::vector<Lifetime> lifetimes;
    std::vector<size_t> owner;
    for (size_t i = 0; i < buffers_.size(); ++i) {
      const Buffer& buffer = buffers_[i];
      if (buffer.place.kind != Place::Kind::arena) continue;
      lifetimes.push_back({buffer.bytes, buffer.first, buffer.last});
      owner.push_back(i);
      plan_.unshared_bytes += round_up(buffer.bytes, kAlignment);
    }
    plan_.arena_bytes = place_in_arena(lifetimes);
    if (plan_.arena_bytes > options_.max_bytes || plan_.scratch_bytes > options_.max_bytes)
      fail(ErrorCode::limit, "the activations need {} bytes of memory, {} are allowed",
           plan_.arena_bytes + plan_.scratch_bytes, options_.max_bytes);
    for (size_t i = 0; i < owner.size(); ++i) buffers_[owner[i]].place.at = lifetimes[i].offset;
    const auto place = [&](int buffer) { return buffer < 0 ? Place{} : buffers_[static_cast<size_t>(buffer)].place; };
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      for (int buffer : step_buffers_[i].src) plan_.steps[i].src.push_back(place(buffer));
      for (int buffer : step_buffers_[i].dst) plan_.steps[i].dst.push_back(place(buffer));
    }
    for (size_t i = 0; i < output_buffers_.size(); ++i) plan_.outputs[i].place = place(output_buffers_[i]);
  }

  struct StepBuffers {
    std::vector<int> src, dst;
  };
  struct PerLayout : std::array<int, 2> {
    PerLayout() : std::array<int, 2>{-1, -1} {}
  };

  const Graph& graph_;
  const PlanOptions& options_;
  Plan plan_;
  std::vector<Buffer> buffers_;
  std::vector<StepBuffers> step_buffers_;
  std::vector<int> output_buffers_;
  std::unordered_map<const Value*, PerLayout> buffer_by_layout_;
};

}  // namespace

std::string why_not_planned(const Node& node) {
  for (const auto* values : {&node.inputs, &node.outputs})
    for (const Value* value : *values)
      if (value != nullptr)
        if (std::string reason = why_not_known(*value); !reason.empty()) return reason;
  if (is_view(node) || !menu(node.op).empty()) return {};
  return fmt::format("Tercel has no kernel for '{}'", node.op);
}

Plan make_plan(const Graph& graph, const PlanOptions& options) { return Planner(graph, options).make(); }

}  // namespace tercel::inline plan
