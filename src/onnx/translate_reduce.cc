#include "base/error.h"
#include "onnx/translate.h"

namespace tercel::onnx {
namespace {

// ReduceSum takes its axes as an input since opset 13, the others since 18.
void reduce(Draft& d) { d.attr_to_input("axes", 1); }

// Until opset 10 k was an attribute.
void top_k(Draft& d) { d.attr_to_input("k", 1); }

// Until opset 13 softmax ran over all axes from `axis` on, taken together.
void softmax(Draft& d) {
  if (d.opset >= 13) return;
  const int64_t* given = d.attr<int64_t>("axis");
  const int64_t axis = given == nullptr ? 1 : *given;
  const ValueType& type = d.input(0) != nullptr ? d.input(0)->type : ValueType{};
  const int64_t rank = static_cast<int64_t>(type.dims.size());
  const bool last = axis == -1 || (type.ranked && normalize_axis(axis, rank) == rank - 1);
  d.attrs.set("axis", int64_t{-1});
  if (last) return;
  Value* shape = d.add("Shape", {d.input(0)});
  Value* flat = d.add("Flatten", {d.input(0)}, {{"axis", axis}});
  Value* result = d.add(d.op, {flat}, {{"axis", int64_t{-1}}});
  d.add_final("Reshape", {result, shape});
  d.finished = true;
}

}  // namespace

Rules reduce_rules() {
  Rules rules{{"TopK", top_k}, {"Softmax", softmax}, {"LogSoftmax", softmax}, {"Hardmax", softmax}};
  for (const char* op : {"ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
                         "ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"})
    rules[op] = reduce;
  return rules;
}

}  // namespace tercel::onnx
