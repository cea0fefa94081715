// Signs of a random projection (the share of bits in which two vectors differ is their angle / pi: Charikar 2002), the
// projection being random signs and a Hadamard transform: O(d log d), and a bit a feature to store (Ailon and Chazelle
// 2009). Features are centred first. More bits than features take further blocks with other signs.
#include <bit>

#include "base/bits.h"
#include "base/error.h"
#include "base/rng.h"
#include "hopfield/binarization.h"

namespace tercel::inline hopfield {

namespace {
constexpr int64_t kMostBits = int64_t{1} << 20;
}  // namespace

Binarization walsh_hadamard() {
  return {"hadamard", "signs of a random Walsh-Hadamard projection of the centred features; any number of bits",
          [](const FeatureRows& rows, const BinarizationOptions& options) {
            check_finite(rows);
            if (options.bits < 0 || options.bits > kMostBits)
              fail_input("{} bits: wanted 1 to {}", options.bits, kMostBits);
            Binarizer binarizer{.inputs = rows.width, .bits = options.bits == 0 ? rows.width : options.bits};
            binarizer.shift = means_of(rows);
            binarizer.padded = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(rows.width)));
            Rng rng(options.seed);
            const int64_t blocks = div_up(binarizer.bits, binarizer.padded);
            for (int64_t i = 0; i < blocks * binarizer.padded; ++i)
              binarizer.signs.push_back(rng.next() >> 63 != 0 ? 1.0f : -1.0f);
            return binarizer;
          }};
}

}  // namespace tercel::inline hopfield
