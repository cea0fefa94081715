// tercel VERB ...: exit 0 fine, 2 bad input, 1 anything else.
#include <fmt/format.h>

#include <cstdio>

#include "tercel/error.h"
#include "verbs.h"

int main(int argc, char** argv) {
  CLI::App app{"Tercel makes trained vision networks fast and small.\nTERCEL_ISA=baseline|avx2|avx512 forces an instruction set.", "tercel"};
  app.require_subcommand(1);
  tercel::cli::add_inspect(app);
  tercel::cli::add_classify(app);
  tercel::cli::add_run(app);
  tercel::cli::add_optimize(app);
  tercel::cli::add_bench(app);
  try {
    app.parse(argc, argv);
    return 0;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const tercel::Error& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return error.code() == tercel::ErrorCode::io ? 1 : 2;
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 1;
  }
}
