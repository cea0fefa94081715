#include "base/isa.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"

namespace tercel {
namespace {

TEST(Isa, NamesRoundTrip) {
  for (Isa isa : {Isa::baseline, Isa::avx2, Isa::avx512}) EXPECT_EQ(parse_isa(to_string(isa)), isa);
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
}  // namespace tercel
