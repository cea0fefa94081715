// Which instruction sets the kernels may use.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace tercel::inline base {

/// What a processor may have beyond the compiler's default target. avx2 stands for AVX2 with FMA and BMI 1 and 2;
/// avx512 for F, BW, CD, DQ and VL on top of that.
enum class CpuFeature : uint8_t {
  avx2,
  avx512,
  avx_vnni,        ///< dot products of four u8 x i8, in the encoding of AVX
  avx512_vnni,     ///< the same in the encoding of AVX-512: neither implies the other
  avx512_icelake,  ///< what came with Ice Lake and Zen 4: VBMI 1 and 2, BITALG, VPOPCNTDQ, GFNI, VAES, VPCLMULQDQ
  avx512_bf16,
  amx_int8,
  amx_bf16,
};

/// A set of features. `baseline` has none; the levels avx2 and avx512 are exactly those, with what they build on.
/// Every set is whole: a feature comes with the level that it builds on.
class Isa {
 public:
  constexpr Isa() = default;
  Isa(std::initializer_list<CpuFeature> features);

  bool has(CpuFeature feature) const { return (bits_ >> static_cast<int>(feature) & 1) != 0; }
  /// Every feature of `other`?
  bool contains(const Isa& other) const { return (other.bits_ & ~bits_) == 0; }
  Isa with(CpuFeature feature) const;
  bool operator==(const Isa&) const = default;

  static const Isa baseline, avx2, avx512;

 private:
  explicit constexpr Isa(uint32_t bits) : bits_(bits) {}
  uint32_t bits_ = 0;
};

inline constexpr Isa Isa::baseline{};
inline constexpr Isa Isa::avx2{1u << static_cast<int>(CpuFeature::avx2)};
inline constexpr Isa Isa::avx512{1u << static_cast<int>(CpuFeature::avx2) | 1u << static_cast<int>(CpuFeature::avx512)};

/// "baseline", "avx2", "avx512+vnni+bf16": the level, and what is had beyond it.
std::string to_string(const Isa& isa);

/// Throws Error naming the accepted words.
Isa parse_isa(std::string_view words);

/// All that this machine has.
Isa machine_isa();

/// The sets worth trying on this machine, baseline first, all that it has last: each level alone, and with whatever
/// else the machine has at that level.
std::vector<Isa> machine_isas();

/// The one to use: TERCEL_ISA where it is set, else all that the machine has. Throws Error where TERCEL_ISA is unknown
/// or the machine lacks it: silently running something else would make a forced comparison worthless.
Isa chosen_isa();

}  // namespace tercel::inline base
