// The pooling operators, a part of the convolution family.
#pragma once

#include "kernels/ref/ref.h"

namespace tercel::inline kernels {

std::vector<RefEntry> pool_refs();

}  // namespace tercel::inline kernels
