// Progress on the terminal, and Ctrl-C.
#pragma once

#include <string>

#include "tercel/progress.h"

namespace tercel::cli {

/// From now on Ctrl-C ends the program with exit status 130 and a message on stderr.
void install_interrupt();

/// From now on the first Ctrl-C does not end the program but is reported by interrupted() and show_progress(); a
/// second one ends it.
void listen_for_interrupt();

bool interrupted();

/// Thrown by a verb that was interrupted, after its partial results are printed and written: exit status 130.
struct Interrupted {
  std::string what;  ///< "best so far written to m.tercel"
};

/// A line on stderr with the part done and the time left, where stderr is a terminal and the work has lasted more than
/// two seconds; nothing elsewhere.
Progress show_progress();

/// Prints "warning: ..." on a line of its own.
Warn show_warnings();

/// Removes the line, if there is one.
void end_progress();

}  // namespace tercel::cli
