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

namespace tercel::inline plan {
namespace {

// Results that are their operand under another shape: no step, the same bytes.
bool only_renames(const Node& node) {
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
      set_home(value, Layout::plain, add_home({place, 0, 0, 0}));
    }
    for (const auto& node : graph_.nodes()) at_place([&] { return node->describe(); }, [&] { add_node(*node); });
    for (const Value* value : graph_.outputs()) {
      need_known(*value);
      output_homes_.push_back(home_of(value, Layout::plain));
      plan_.outputs.push_back({value->name, value->type.dtype, value->type.dims, {}});
    }
    // Only now: the reorder steps of later outputs must not write over the earlier ones.
    for (int home : output_homes_) home_list_[static_cast<size_t>(home)].last = now();
    place_in_memory();
    return std::move(plan_);
  }

 private:
  /// Where the bytes of one value in one layout live. Values that only rename another share its home.
  struct Home {
    Place place;  // decided already for inputs and constants; arena offsets come last
    size_t bytes = 0;
    int first = 0, last = 0;  // steps
  };

  static void need_known(const Value& value) {
    if (std::string reason = why_not_known(value); !reason.empty()) fail_unsupported("{}", reason);
  }

  int add_home(Home home) {
    home_list_.push_back(home);
    return static_cast<int>(home_list_.size()) - 1;
  }

  int add_constant(Tensor tensor) {
    const Place place{Place::Kind::constant, plan_.constants.size()};
    plan_.constants.push_back(tensor.aligned());
    return add_home({place, 0, 0, 0});
  }

  int now() const { return static_cast<int>(plan_.steps.size()); }

  int existing_home(const Value* value, Layout layout) const {
    const auto at = homes_.find(value);
    return at == homes_.end() ? -1 : at->second[static_cast<size_t>(layout)];
  }

  void set_home(const Value* value, Layout layout, int home) {
    homes_[value][static_cast<size_t>(layout)] = home;
    if (value->type.dims.size() == 4 && layouts_coincide(value->type.dims))
      homes_[value][1 - static_cast<size_t>(layout)] = home;
  }

  /// The home of a value in the layout asked for; a reorder step is added where it only lives in the other.
  int home_of(const Value* value, Layout layout) {
    if (const int home = existing_home(value, layout); home >= 0) return home;
    if (value->is_constant()) {
      Tensor tensor = value->constant;
      if (layout == Layout::channels_last && !layouts_coincide(tensor.dims())) {
        Tensor moved(tensor.dtype(), tensor.dims());
        reorder(tensor.data(), moved.mutable_data(), tensor.dtype(), tensor.dims(), Layout::plain);
        tensor = std::move(moved);
      }
      set_home(value, layout, add_constant(std::move(tensor)));
      return existing_home(value, layout);
    }
    const Layout other = layout == Layout::plain ? Layout::channels_last : Layout::plain;
    const int from = existing_home(value, other);
    TERCEL_CHECK(from >= 0, "'{}' lives nowhere", value->name);
    if (layouts_coincide(value->type.dims)) {
      set_home(value, layout, from);
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
    home_list_[static_cast<size_t>(from)].last = now();
    const int to = add_home({{Place::Kind::arena, 0}, bytes_of(value->type), now(), now()});
    step_homes_.push_back({{from}, {to}});
    plan_.steps.push_back(std::move(step));
    set_home(value, layout, to);
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
          !layouts_coincide(value->type.dims) && existing_home(value, Layout::plain) < 0)
        return Layout::channels_last;
    return Layout::plain;
  }

