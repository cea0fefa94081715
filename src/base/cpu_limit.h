// How many processors this process may use.
#pragma once

#include <filesystem>
#include <optional>

namespace tercel::inline base {

/// Processors in the calling thread's CPU affinity mask; at least 1.
int affinity_processors();

/// Processors' worth of time that the process' control group and those above it allow: the least quota / period among
/// them; nothing where there is no limit. Reads cgroup v2 (`cpu.max`) and v1 (`cpu.cfs_quota_us`, `cpu.cfs_period_us`)
/// below `root` (proc/self/cgroup, sys/fs/cgroup), which tests replace. Files that are missing or damaged set no limit.
std::optional<double> cpu_quota(const std::filesystem::path& root = "/");

/// Threads worth starting under both limits: the affinity, and the quota rounded to the nearest whole number (a thread
/// more than the quota feeds would be stopped for most of every period), at least 1.
int processors_within(int affinity, std::optional<double> quota);

}  // namespace tercel::inline base
