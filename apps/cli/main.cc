// tercel VERB ...: exit 0 fine, 2 bad input, 1 anything else.
#include <fmt/format.h>

#include <cerrno>
#include <cstdio>
#include <new>
#include <system_error>

#include "progress.h"
#include "tercel/error.h"
#include "verbs.h"

namespace {

void print_error(const char* what) {
  tercel::cli::end_progress();
  fmt::print(stderr, "error: {}\n", what);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Tercel makes trained vision networks fast and small.\nTERCEL_ISA=baseline|avx2|avx512 forces an instruction "
      "set.",
      "tercel"};
  app.require_subcommand(0, 1);  // none is told apart from an unknown one below
  tercel::cli::add_inspect(app);
  tercel::cli::add_classify(app);
  tercel::cli::add_run(app);
  tercel::cli::add_optimize(app);
  tercel::cli::add_compress(app);
  tercel::cli::add_decompress(app);
  tercel::cli::add_front(app);
  tercel::cli::add_bench(app);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) {
      fmt::print(stderr, "{}", app.help());
      return 2;
    }
    if (std::fflush(stdout) != 0) throw std::system_error(errno, std::generic_category(), "standard output");
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const tercel::Error& error) {
    print_error(error.what());
    return error.code() == tercel::ErrorCode::io || error.code() == tercel::ErrorCode::stopped ? 1 : 2;
  } catch (const std::bad_alloc&) {
    print_error("not enough memory");
    return 1;
  } catch (const std::exception& error) {
    print_error(error.what());
    return 1;
  }
}
