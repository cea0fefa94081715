// Highway as the kernels use it.
#pragma once

#include "base/dispatch.h"
