#include "plan/arena.h"

#include <algorithm>
#include <numeric>

#include "base/bits.h"
#include "tensor/buffer.h"

namespace tercel::inline plan {

size_t place_in_arena(std::vector<Lifetime>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return values[a].bytes > values[b].bytes; });
  std::vector<const Lifetime*> placed;  // by offset
  size_t total = 0;
  for (size_t index : order) {
    Lifetime& value = values[index];
    const size_t size = round_up(value.bytes, kAlignment);
    size_t offset = 0;
    for (const Lifetime* other : placed) {
      if (other->last < value.first || other->first > value.last) continue;
      if (offset + size <= other->offset) break;
      offset = std::max(offset, other->offset + round_up(other->bytes, kAlignment));
    }
    value.offset = offset;
    total = std::max(total, offset + size);
    const auto at = std::lower_bound(placed.begin(), placed.end(), offset,
                                     [](const Lifetime* v, size_t o) { return v->offset < o; });
    placed.insert(at, &value);
  }
  return total;
}

}  // namespace tercel::inline plan
