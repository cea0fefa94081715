// Which instruction set the kernels may use.
#pragma once

#include <string_view>
#include <vector>

namespace tercel {

/// Ordered: a machine that has one has all before it. `baseline` is plain C++ at the compiler's default target.
enum class Isa { baseline, avx2, avx512 };

std::string_view to_string(Isa isa);

/// Throws Error naming the accepted words.
Isa parse_isa(std::string_view word);

/// The best this machine has.
Isa machine_isa();

/// Every one this machine has, baseline first.
std::vector<Isa> machine_isas();

/// The one to use: TERCEL_ISA where it is set, else the machine's best. Throws Error where TERCEL_ISA is unknown or the
/// machine lacks it: silently running something else would make a forced comparison worthless.
Isa chosen_isa();

}  // namespace tercel
