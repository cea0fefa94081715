#include "tercel/fpga.h"

#include "base/error.h"
#include "engines/pipeline/layer_shapes.h"
#include "fpga/board.h"
#include "fpga/cycle_model.h"
#include "fpga/design_point.h"
#include "fpga/known_networks.h"
#include "fpga/published.h"
#include "session/model_impl.h"
#include "tune/pipeline_design.h"

namespace tercel {
namespace {

void check_batch(int batch) {
  if (batch < 1 || batch > 4096) fail_input("batch is {}, wanted 1 to 4096", batch);
}

std::vector<LayerShape> known_layers(std::string_view network, int batch) {
  check_batch(batch);
  return known_network(network, batch);
}

std::vector<LayerShape> layers_of(const Model& model, int batch, const InputShapes& shapes) {
  check_batch(batch);
  const Model lean = optimize(model.with_shapes(model.full_shapes(shapes)));
  return at_place([&] { return model.name(); },
                  [&] {
                    std::vector<LayerShape> layers = layer_shapes(lean.impl().graph);
                    for (LayerShape& layer : layers) {
                      layer.batch *= batch;
                      check(layer);
                    }
                    return layers;
                  });
}

DesignReport report_on(std::span<const LayerShape> layers, DesignPoint point, Kernels kernels) {
  check(point);
  const Board board = find_board(point.board);
  point = completed(point, layers, board);
  return {estimate(point, layers, board, kernels, budget_of(board, {})),
          estimate_layers(layers, point, board, kernels)};
}

}  // namespace

std::vector<FpgaBoard> fpga_boards() {
  std::vector<FpgaBoard> boards;
  for (const Board& board : known_boards()) boards.push_back(describe(board));
  return boards;
}

FpgaBoard fpga_board(const std::string& board) { return describe(find_board(board)); }

ExploreReport explore_designs(const Model& model, const ExploreOptions& options) {
  const Board board = find_board(options.board);
  budget_of(board, options);  // refused before the network is looked at
  return explore(layers_of(model, options.batch, options.shapes), board, options);
}

DesignReport estimate_design(const Model& model, const DesignPoint& point, Kernels kernels, int batch,
                             const InputShapes& shapes) {
  check(point);
  return report_on(layers_of(model, batch, shapes), point, kernels);
}

DesignReport estimate_known_network(std::string_view network, const DesignPoint& point, Kernels kernels, int batch) {
  return report_on(known_layers(network, batch), point, kernels);
}

ExploreReport explore_known_network(std::string_view network, const ExploreOptions& options) {
  const Board board = find_board(options.board);
  return explore(known_layers(network, options.batch), board, options);
}

std::vector<FpgaComparison> compare_with_published() { return compare_published(); }

}  // namespace tercel
