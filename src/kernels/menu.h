// Every way to perform every operator. menu.cc is the only file that knows them all.
#pragma once

#include "kernels/kernel.h"

namespace tercel::inline kernels {

/// Best first; the reference, which takes every problem, last. Empty where Tercel cannot perform the operator.
std::span<const Variant> menu(std::string_view op);

}  // namespace tercel::inline kernels
