#include "base/isa.h"

#include <gmock/gmock.h>

#include <cstdlib>

#include "base/error.h"

namespace tercel::inline base {
namespace {

using testing::HasSubstr;

TEST(Isa, WordsRoundTrip) {
  for (std::string_view words : {"baseline", "avx2", "avx2+avx_vnni", "avx512", "avx512+vnni", "avx512+avx_vnni+vnni",
                                 "avx512+vnni+bf16", "avx512+vnni+icelake+bf16+amx_int8+amx_bf16"})
    EXPECT_EQ(to_string(parse_isa(words)), words);
  EXPECT_EQ(parse_isa("avx512+bf16+vnni"), parse_isa("avx512+vnni+bf16"));
}

TEST(Isa, RefusesWhatItDoesNotKnowByNamingWhatItDoes) {
  for (std::string_view words : {"", "mmx", "AVX2", "avx2+", "+avx2", "avx2++avx_vnni", "avx2+mmx", "avx2+vnni",
                                 "baseline+avx_vnni", "avx512+avx2", "avx512+vnni+"}) {
    try {
      parse_isa(words);
      ADD_FAILURE() << "'" << words << "' was taken";
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("known: baseline, avx2, avx512"));
    }
  }
}

TEST(Isa, IsASetOfFeatures) {
  EXPECT_TRUE(Isa::avx512.contains(Isa::avx2));
  EXPECT_TRUE(Isa::avx2.contains(Isa::baseline));
  EXPECT_FALSE(Isa::avx2.contains(Isa::avx512));
  EXPECT_EQ(Isa({CpuFeature::avx512}), Isa::avx512);  // with what it builds on
  const Isa vnni{CpuFeature::avx512_vnni}, avx_vnni{CpuFeature::avx_vnni};
  EXPECT_TRUE(vnni.has(CpuFeature::avx512_vnni));
  EXPECT_TRUE(vnni.contains(Isa::avx512));
  EXPECT_FALSE(Isa::avx512.has(CpuFeature::avx512_vnni));
  // No order: neither of these has the other.
  EXPECT_FALSE(vnni.contains(avx_vnni));
  EXPECT_FALSE(avx_vnni.contains(vnni));
}

TEST(Isa, MachineHasAllThatItLists) {
  const auto all = machine_isas();
  EXPECT_EQ(all.front(), Isa::baseline);
  EXPECT_EQ(all.back(), machine_isa());
  for (const Isa& isa : all) {
    EXPECT_TRUE(machine_isa().contains(isa)) << to_string(isa);
    EXPECT_EQ(parse_isa(to_string(isa)), isa);
  }
}

TEST(Isa, EnvironmentForcesOne) {
  ::setenv("TERCEL_ISA", "baseline", 1);
  EXPECT_EQ(chosen_isa(), Isa::baseline);
  ::setenv("TERCEL_ISA", "mmx", 1);
  EXPECT_THROW(chosen_isa(), Error);
  ::unsetenv("TERCEL_ISA");
  EXPECT_EQ(chosen_isa(), machine_isa());
}

}  // namespace
}  // namespace tercel::inline base
