// The pipelined accelerator on FPGAs: design points, boards, how long a network takes and what it occupies by model,
// and the search for the best point of a board. Nothing here needs a board or the vendor's tools; docs/fpga.md says how
// far the models can be trusted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tercel/export.h"
#include "tercel/model.h"
#include "tercel/progress.h"

namespace tercel {

/// Words that each channel between two stages can hold.
struct ChannelDepths {
  int data = 32;    ///< features, mem_read to conv: vec bytes
  int sums = 32;    ///< conv to requantize: lane numbers of 32 bits
  int levels = 32;  ///< requantize to pool: lane bytes
  int pooled = 32;  ///< pool to mem_write: lane bytes
  bool operator==(const ChannelDepths&) const = default;
};

/// What the kernels of the pipeline are built with.
struct DesignPoint {
  int vec = 16;                 ///< input channels of a multiply-accumulate word; a power of two
  int lane = 32;                ///< output channels computed at once; a power of two
  int window_x = 7;             ///< outputs of a row that share one load of the window buffer
  int weight_buffer_words = 0;  ///< words of vec x lane bytes that the conv stage keeps; 0: what the network needs
  int window_buffer_words = 0;  ///< words of vec bytes in each of memRead's two window buffers; 0: likewise
  ChannelDepths depths = {};
  std::string board = "385a";
  double clock_mhz = 0;  ///< 0: what the board is expected to reach
  bool operator==(const DesignPoint&) const = default;
};

/// "vec=16,lane=32,window_x=7,board=385a", or a JSON object with the same keys; what is left out keeps its default.
/// Throws Error naming the key that is unknown, given twice or out of range.
TERCEL_API DesignPoint parse_design_point(std::string_view text);
/// All fields; parse_design_point() reads it back.
TERCEL_API std::string to_string(const DesignPoint& point);
TERCEL_API std::string to_json(const DesignPoint& point);

/// What keeps a layer from being faster. `launch`: starting the kernels takes longer than the layer.
enum class Bottleneck { compute, window_load, pool, write, ddr, launch };
TERCEL_API std::string_view to_string(Bottleneck bottleneck);

/// Whose kernels are modelled: `tercel` keeps weights in the conv stage, stores a word of all lanes per clock and adds
/// residuals while it writes; `pipecnn` is PipeCNN (Wang, Xu and Jiang, FPT 2017) with its byte-wide store.
enum class Kernels { tercel, pipecnn };
TERCEL_API std::string_view to_string(Kernels kernels);

/// One pass through the pipeline. Cycles are of the kernels' clock and of the whole batch.
struct LayerEstimate {
  std::string name, kind;  ///< kind: conv, fc, pool, average, add, copy, lrn
  int64_t macs = 0;        ///< useful multiply-accumulates
  int64_t compute_cycles = 0;
  int64_t weight_wait_cycles = 0;  ///< compute stands still until weights have come from memory
  int64_t window_load_cycles = 0;
  int64_t pool_cycles = 0;
  int64_t write_cycles = 0;
  int64_t ddr_cycles = 0;       ///< all bytes by the memory's effective bandwidth
  int64_t fill_cycles = 0;      ///< before the first result: first window, depth of the pipeline
  int64_t separate_cycles = 0;  ///< residual addition as a pass of its own (PipeCNN)
  int64_t cycles = 0;           ///< what a simulation of the stages takes
  int64_t feature_bytes = 0, weight_bytes = 0, addend_bytes = 0, written_bytes = 0;  ///< to and from DDR
  double ms = 0;                                                                     ///< cycles, stalls and launch
  double utilization = 0;  ///< useful MACs by what the multipliers could have done in `cycles`
  Bottleneck bottleneck = Bottleneck::compute;

