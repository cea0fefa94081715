// Reports of `tercel fpga` as text, JSON and HTML.
#pragma once

#include <string>
#include <vector>

#include "common.h"

namespace tercel::cli {

/// One line: "16 x 32, window 7".
std::string short_text(const DesignPoint& point);

std::vector<std::vector<std::string>> layer_rows(const std::vector<LayerEstimate>& layers);

/// Of designs that fit: where none does, there is an error instead.
std::string to_text(const ExploreReport& report, const std::string& model, bool all_layers, bool all_points);
Json to_json(const ExploreReport& report, const std::string& model);
std::string to_html(const ExploreReport& report, const std::string& model);

/// Of a design that fits.
std::string to_text(const DesignReport& report, bool all_layers);
Json to_json(const DesignReport& report);

std::string to_text(const FpgaBoard& board);
Json to_json(const FpgaBoard& board);

/// What the models promise of a set of published figures, and what they keep.
struct ErrorGate {
  std::string set, quantity, use;
  double target = 0;  ///< of the mean |error|
  int rows = 0;
  double mean = 0, worst = 0;
  bool met() const { return rows > 0 && mean <= target; }
};
std::vector<ErrorGate> error_gates(const std::vector<FpgaComparison>& rows);
std::string to_text(const std::vector<FpgaComparison>& rows, const std::vector<ErrorGate>& gates);
Json to_json(const std::vector<FpgaComparison>& rows, const std::vector<ErrorGate>& gates);

}  // namespace tercel::cli
