// Attributes: the named parameters of an operator. They live here because graph and kernels both speak them
// and never see each other.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "tensor/tensor.h"

namespace tercel::inline tensor {

using Attr = std::variant<int64_t, float, std::string, std::vector<int64_t>, std::vector<float>,
                          std::vector<std::string>, Tensor>;

/// The same value, bit by bit: a NaN is the same as itself, zeros of different sign are not.
bool same(const Attr& a, const Attr& b);

/// A small ordered map. The getters take it as given that the attribute is there with that type: the op table
/// (graph/op.h) has filled in defaults and checked types before anybody asks.
class Attrs {
 public:
  Attrs() = default;
  Attrs(std::initializer_list<std::pair<std::string, Attr>> entries);

  bool has(std::string_view name) const { return find(name) != nullptr; }
  const Attr* find(std::string_view name) const;
  void set(std::string_view name, Attr value);
  void erase(std::string_view name);

  int64_t get_int(std::string_view name) const { return get<int64_t>(name); }
  bool get_bool(std::string_view name) const { return get<int64_t>(name) != 0; }
  float get_float(std::string_view name) const { return get<float>(name); }
  const std::string& get_string(std::string_view name) const { return get<std::string>(name); }
  const std::vector<int64_t>& get_ints(std::string_view name) const { return get<std::vector<int64_t>>(name); }
  const std::vector<float>& get_floats(std::string_view name) const { return get<std::vector<float>>(name); }
  const Tensor& get_tensor(std::string_view name) const { return get<Tensor>(name); }

  auto begin() const { return entries_.begin(); }
  auto end() const { return entries_.end(); }
  bool operator==(const Attrs& other) const;  ///< the same names with the same values

 private:
  template <typename T>
  const T& get(std::string_view name) const {
    const Attr* attr = find(name);
    TERCEL_CHECK(attr != nullptr, "no attribute '{}'", name);
    const T* value = std::get_if<T>(attr);
    TERCEL_CHECK(value != nullptr, "attribute '{}' has another type", name);
    return *value;
  }

  std::vector<std::pair<std::string, Attr>> entries_;  // sorted by name
};

}  // namespace tercel::inline tensor