  void add_node(const Node& node) {
    if (std::string reason = why_not_planned(node); !reason.empty()) fail_unsupported("{}", reason);
    if (only_renames(node)) {
      const Layout layout = node.is("Identity") ? common_layout(node) : Layout::plain;
      set_home(node.output(), layout, home_of(node.input(0), layout));
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
      Problem problem{node.op, &node.attrs, {}, {}, options_.isa, options_.threads, options_.shared};
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
    StepHomes homes;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Value* value = node.inputs[i];
      const bool gone = value == nullptr || (value->is_constant() && step.kernel->consumed(i));
      homes.src.push_back(gone ? -1 : home_of(value, problem.src[i].layout));
      if (value != nullptr) step.bytes += static_cast<int64_t>(bytes_of(value->type));
      if (gone && value != nullptr) value->constant.release();
    }
    for (int home : homes.src)
      if (home >= 0) home_list_[static_cast<size_t>(home)].last = now();
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      const Value* value = node.outputs[i];
      int home = -1;
      if (value != nullptr) {
        home = add_home({{Place::Kind::arena, 0}, bytes_of(value->type), now(), now()});
        set_home(value, problem.dst[i].layout, home);
        step.bytes += static_cast<int64_t>(bytes_of(value->type));
      }
      homes.dst.push_back(home);
    }
    step.src_types = problem.src;
    step.dst_types = problem.dst;
    for (Operand& operand : step.src_types) operand.constant = Tensor();
    plan_.scratch_bytes = std::max(plan_.scratch_bytes, step.kernel->scratch_bytes());
    plan_.packed_bytes += step.kernel->packed_bytes();
    step_homes_.push_back(std::move(homes));
    plan_.steps.push_back(std::move(step));
  }

  void place_in_memory() {
    std::vector<Lifetime> lifetimes;
    std::vector<size_t> owner;
    for (size_t i = 0; i < home_list_.size(); ++i) {
      const Home& home = home_list_[i];
      if (home.place.kind != Place::Kind::arena) continue;
      lifetimes.push_back({home.bytes, home.first, home.last});
      owner.push_back(i);
      plan_.unshared_bytes += round_up(home.bytes, kAlignment);
    }
    plan_.arena_bytes = place_in_arena(lifetimes);
    if (plan_.arena_bytes > options_.max_bytes || plan_.scratch_bytes > options_.max_bytes)
      fail(ErrorCode::limit, "the activations need {} bytes of memory, {} are allowed",
           plan_.arena_bytes + plan_.scratch_bytes, options_.max_bytes);
    for (size_t i = 0; i < owner.size(); ++i) home_list_[owner[i]].place.at = lifetimes[i].offset;
    const auto place = [&](int home) { return home < 0 ? Place{} : home_list_[static_cast<size_t>(home)].place; };
    for (size_t i = 0; i < plan_.steps.size(); ++i) {
      for (int home : step_homes_[i].src) plan_.steps[i].src.push_back(place(home));
      for (int home : step_homes_[i].dst) plan_.steps[i].dst.push_back(place(home));
    }
    for (size_t i = 0; i < output_homes_.size(); ++i) plan_.outputs[i].place = place(output_homes_[i]);
  }

  struct StepHomes {
    std::vector<int> src, dst;
  };
  struct PerLayout : std::array<int, 2> {
    PerLayout() : std::array<int, 2>{-1, -1} {}
  };

  const Graph& graph_;
  const PlanOptions& options_;
  Plan plan_;
  std::vector<Home> home_list_;
  std::vector<StepHomes> step_homes_;
  std::vector<int> output_homes_;
  std::unordered_map<const Value*, PerLayout> homes_;
};

}  // namespace

std::string why_not_planned(const Node& node) {
  for (const auto* values : {&node.inputs, &node.outputs})
    for (const Value* value : *values)
      if (value != nullptr)
        if (std::string reason = why_not_known(*value); !reason.empty()) return reason;
  if (only_renames(node) || !menu(node.op).empty()) return {};
  return fmt::format("Tercel has no kernel for '{}'", node.op);
}

Plan make_plan(const Graph& graph, const PlanOptions& options) { return Planner(graph, options).make(); }

}  // namespace tercel::inline plan
