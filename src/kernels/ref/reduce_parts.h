// Parts of the reduction family; reduce_refs() joins them.
#pragma once

#include "kernels/ref/ref.h"

namespace tercel::inline kernels {

std::vector<RefEntry> softmax_refs();  ///< Softmax, LogSoftmax, Hardmax
std::vector<RefEntry> order_refs();    ///< ArgMax, ArgMin, TopK, CumSum
std::vector<RefEntry> loss_refs();     ///< NegativeLogLikelihoodLoss, SoftmaxCrossEntropyLoss

}  // namespace tercel::inline kernels
