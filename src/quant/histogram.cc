#include "quant/histogram.h"

#include <algorithm>
#include <cmath>

namespace tercel::inline quant {

double Histogram::width() const { return std::ldexp(1.0, exponent_); }

int Histogram::first() const {
  if (count_ == 0) return kMiddle;
  return std::clamp(static_cast<int>(std::floor(low_ / width())) + kMiddle, 0, kBins - 1);
}

int Histogram::last() const {
  if (count_ == 0) return kMiddle;
  return std::clamp(static_cast<int>(std::floor(high_ / width())) + kMiddle, 0, kBins - 1) + 1;
}

/// Two neighbours become one bin; the edge at zero stays.
void Histogram::widen_to(float magnitude) {
  while (static_cast<double>(magnitude) >= (kMiddle)*width()) {
    if (count_ > 0) {
      std::vector<int64_t> merged(kBins, 0);
      for (int i = 0; i < kBins; ++i)
        merged[static_cast<size_t>(((i - kMiddle) >> 1) + kMiddle)] += bins_[static_cast<size_t>(i)];
      bins_ = std::move(merged);
    }
    ++exponent_;
  }
}

void Histogram::add(std::span<const float> values) {
  float least = 0, most = 0;
  bool any = false, finite = true;
  for (float x : values) {
    if (!std::isfinite(x)) {
      finite = false;
      continue;
    }
    least = any ? std::min(least, x) : x;
    most = any ? std::max(most, x) : x;
    any = true;
  }
  finite_ &= finite;
  if (!any) return;
  widen_to(std::max(std::abs(least), std::abs(most)));
  low_ = count_ == 0 ? least : std::min(low_, least);
  high_ = count_ == 0 ? most : std::max(high_, most);
  if (bins_.empty()) bins_.assign(kBins, 0);
  const auto inverse = static_cast<float>(std::ldexp(1.0, -exponent_));  // a power of two: products are exact
  for (float x : values) {
    if (!std::isfinite(x)) continue;
    ++bins_[static_cast<size_t>(static_cast<int>(std::floor(x * inverse)) + kMiddle)];
    ++count_;
  }
}

double Histogram::share_outside(double low, double high) const {
  if (count_ == 0) return 0;
  int64_t outside = 0;
  for (int i = first(); i < last(); ++i)
    if (edge(i + 1) <= low || edge(i) > high) outside += bin(i);
  return static_cast<double>(outside) / static_cast<double>(count_);
}

}  // namespace tercel::inline quant
