#include "session/picture_model.h"

#include <algorithm>

#include "base/error.h"
#include "session/model_impl.h"

namespace tercel::inline session {

std::vector<int64_t> picture_dims(const Model& model, const Preprocessing& how) {
  const std::vector<Port> inputs = model.inputs();
  if (inputs.size() != 1 || inputs[0].dtype != DType::f32 || (inputs[0].ranked && inputs[0].dims.size() != 4))
    fail_input("{}: pictures need a model with one input of type f32 and rank 4", model.name());
  const int64_t h = how.height, w = how.width, c = how.channels();
  std::vector<int64_t> dims = how.channels_last ? std::vector<int64_t>{1, h, w, c} : std::vector<int64_t>{1, c, h, w};
  const Port& port = inputs[0];
  for (size_t i = 0; port.ranked && i < dims.size(); ++i)
    if (port.dims[i] >= 0 && port.dims[i] != dims[i])
      fail_input(
          "{}: the preprocessing '{}' makes {} of a picture, but the input '{}' is {}: choose one of that size, or "
          "write width and height into the model (docs/preprocessing.md)",
          model.name(), how.describe(), to_string(Dims(dims)), port.name, to_string(Dims(port.dims)));
  return dims;
}

FirstOutput first_output(const Model& model) {
  constexpr std::string_view kViews[] = {"Identity", "Squeeze", "Unsqueeze", "Flatten", "Reshape", "Cast"};
  const Value* value = model.impl().graph.outputs().at(0);
  const auto made_by = [&](std::string_view op) { return value->producer != nullptr && value->producer->is(op); };
  while (std::any_of(std::begin(kViews), std::end(kViews), made_by) && value->producer->input(0) != nullptr)
    value = value->producer->input(0);
  if (made_by("Softmax")) return FirstOutput::probabilities;
  if (made_by("ArgMax") || made_by("ArgMin")) return FirstOutput::classes;
  if (made_by("TopK"))
    fail_input(
        "{}: ends in TopK, whose first output holds scores without their classes; look at all outputs with tercel run, "
        "or export the network without it",
        model.name());
  return FirstOutput::scores;
}

void check_answer_of_one_picture(const Model& model, FirstOutput kind, const std::vector<int64_t>& dims) {
  const auto long_axes = std::count_if(dims.begin(), dims.end(), [](int64_t extent) { return extent > 1; });
  if (long_axes > (kind == FirstOutput::classes ? 0 : 1))
    fail_input("{}: the first output is {}, not {}: this network does not classify a picture", model.name(),
               to_string(Dims(dims)), kind == FirstOutput::classes ? "one class" : "one score for each class");
}

}  // namespace tercel::inline session
