#include "base/isa.h"

#include <cstdlib>

#include "base/error.h"

namespace tercel {

std::string_view to_string(Isa isa) {
  switch (isa) {
    case Isa::baseline: return "baseline";
    case Isa::avx2: return "avx2";
    case Isa::avx512: return "avx512";
  }
  return "?";
}

Isa parse_isa(std::string_view word) {
  for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512})
    if (word == to_string(isa)) return isa;
  fail_input("'{}' is no instruction set; known: baseline, avx2, avx512", word);
}

Isa machine_isa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (avx512) return Isa::avx512;
  if (avx2) return Isa::avx2;
#endif
  return Isa::baseline;
}

std::vector<Isa> machine_isas() {
  std::vector<Isa> all;
  for (int i = 0; i <= static_cast<int>(machine_isa()); ++i) all.push_back(static_cast<Isa>(i));
  return all;
}

Isa chosen_isa() {
  const char* forced = std::getenv("TERCEL_ISA");
  if (forced == nullptr || *forced == '\0') return machine_isa();
  return at_place([] { return "TERCEL_ISA"; },
                  [&] {
                    const Isa isa = parse_isa(forced);
                    if (isa > machine_isa())
                      fail(ErrorCode::unsupported, "this machine has no {}; its best is {}", forced,
                           to_string(machine_isa()));
                    return isa;
                  });
}

}  // namespace tercel
