// For tests: a session on an engine that no list names.
#pragma once

#include "engines/engine.h"
#include "tercel/session.h"

namespace tercel {

/// `engine` must live longer than the session.
Session session_on(const Engine& engine, const Model& model, const SessionOptions& options = {});

}  // namespace tercel
