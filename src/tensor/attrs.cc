#include "tensor/attrs.h"

#include <algorithm>

namespace tercel {
namespace {

auto position(auto& entries, std::string_view name) {
  return std::lower_bound(entries.begin(), entries.end(), name,
                          [](const auto& entry, std::string_view key) { return entry.first < key; });
}

}  // namespace

Attrs::Attrs(std::initializer_list<std::pair<std::string, Attr>> entries) {
  for (const auto& [name, value] : entries) set(name, value);
}

const Attr* Attrs::find(std::string_view name) const {
  const auto at = position(entries_, name);
  return at != entries_.end() && at->first == name ? &at->second : nullptr;
}

void Attrs::set(std::string_view name, Attr value) {
  const auto at = position(entries_, name);
  if (at != entries_.end() && at->first == name) at->second = std::move(value);
  else entries_.emplace(at, std::string(name), std::move(value));
}

void Attrs::erase(std::string_view name) {
  const auto at = position(entries_, name);
  if (at != entries_.end() && at->first == name) entries_.erase(at);
}

}  // namespace tercel