  int64_t ddr_bytes() const { return feature_bytes + weight_bytes + addend_bytes + written_bytes; }
};

/// What a design occupies.
struct FpgaResources {
  double dsp_blocks = 0, ram_blocks = 0, logic_alms = 0;
};

/// A design point and a network, by the models.
struct DesignEstimate {
  DesignPoint point;      ///< clock and buffers filled in
  double latency_ms = 0;  ///< of one picture: the batch's time by its pictures
  FpgaResources resources;
  double energy_mj = 0;  ///< proxy: 160 pJ a DDR byte, 0.3 pJ a multiplier and clock; not what a board draws
  int64_t cycles = 0, ddr_bytes = 0, macs = 0;
  std::string why_not;  ///< empty: it fits the board and its budget
};

/// A figure of a board, with where it comes from.
struct FpgaFigure {
  std::string name;
  double value = 0;
  std::string source;
  bool assumed = false;  ///< not read in a source: taken from a similar board, or from memory
};

struct FpgaBoard {
  std::string name, title, device;
  std::vector<FpgaFigure> figures;
};

/// The boards that come with Tercel, by name.
TERCEL_API std::vector<FpgaBoard> fpga_boards();
/// One of them, or the one that a file NAME.toml describes. Throws Error that lists the names there are, or names file,
/// line and field.
TERCEL_API FpgaBoard fpga_board(const std::string& board);

enum class DesignSearch { exact, evolve };

struct ExploreOptions {
  std::string board = "385a";                      ///< a name of fpga_boards(), or the path of a .toml file
  double max_dsp = 0, max_ram = 0, max_logic = 0;  ///< blocks, blocks, ALMs; 0: 90, 80, 70 % of the board's
  double clock_mhz = 0;                            ///< 0: what the board is expected to reach
  int batch = 1;                                   ///< pictures that share one load of weights
  InputShapes shapes;                              ///< of the model, where it leaves them open
  DesignSearch search = DesignSearch::exact;
  uint64_t seed = 1;  ///< of `evolve`
  Progress progress;
};

/// Published / predicted latency of the points that the model was compared with: its interval.
struct LatencyInterval {
  double low = 1, high = 1;  ///< factors on a predicted latency
  int points = 0;
  std::string basis;  ///< which points these are
};

struct ExploreReport {
  FpgaBoard board;
  double max_dsp = 0, max_ram = 0, max_logic = 0;
  int64_t points = 0;                 ///< design points looked at
  std::vector<DesignEstimate> front;  ///< none beaten in latency, DSP, RAM and energy together; by latency
  /// Of points within half a percent of the fastest, the one of least energy; where nothing fits, the nearest point,
  /// with why_not.
  DesignEstimate best;
  std::vector<LayerEstimate> layers;  ///< of `best`
  LatencyInterval interval;
  std::vector<std::string> notes;  ///< assumptions, and what is beyond the published range
};

/// Throws Error for a model that the pipeline cannot run (naming the node), an unknown board, and options out of range.
TERCEL_API ExploreReport explore_designs(const Model& model, const ExploreOptions& options = {});

/// One design point: its estimate and layers, by the models of `kernels`. A point whose buffers are too small for the
/// network is an Error naming the layer; one that does not fit the board has a why_not.
struct DesignReport {
  DesignEstimate estimate;
  std::vector<LayerEstimate> layers;
};
TERCEL_API DesignReport estimate_design(const Model& model, const DesignPoint& point, Kernels kernels = Kernels::tercel,
                                        int batch = 1, const InputShapes& shapes = {});

/// What one stage of the pipeline did in a layer, in clocks.
struct StageClocks {
  std::string stage;             ///< mem_read, conv, requantize, pool, mem_write
  int64_t end = 0;               ///< its last word
  int64_t waited_for_words = 0;  ///< the channel before it was empty
  int64_t waited_for_room = 0;   ///< the channel behind it was full
};

/// A layer in the simulated pipeline, and what the model of cycles says of it with memory that answers at once.
struct SimulatedLayer {
  std::string name, op;
  int64_t cycles = 0, modelled_cycles = 0;
  std::vector<StageClocks> stages;
  int64_t data_words = 0, sum_words = 0, level_words = 0, pooled_words = 0;  ///< through each channel
  double difference() const {
    return modelled_cycles == 0 ? 0 : static_cast<double>(cycles) / static_cast<double>(modelled_cycles) - 1;
  }
};

/// Runs a quantized network through the kernels' own text, a thread per stage, channels as deep as the point says, and
/// counts clocks (normalizations across channels have none). The answer is compared with the reference kernels'. Throws
/// Error for a network that the pipeline refuses (naming the nodes), for a point that was not compiled, and for
/// channels in which words cannot move.
TERCEL_API std::vector<SimulatedLayer> simulate_design(const Model& model, const DesignPoint& point,
                                                       const InputShapes& shapes = {}, uint64_t seed = 1,
                                                       const Progress& progress = {});

/// Writes a folder with the kernels, memory images, a host program and build scripts of a quantized network at a design
/// point. It needs no Tercel. `folder` must not be there yet; it is written whole or not at all. Throws Error as
/// simulate_design() does.
TERCEL_API void emit_design(const Model& model, const DesignPoint& point, const std::filesystem::path& folder,
                            const InputShapes& shapes = {});

/// One published figure beside the model's.
struct FpgaComparison {
  std::string set, board, network, layer;  ///< layer: "" for the whole network
  int vec = 0, lane = 0;
  double clock_mhz = 0;
  std::string quantity;  ///< latency_ms, dsp, ram_blocks, logic, fmax_mhz
  double published = 0, predicted = 0;
  std::string use;  ///< fitted (constants come from it), held_out, new_board, apart, trend
  double error() const { return predicted / published - 1; }
};

/// Every published figure that Tercel knows, compared.
TERCEL_API std::vector<FpgaComparison> compare_with_published();

/// The same for a built-in table of layers (alexnet, vgg16, resnet50), without a model.
TERCEL_API ExploreReport explore_known_network(std::string_view network, const ExploreOptions& options = {});
TERCEL_API DesignReport estimate_known_network(std::string_view network, const DesignPoint& point,
                                               Kernels kernels = Kernels::tercel, int batch = 1);

}  // namespace tercel
