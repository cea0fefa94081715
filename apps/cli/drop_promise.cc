#include "drop_promise.h"

#include <fmt/format.h>

namespace tercel::cli {

Json promise_json(const DropPromise& promise) {
  Json json{{"promised", promise.promised},
            {"limit", promise.limit},
            {"estimate", promise.estimate},
            {"bound", promise.bound},
            {"confidence", 0.95}};
  if (!promise.promised) json["why_not"] = promise.why_not;
  return json;
}

std::string promise_text(const DropPromise& promise, std::string_view of) {
  if (!promise.promised)
    return fmt::format("not promised that at most {:g} points of {} are lost: {}", promise.limit, of, promise.why_not);
  return fmt::format(
      "promised of pictures like these: at most {:g} points of {} lost (expected {:.2g}, at 95 % "
      "confidence at most {:.2g})",
      promise.limit, of, promise.estimate, promise.bound);
}

}  // namespace tercel::cli
