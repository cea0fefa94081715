// Memory of one or more sessions of one model, each prepared for several batches and run once:
//   session_memory MODEL SESSIONS BATCHES
// prints the resident memory in MiB at the end, less that of the loaded model. Weights are packed once for all.
#include <malloc.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <list>

#include "tercel/tercel.h"

namespace {

double resident_mib() {
  ::malloc_trim(0);
  std::ifstream statm("/proc/self/statm");
  long pages = 0, resident = 0;
  statm >> pages >> resident;
  return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE)) / (1 << 20);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  try {
    const tercel::Model model = tercel::load(argv[1]);
    std::list<tercel::Session> sessions;
    for (int s = 0; s < std::atoi(argv[2]); ++s) {
      tercel::Session& session = sessions.emplace_back(model);
      for (int batch = 1; batch <= std::atoi(argv[3]); ++batch) {
        auto shape = model.full_shapes().begin()->second;
        shape[0] = batch;
        session.run({tercel::Array(tercel::DType::f32, shape)});
      }
    }
    std::printf("%.0f MiB\n", resident_mib());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
