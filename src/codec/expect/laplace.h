// What each class of expected magnitude starts from.
#pragma once

#include <cstdint>

#include "codec/expect/neighbourhood.h"

namespace tercel::codec {

/// Probabilities, in 1/65536, of "high above 0", "high above n" for n > 0, and the highest low bit where high is 0 and
/// where it is above, for levels that are rounded from a Laplace distribution: with the scale s that gives the class's
/// mean, P(|q| >= m) = exp(-(m - 1/2) / s).
struct LaplaceStart {
  uint16_t positive, above, low_zero, low_high;
};
inline constexpr LaplaceStart kLaplace[] = {
    {4844, 358, 32768, 32768},    {6814, 709, 32768, 32768},    {9536, 1387, 32768, 32768},
    {13217, 2666, 32768, 32768},  {18012, 4951, 32768, 32768},  {23892, 8710, 32768, 32768},
    {30518, 14211, 32768, 32768}, {37278, 21205, 32768, 32768}, {43539, 28925, 32768, 32768},
    {48887, 36468, 32768, 32768}, {53191, 43172, 32768, 32768}, {56514, 48734, 32768, 32768},
    {59008, 53131, 32768, 32768}, {52448, 48695, 42050, 30339}, {55981, 53116, 42534, 31048},
};

/// Past kFirstShifted the high part looks the same every second class.
inline const LaplaceStart& laplace_start(int magnitude) {
  return kLaplace[magnitude < kFirstShifted ? magnitude : kFirstShifted + (magnitude - kFirstShifted) % 2];
}

/// The surer the guess of a sign, the rarer it is wrong.
inline constexpr uint16_t kGuessWrong[kSureties] = {32768, 31000, 29000, 26000, 22000, 18000, 13000, 8000, 5000, 3000};

}  // namespace tercel::codec
