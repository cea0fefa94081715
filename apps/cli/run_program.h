// tercel VERB ...: the whole program, for main() and for the script that the Python package installs.
#pragma once

namespace tercel::cli {

/// Exit status: 0 fine, 2 bad input, 130 interrupted, 1 anything else. Takes over SIGINT.
int run_program(int argc, char** argv);

}  // namespace tercel::cli
