#include "plan/evaluate.h"

#include "base/error.h"
#include "kernels/ref/ref.h"

namespace tercel::inline plan {

bool can_evaluate(const Node& node) {
  for (const Value* value : node.inputs)
    if (value != nullptr && !value->is_constant()) return false;
  for (const Value* value : node.outputs)
    if (value != nullptr && (value->type.dtype == DType::none || !value->type.static_shape())) return false;
  return find_ref(node.op) != nullptr;
}

std::vector<Tensor> evaluate(const Node& node) {
  return at_place([&] { return node.describe(); },
                  [&] {
                    std::vector<Tensor> operands, results;
                    std::vector<View> src, dst;
                    for (const Value* value : node.inputs) {
                      operands.push_back(value == nullptr ? Tensor() : value->constant.aligned());
                      src.push_back(operands.back().view());
                    }
                    for (const Value* value : node.outputs) {
                      results.push_back(value == nullptr ? Tensor() : Tensor(value->type.dtype, value->type.dims));
                      dst.push_back(results.back().view());
                    }
                    find_ref(node.op)(node.attrs, src, dst);
                    return results;
                  });
}

}  // namespace tercel::inline plan
