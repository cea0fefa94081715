// Checks of a max_drop.
#pragma once

#include "tune/picture_splits.h"

namespace tercel::inline tune {

/// Whether more pictures are lost than `max_drop` points. One lost picture may be chance; more count even where the
/// estimate is lower.
bool loses_too_many(const Evaluation& e, double max_drop);

/// Says by how much a check failed. Later checks on the same pictures have a `limit` below the one asked for: a bound
/// between the two needs that said.
std::string why_above(const DropPromise& promise, double limit);

/// Checks the drop of a quantized network on the held-out pictures: may a loss within `limit` points be promised?
DropPromise check_drop(const Model& model, const PictureSplits& splits, const CompressOptions& options, double limit);

}  // namespace tercel::inline tune
