#include "base/cpu_limit.h"

#include <gmock/gmock.h>

#include <fstream>

#include "base/folder_testing.h"

namespace tercel::inline base {
namespace {

namespace fs = std::filesystem;

/// A file system with the control groups of one process.
class CpuQuota : public testing::Test {
 protected:
  void write(const fs::path& file, const std::string& text) {
    fs::create_directories((folder_.path() / file).parent_path());
    std::ofstream(folder_.path() / file) << text;
  }
  std::optional<double> quota() const { return cpu_quota(folder_.path()); }

  TemporaryFolder folder_{"cgroups"};
};

TEST_F(CpuQuota, NoControlGroupsSetNoLimit) { EXPECT_EQ(quota(), std::nullopt); }

TEST_F(CpuQuota, VersionTwo) {
  write("proc/self/cgroup", "0::/\n");
  EXPECT_EQ(quota(), std::nullopt);
  write("sys/fs/cgroup/cpu.max", "max 100000\n");
  EXPECT_EQ(quota(), std::nullopt);
  write("sys/fs/cgroup/cpu.max", "150000 100000\n");
  EXPECT_EQ(quota(), 1.5);
}

TEST_F(CpuQuota, TheLeastOfAllGroupsAbove) {
  write("proc/self/cgroup", "0::/a.slice/b.scope\n");
  write("sys/fs/cgroup/a.slice/cpu.max", "300000 100000");
  EXPECT_EQ(quota(), 3);
  write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "max 100000");
  EXPECT_EQ(quota(), 3);
  write("sys/fs/cgroup/a.slice/b.scope/cpu.max", "50000 100000");
  EXPECT_EQ(quota(), 0.5);
  write("sys/fs/cgroup/cpu.max", "20000 100000");
  EXPECT_EQ(quota(), 0.2);
}

TEST_F(CpuQuota, AContainerThatSeesItsOwnGroupAsRoot) {
  write("proc/self/cgroup", "0::/docker/0123\n");
  write("sys/fs/cgroup/cpu.max", "200000 100000");
  EXPECT_EQ(quota(), 2);
  write("proc/self/cgroup", "0::/../other\n");
  EXPECT_EQ(quota(), 2);
}

TEST_F(CpuQuota, VersionOne) {
  write("proc/self/cgroup", "5:memory:/m\n4:cpu,cpuacct:/job\n1:name=systemd:/x\n");
  write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "-1\n");
  write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), std::nullopt);
  write("sys/fs/cgroup/cpu,cpuacct/job/cpu.cfs_quota_us", "250000\n");
  EXPECT_EQ(quota(), 2.5);
  write("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "100000\n");
  write("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(quota(), 1);
}

TEST_F(CpuQuota, DamagedFilesSetNoLimit) {
  write("proc/self/cgroup", "0::/\n\n:::\nnonsense\n7:cpu");
  for (const char* text : {"", "abc def", "100000", "0 100000", "-5 100000", "100000 0", "nan 1", "1e999 1", "5 inf"}) {
    write("sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(quota(), std::nullopt) << text;
  }
}

TEST(Processors, AreTheLesserOfAffinityAndQuota) {
  EXPECT_GE(affinity_processors(), 1);
  EXPECT_EQ(processors_within(8, std::nullopt), 8);
  EXPECT_EQ(processors_within(8, 3), 3);
  EXPECT_EQ(processors_within(2, 16), 2);
  EXPECT_EQ(processors_within(8, 0.1), 1);
  EXPECT_EQ(processors_within(8, 1.4), 1);
  EXPECT_EQ(processors_within(8, 1.5), 2);
  EXPECT_EQ(processors_within(8, 1e300), 8);
  EXPECT_EQ(processors_within(0, std::nullopt), 1);
}

}  // namespace
}  // namespace tercel::inline base
