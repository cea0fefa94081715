#include "tensor/attrs.h"

#include <algorithm>
#include <bit>

namespace tercel::inline tensor {
namespace {

auto position(auto& entries, std::string_view name) {
  return std::lower_bound(entries.begin(), entries.end(), name,
                          [](const auto& entry, std::string_view key) { return entry.first < key; });
}

bool same_bits(float a, float b) { return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b); }

}  // namespace

bool same(const Attr& a, const Attr& b) {
  if (a.index() != b.index()) return false;
  if (const auto* real = std::get_if<float>(&a)) return same_bits(*real, std::get<float>(b));
  if (const auto* reals = std::get_if<std::vector<float>>(&a))
    return std::ranges::equal(*reals, std::get<std::vector<float>>(b), same_bits);
  return a == b;
}

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

bool Attrs::operator==(const Attrs& other) const {
  return std::ranges::equal(entries_, other.entries_, [](const auto& a, const auto& b) {
    return a.first == b.first && same(a.second, b.second);
  });
}

void Attrs::erase(std::string_view name) {
  const auto at = position(entries_, name);
  if (at != entries_.end() && at->first == name) entries_.erase(at);
}

}  // namespace tercel::inline tensor
