// Progress of work that cannot tell of itself how far it is.
#pragma once

#include <chrono>
#include <future>
#include <string_view>

#include "base/error.h"
#include "tercel/progress.h"

namespace tercel::inline base {

/// Does `work` in another thread, and reports `stage` from this one meanwhile, without a part done; with 1 at the end.
/// Where an answer asks to stop, Error(stopped) follows when the work is done. What the work throws is thrown.
template <typename Work>
void report_while(const Progress& progress, std::string_view stage, Work&& work) {
  if (!progress) return work();
  auto done = std::async(std::launch::async, [&] { work(); });
  bool goes_on = true;
  while (done.wait_for(std::chrono::milliseconds(200)) != std::future_status::ready)
    goes_on = progress(stage, -1) && goes_on;
  done.get();
  if (!progress(stage, 1) || !goes_on) fail(ErrorCode::stopped, "stopped: {}", stage);
}

}  // namespace tercel::inline base
