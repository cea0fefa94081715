#include "base/isa.h"

#include <cstdlib>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "base/error.h"

namespace tercel::inline base {
namespace {

enum class Level { baseline, avx2, avx512 };

/// A feature beyond a level: its word, and the level that it builds on.
struct Extra {
  CpuFeature feature;
  std::string_view word;
  Level level;
};
constexpr Extra kExtras[] = {
    {CpuFeature::avx_vnni, "avx_vnni", Level::avx2},        {CpuFeature::avx512_vnni, "vnni", Level::avx512},
    {CpuFeature::avx512_icelake, "icelake", Level::avx512}, {CpuFeature::avx512_bf16, "bf16", Level::avx512},
    {CpuFeature::amx_int8, "amx_int8", Level::avx512},      {CpuFeature::amx_bf16, "amx_bf16", Level::avx512},
};

struct LevelName {
  Level level;
  std::string_view word;
  Isa isa;
};
constexpr LevelName kLevels[] = {{Level::baseline, "baseline", Isa::baseline},
                                 {Level::avx2, "avx2", Isa::avx2},
                                 {Level::avx512, "avx512", Isa::avx512}};

const LevelName& level_of(const Isa& isa) {
  return kLevels[isa.has(CpuFeature::avx512) ? 2 : isa.has(CpuFeature::avx2) ? 1 : 0];
}

const Isa& base_of(CpuFeature feature) {
  for (const Extra& extra : kExtras)
    if (extra.feature == feature) return kLevels[static_cast<int>(extra.level)].isa;
  return feature == CpuFeature::avx512 ? Isa::avx2 : Isa::baseline;
}

}  // namespace

Isa Isa::with(CpuFeature feature) const {
  return Isa(bits_ | base_of(feature).bits_ | 1u << static_cast<int>(feature));
}

Isa::Isa(std::initializer_list<CpuFeature> features) {
  for (CpuFeature feature : features) *this = with(feature);
}

std::string to_string(const Isa& isa) {
  std::string words(level_of(isa).word);
  for (const Extra& extra : kExtras)
    if (isa.has(extra.feature)) words += fmt::format("+{}", extra.word);
  return words;
}

Isa parse_isa(std::string_view words) {
  const auto refuse = [&] {
    fail_input(
        "'{}' is no instruction set; known: baseline, avx2, avx512, each with what builds on it "
        "(avx2+avx_vnni, avx512+vnni+icelake+bf16+amx_int8+amx_bf16)",
        words);
  };
  std::string_view rest = words;
  const auto next = [&] {
    const size_t plus = std::min(rest.find('+'), rest.size());
    const std::string_view word = rest.substr(0, plus);
    rest.remove_prefix(plus == rest.size() ? plus : plus + 1);
    return word;
  };
  const std::string_view first = next();
  const LevelName* level = nullptr;
  for (const LevelName& known : kLevels)
    if (first == known.word) level = &known;
  if (level == nullptr || words.ends_with('+')) refuse();
  Isa isa = level->isa;
  while (!rest.empty()) {
    const std::string_view word = next();
    const Extra* extra = nullptr;
    for (const Extra& known : kExtras)
      if (word == known.word && known.level <= level->level) extra = &known;
    if (extra == nullptr) refuse();
    isa = isa.with(extra->feature);
  }
  return isa;
}

Isa machine_isa() {
  Isa isa;
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
                    __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
  if (avx512) isa = Isa::avx512;
  else if (avx2) isa = Isa::avx2;
  // Compilers differ in the names they know of what is newer; the processor's own words do not (leaf 7 of cpuid).
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (!avx2 || __get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return isa;
  const unsigned more_leaves = a;
  const auto add = [&](bool had, CpuFeature feature) {
    if (had && isa.contains(base_of(feature))) isa = isa.with(feature);
  };
  add((c >> 11 & 1) != 0, CpuFeature::avx512_vnni);
  constexpr unsigned kIceLake = 1 << 1 | 1 << 6 | 1 << 8 | 1 << 9 | 1 << 10 | 1 << 12 | 1 << 14;
  add((c & kIceLake) == kIceLake, CpuFeature::avx512_icelake);
  unsigned saved = 0, unused = 0;  // which registers the system saves: without those of AMX, it cannot be used
  __asm__("xgetbv" : "=a"(saved), "=d"(unused) : "c"(0));
  const bool tiles = (saved >> 17 & 3) == 3 && (d >> 24 & 1) != 0;
  add(tiles && (d >> 25 & 1) != 0, CpuFeature::amx_int8);
  add(tiles && (d >> 22 & 1) != 0, CpuFeature::amx_bf16);
  if (more_leaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0) {
    add((a >> 4 & 1) != 0, CpuFeature::avx_vnni);
    add((a >> 5 & 1) != 0, CpuFeature::avx512_bf16);
  }
#endif
  return isa;
}

std::vector<Isa> machine_isas() {
  const Isa machine = machine_isa();
  std::vector<Isa> all;
  for (const LevelName& level : kLevels) {
    if (!machine.contains(level.isa)) continue;
    all.push_back(level.isa);
    Isa most = level.isa;
    for (const Extra& extra : kExtras)
      if (extra.level <= level.level && machine.has(extra.feature)) most = most.with(extra.feature);
    if (most != level.isa) all.push_back(most);
  }
  return all;
}

Isa chosen_isa() {
  const char* forced = std::getenv("TERCEL_ISA");
  if (forced == nullptr || *forced == '\0') return machine_isa();
  return at_place([] { return "TERCEL_ISA"; },
                  [&] {
                    const Isa isa = parse_isa(forced);
                    if (!machine_isa().contains(isa))
                      fail(ErrorCode::unsupported, "this machine has no {}; its best is {}", forced,
                           to_string(machine_isa()));
                    return isa;
                  });
}

}  // namespace tercel::inline base
