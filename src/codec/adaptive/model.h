// Which contexts a level of the `balanced` profile is coded in.
#pragma once

#include <algorithm>
#include <array>

#include "codec/adaptive/symbol_context.h"
#include "codec/cabac/context.h"
#include "codec/expect/neighbourhood.h"
#include "codec/syntax/token.h"

namespace tercel::codec {

struct TokenContexts {
  static constexpr size_t kHighs = 4;  ///< high parts 0, 1, 2 and above

  std::array<SymbolContext, kMagnitudes> tokens;
  std::array<std::array<BinContext, kHighs>, kConfidences> sign_flag;
  std::array<BinContext, kMaxPrefix> prefix;

  TokenContexts() {
    for (int k = 0; k < kMagnitudes; ++k) tokens[static_cast<size_t>(k)] = SymbolContext(laplace_init(k));
    for (size_t i = 0; i < sign_flag.size(); ++i) sign_flag[i].fill(BinContext(kMispredicted[i]));
  }
};

/// The contexts of one level, as visit_token asks for them.
class TokenContextSelector {
 public:
  TokenContextSelector(TokenContexts& contexts, const Expected& expected) : contexts_(contexts), expected_(expected) {}

  int low_bits() const { return low_bits_of(expected_.magnitude); }
  SymbolContext& token() { return contexts_.tokens[static_cast<size_t>(expected_.magnitude)]; }
  BinContext& prefix(int length) { return contexts_.prefix[static_cast<size_t>(length)]; }
  bool has_sign_prediction() const { return expected_.confidence > 0; }
  bool predicts_negative() const { return expected_.negative; }
  BinContext& sign_flag(uint32_t high) {
    return contexts_
        .sign_flag[static_cast<size_t>(expected_.confidence)][std::min<size_t>(high, TokenContexts::kHighs - 1)];
  }

 private:
  TokenContexts& contexts_;
  Expected expected_;
};

/// The `balanced` profile, as LevelCoding is `max`.
struct TokenCoding {
  using Contexts = TokenContexts;
  static constexpr bool kTrellis = false;  // levels of a trellis like any others
  static constexpr bool kPairs = true;     // a long chain of steps each: two side by side are quicker
  template <typename Bins>
  static int32_t visit(Bins& bins, Contexts& contexts, const Expected& expected, int32_t level) {
    return visit_token(bins, TokenContextSelector(contexts, expected), level);
  }
};

}  // namespace tercel::codec
