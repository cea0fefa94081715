// What the operands of the memories hold, checked: files come from strangers.
#pragma once

#include "hopfield/parallel_networks.h"
#include "kernels/ref/ref.h"

namespace tercel::inline kernels {

/// Patterns (operand 1), classes (2) and networks (3, where given) as a memory for probes of `bits` bits. Throws Error
/// for a bit past the last unit and a class outside 0..class_count - 1.
hopfield::PatternMemory pattern_memory(const Attrs& attrs, int64_t bits, const View& patterns, const View& classes,
                                       const View& networks);

/// Settles as the attributes of a HopfieldMemory say.
hopfield::ParallelNetworks parallel_networks(const Attrs& attrs, hopfield::PatternMemory memory);
hopfield::RecallOptions recall_options(const Attrs& attrs);

}  // namespace tercel::inline kernels
