// Progress on the terminal, and Ctrl-C heard between two steps of work.
#pragma once

#include "tercel/progress.h"

namespace tercel::cli {

/// From now on Ctrl-C does not end the program at once but makes show_progress() answer "stop"; a second one does end
/// it.
void listen_for_interrupt();

/// A line on stderr with the part done and the time left, where stderr is a terminal and the work has lasted more than
/// two seconds; nothing elsewhere.
Progress show_progress();

/// Takes the line away, if there is one.
void end_progress();

}  // namespace tercel::cli
