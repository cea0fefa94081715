// What a network is timed on where nobody gives inputs.
#pragma once

#include <vector>

#include "tercel/array.h"
#include "tercel/model.h"

namespace tercel::cli {

/// Seeded noise for floats, zeros for the rest (an index must not point outside). Every input has its shape in
/// `shapes`.
std::vector<Array> made_up_inputs(const Model& model, const InputShapes& shapes);

}  // namespace tercel::cli
