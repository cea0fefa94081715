#include "made_up_inputs.h"

#include <random>
#include <utility>

namespace tercel::cli {

std::vector<Array> made_up_inputs(const Model& model, const InputShapes& shapes) {
  std::vector<Array> arrays;
  std::mt19937 engine(1);
  for (const Port& port : model.inputs()) {
    Array array(port.dtype, shapes.at(port.name));
    if (port.dtype == DType::f32)
      for (float& x : array.floats()) x = static_cast<float>(engine()) / 2147483648.0f - 1.0f;
    arrays.push_back(std::move(array));
  }
  return arrays;
}

}  // namespace tercel::cli
