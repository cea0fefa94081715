// Highway, and how a kernel's code for the instruction set asked for is found.
//
// A SIMD source names itself in HWY_TARGET_INCLUDE, includes this header, then hwy/foreach_target.h (which compiles the
// file once per target), then hwy/highway.h; `TERCEL_PICK(isa, Function)` inside `#if HWY_ONCE` is the address of the
// copy for `isa`.
#pragma once
// Only the levels that Isa names; each further one would compile every kernel once more.
#ifndef TERCEL_TARGETS_LEFT_OUT
#define TERCEL_TARGETS_LEFT_OUT 0  // of those (cmake/layers.cmake)
#endif
#define HWY_DISABLED_TARGETS (HWY_SSSE3 | HWY_SSE4 | TERCEL_TARGETS_LEFT_OUT)

#include <hwy/detect_targets.h>

#include "base/isa.h"

#if HWY_TARGETS & HWY_AVX3
#define TERCEL_PICK_AVX512(function) N_AVX3::function
#else
#define TERCEL_PICK_AVX512(function) HWY_STATIC_DISPATCH(function)
#endif
#if HWY_TARGETS & HWY_AVX2
#define TERCEL_PICK_AVX2(function) N_AVX2::function
#else
#define TERCEL_PICK_AVX2(function) HWY_STATIC_DISPATCH(function)
#endif

#define TERCEL_PICK(isa, function)                                         \
  ((isa).has(::tercel::CpuFeature::avx512) ? &TERCEL_PICK_AVX512(function) \
   : (isa).has(::tercel::CpuFeature::avx2) ? &TERCEL_PICK_AVX2(function)   \
                                           : &HWY_STATIC_DISPATCH(function))
