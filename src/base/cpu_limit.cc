#include "base/cpu_limit.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>

namespace tercel::inline base {
namespace {

namespace fs = std::filesystem;

/// quota / period of one group; nothing for "max", -1, or what is no such file.
std::optional<double> ratio(const std::string& quota_text, const std::string& period_text) {
  try {
    const double quota = std::stod(quota_text), period = std::stod(period_text);
    if (std::isfinite(quota) && std::isfinite(period) && quota > 0 && period > 0) return quota / period;
  } catch (const std::exception&) {  // no number: no limit
  }
  return std::nullopt;
}

std::string word_of(const fs::path& file) {
  std::ifstream stream(file);
  std::string word;
  stream >> word;
  return word;
}

std::optional<double> limit_v2(const fs::path& group) {
  std::ifstream stream(group / "cpu.max");
  std::string quota, period;
  stream >> quota >> period;
  return ratio(quota, period);
}

std::optional<double> limit_v1(const fs::path& group) {
  return ratio(word_of(group / "cpu.cfs_quota_us"), word_of(group / "cpu.cfs_period_us"));
}

/// The least limit of `group` and of all groups above it up to `mount`. Inside a container the mount may show only the
/// container's own group, as its root: then the levels in between are not there and set no limit.
template <typename LimitOf>
std::optional<double> least_limit(const fs::path& mount, const fs::path& group, LimitOf&& limit_of) {
  std::optional<double> least;
  fs::path at = group.relative_path();
  if (std::find(at.begin(), at.end(), "..") != at.end()) at.clear();  // a group outside what is mounted here
  for (;; at = at.parent_path()) {
    if (const auto limit = limit_of(mount / at)) least = std::min(least.value_or(*limit), *limit);
    if (at.empty()) return least;
  }
}

bool names(const std::string& controllers, const std::string& name) {
  return ("," + controllers + ",").find("," + name + ",") != std::string::npos;
}

}  // namespace

int affinity_processors() {
  cpu_set_t usual;
  if (sched_getaffinity(0, sizeof(usual), &usual) == 0) return std::max(CPU_COUNT(&usual), 1);
  // A machine may have more processors than cpu_set_t has bits: ask again with more until the kernel's mask fits.
  for (int bits = 2 * CPU_SETSIZE; bits <= (1 << 20); bits *= 2) {
    cpu_set_t* set = CPU_ALLOC(static_cast<size_t>(bits));
    if (set == nullptr) return 1;
    const size_t size = CPU_ALLOC_SIZE(static_cast<size_t>(bits));
    const int count = sched_getaffinity(0, size, set) == 0 ? CPU_COUNT_S(size, set) : 0;
    CPU_FREE(set);
    if (count > 0) return count;
  }
  return 1;
}

std::optional<double> cpu_quota(const fs::path& root) {
  std::optional<double> least;
  const fs::path mount = root / "sys/fs/cgroup";
  std::ifstream groups(root / "proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "id:controllers:path"; v2 has id 0 and no controllers
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path group = line.substr(second + 1);
    std::optional<double> limit;
    if (controllers.empty()) {
      limit = least_limit(mount, group, limit_v2);
    } else if (names(controllers, "cpu")) {
      limit = least_limit(mount / "cpu", group, limit_v1);
      if (!limit) limit = least_limit(mount / controllers, group, limit_v1);  // "cpu,cpuacct" is mounted as one
    }
    if (limit) least = std::min(least.value_or(*limit), *limit);
  }
  return least;
}

int processors_within(int affinity, std::optional<double> quota) {
  if (!quota) return std::max(affinity, 1);
  return std::max(1, static_cast<int>(std::min<double>(affinity, std::round(*quota))));
}

}  // namespace tercel::inline base
