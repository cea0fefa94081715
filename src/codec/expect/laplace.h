// Initial probabilities of each class of expected magnitude.
#pragma once

#include <cstdint>

#include "codec/expect/neighbourhood.h"

namespace tercel::codec {

/// Probabilities, in 1/65536, of "high > 0", "high > n" for n > 0, and the highest low bit where high is 0 and where it
/// is not, for levels that are rounded from a Laplace distribution: with the scale s that gives the class's
/// mean, P(|q| >= m) = exp(-(m - 1/2) / s).
struct LaplaceInit {
  uint16_t gt0, gtN, low_zero, low_high;
};
inline constexpr LaplaceInit kLaplace[] = {
    {4844, 358, 32768, 32768},    {6814, 709, 32768, 32768},    {9536, 1387, 32768, 32768},
    {13217, 2666, 32768, 32768},  {18012, 4951, 32768, 32768},  {23892, 8710, 32768, 32768},
    {30518, 14211, 32768, 32768}, {37278, 21205, 32768, 32768}, {43539, 28925, 32768, 32768},
    {48887, 36468, 32768, 32768}, {53191, 43172, 32768, 32768}, {56514, 48734, 32768, 32768},
    {59008, 53131, 32768, 32768}, {52448, 48695, 42050, 30339}, {55981, 53116, 42534, 31048},
};

/// Past kFirstShifted the high part looks the same every second class.
inline const LaplaceInit& laplace_init(int magnitude) {
  return kLaplace[magnitude < kFirstShifted ? magnitude : kFirstShifted + (magnitude - kFirstShifted) % 2];
}

/// Initial probability that a predicted sign is wrong, by confidence.
inline constexpr uint16_t kMispredicted[kConfidences] = {32768, 31000, 29000, 26000, 22000,
                                                         18000, 13000, 8000,  5000,  3000};

}  // namespace tercel::codec
