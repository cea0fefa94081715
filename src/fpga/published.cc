#include "fpga/published.h"

#include <algorithm>
#include <charconv>

#include "base/check.h"
#include "fpga/cycle_model.h"
#include "fpga/design_point.h"
#include "fpga/embedded.h"
#include "fpga/known_networks.h"
#include "fpga/resource_model.h"

namespace tercel::inline fpga {
namespace {

constexpr std::string_view kColumns = "set,board,network,layer,vec,lane,clock_mhz,batch,quantity,value,use";

double number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  TERCEL_CHECK(error == std::errc() && end == text.data() + text.size(), "published figure '{}'", text);
  return value;
}

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells;
  while (true) {
    const size_t comma = line.find(',');
    cells.emplace_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return cells;
    line.remove_prefix(comma + 1);
  }
}

/// The point as PipeCNN's authors built it.
DesignPoint published_point(const FpgaComparison& row) {
  DesignPoint point;
  point.vec = row.vec;
  point.lane = row.lane;
  point.weight_buffer_words = point.window_buffer_words = 9216 / row.vec;  // of AlexNet
  point.board = row.board;
  point.clock_mhz = row.clock_mhz;
  return point;
}

double predict_latency(const FpgaComparison& row, const DesignPoint& point, const Board& board, int batch) {
  double ms = 0;
  for (const LayerShape& layer : known_network(row.network, batch))
    if (row.layer.empty() || row.layer == layer.name) ms += estimate_layer(layer, point, board, Kernels::pipecnn).ms;
  return ms / batch;
}

double predict(const FpgaComparison& row, int batch) {
  const Board board = find_board(row.board);
  const DesignPoint point = published_point(row);
  if (row.quantity == "latency_ms") return predict_latency(row, point, board, batch);
  if (row.quantity == "fmax_mhz") return clock_law_mhz(row.vec, row.lane);
  // Set A was built with profiling counters in it.
  const FpgaResources r = estimate_resources(point, board, row.set == "A" ? Build::profiled : Build::plain);
  if (row.quantity == "dsp") return r.dsp_blocks;
  if (row.quantity == "ram_blocks") return r.ram_blocks;
  TERCEL_CHECK(row.quantity == "logic", "published quantity '{}'", row.quantity);
  return r.logic_alms;
}

FpgaComparison read_row(std::string_view line) {
  const std::vector<std::string> cells = cells_of(line);
  TERCEL_CHECK(cells.size() == 11, "published row '{}'", line);
  FpgaComparison row{.set = cells[0], .board = cells[1], .network = cells[2], .layer = cells[3]};
  row.vec = static_cast<int>(number(cells[4]));
  row.lane = static_cast<int>(number(cells[5]));
  row.clock_mhz = number(cells[6]);
  row.quantity = cells[8];
  row.published = number(cells[9]);
  row.use = cells[10];
  row.predicted = predict(row, static_cast<int>(number(cells[7])));
  return row;
}

}  // namespace

std::vector<FpgaComparison> compare_published() {
  std::vector<FpgaComparison> rows;
  for (const EmbeddedFile& file : embedded_files()) {
    if (!file.name.ends_with(".csv")) continue;
    std::string_view text = file.text;
    bool headed = false;
    while (!text.empty()) {
      const size_t end = text.find('\n');
      const std::string_view line = text.substr(0, end);
      text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
      if (line.empty() || line.front() == '#') continue;
      if (headed) rows.push_back(read_row(line));
      else TERCEL_CHECK(line == kColumns, "{}: columns", file.name);
      headed = true;
    }
  }
  return rows;
}

LatencyInterval latency_interval(bool calibrated_board) {
  LatencyInterval interval;
  interval.basis = calibrated_board ? "published times of DE5-net"
                                    : "published times, of DE5-net and of boards on which nothing was fitted";
  for (const FpgaComparison& row : compare_published()) {
    const bool counts = row.use == "fitted" || row.use == "held_out" || (!calibrated_board && row.use == "new_board");
    if (row.quantity != "latency_ms" || !counts) continue;
    const double factor = row.published / row.predicted;
    interval.low = std::min(interval.low, factor);
    interval.high = std::max(interval.high, factor);
    ++interval.points;
  }
  return interval;
}

}  // namespace tercel::inline fpga
