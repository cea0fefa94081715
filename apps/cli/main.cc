#include "run_program.h"

int main(int argc, char** argv) { return tercel::cli::run_program(argc, argv); }
