// Streams written once (tests/golden/codec_*.bin) still give the levels they were made of: whoever changes a format
// sees it here. TERCEL_WRITE_GOLDEN=1 writes those that are missing.
#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/isa.h"
#include "base/rng.h"
#include "codec/codec.h"

namespace tercel::codec {
namespace {

struct Golden {
  std::string name;
  Profile profile;
  int64_t rows, columns, kernel_height, kernel_width;
  bool classes;
  int32_t most;  ///< levels are below it in magnitude
  bool pruned = false;
};

const Golden kGolden[] = {
    {"max_plain", Profile::max, 40, 50, 1, 1, false, 12},
    {"max_kernel_classes", Profile::max, 30, 54, 3, 3, true, 40},
    {"max_large", Profile::max, 10, 60, 1, 1, false, 1 << 18},
    {"balanced_plain", Profile::balanced, 40, 50, 1, 1, false, 12},
    {"balanced_kernel_classes", Profile::balanced, 30, 54, 3, 3, true, 40},
    {"fast_plain", Profile::fast, 40, 50, 1, 1, false, 12},
    {"fast_classes", Profile::fast, 300, 64, 1, 1, true, 9},
    {"raw", Profile::max, 3, 20, 1, 1, false, kMaxLevel},
    {"max_pruned", Profile::max, 30, 54, 3, 3, true, 40, true},
    {"fast_pruned", Profile::fast, 40, 50, 1, 1, false, 12, true},
};

/// Whole numbers only: the same everywhere.
std::vector<int32_t> golden_levels(const Golden& golden, const std::vector<uint8_t>& classes) {
  Rng rng(golden.name.size());
  std::vector<int32_t> levels(static_cast<size_t>(golden.rows * golden.columns));
  int64_t before = 0;
  for (size_t i = 0; i < levels.size(); ++i) {
    const int64_t most = golden.most == kMaxLevel ? kMaxLevel : 1 + rng.below(golden.most);
    int64_t level = rng.below(2 * most - 1) - most + 1;
    if (golden.kernel_width > 1) level = (level + before) / 2;
    if (!classes.empty()) level = level * (1 + classes[i % classes.size()]) / 8;
    levels[i] = static_cast<int32_t>(level);
    before = level;
    const auto columns = static_cast<size_t>(golden.columns);
    const auto kernel = static_cast<size_t>(golden.kernel_height * golden.kernel_width);
    if (golden.pruned && (i / columns % 3 == 1 || i % columns / kernel % 5 == 2)) levels[i] = 0;
  }
  return levels;
}

TEST(Golden, StreamsStillDecode) {
  const std::filesystem::path folder = std::filesystem::path(TERCEL_SOURCE_DIR) / "tests" / "golden";
  for (const Golden& golden : kGolden) {
    SCOPED_TRACE(golden.name);
    std::vector<uint8_t> classes;
    if (golden.classes)
      for (int64_t c = 0; c < golden.columns; ++c) classes.push_back(static_cast<uint8_t>(c * 5 % kColumnClasses));
    const MatrixShape shape{golden.rows, golden.columns, golden.kernel_height, golden.kernel_width, classes};
    const auto levels = golden_levels(golden, classes);
    const auto path = folder / ("codec_" + golden.name + ".bin");
    if (std::getenv("TERCEL_WRITE_GOLDEN") != nullptr && !std::filesystem::exists(path)) {
      const std::string stream = encode(levels, shape, {golden.profile, golden.rows < 100 ? 1500 : 1 << 20});
      std::ofstream(path, std::ios::binary).write(stream.data(), static_cast<std::streamsize>(stream.size()));
    }
    std::ifstream file(path, std::ios::binary);
    ASSERT_TRUE(file) << path;
    std::stringstream content;
    content << file.rdbuf();
    const std::string stream = content.str();
    for (Isa isa : machine_isas()) {
      setenv("TERCEL_ISA", to_string(isa).c_str(), 1);
      std::vector<int32_t> decoded(levels.size());
      decode(std::as_bytes(std::span(stream)), shape, decoded);
      EXPECT_EQ(decoded, levels) << to_string(isa);
    }
    unsetenv("TERCEL_ISA");
  }
}

}  // namespace
}  // namespace tercel::codec
