// This machine's processor. Plan, menu and kernels are this engine's interior.
#pragma once

#include "engines/engine.h"

namespace tercel::inline engines {

/// The fastest kernels that take each node.
const Engine& cpu_engine();

/// The reference kernels alone: slow, the definition of what is right.
const Engine& reference_engine();

}  // namespace tercel::inline engines
