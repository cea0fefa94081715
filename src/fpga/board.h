// Boards as TOML files: every figure with its source.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "tercel/fpga.h"

namespace tercel::inline fpga {

enum class Family { stratix_v, arria_10, stratix_10, cyclone_v };

struct Board {
  std::string name, title, device;
  Family family = Family::arria_10;
  FpgaFigure dsp_blocks, logic_alms, ram_blocks;
  FpgaFigure ddr_peak_gb_s;   ///< 10^9 bytes a second, all banks
  FpgaFigure ddr_efficiency;  ///< part of the peak that streams of weights reach
  FpgaFigure clock_mhz;       ///< what the kernels are expected to close at

  double ddr_bytes_per_second() const { return ddr_peak_gb_s.value * 1e9 * ddr_efficiency.value; }
  /// Bits of a RAM block: M20K, or M10K of Cyclone V.
  int ram_block_kbit() const { return family == Family::cyclone_v ? 10 : 20; }
};

/// Throws Error with file, line and field for what is missing, unknown or absurd. `file` is for the message.
Board parse_board(std::string_view text, const std::string& file);

/// Boards that are part of the program, by name.
const std::vector<Board>& known_boards();

/// A known name, or the path of a file that ends in .toml. Throws Error that lists the names.
Board find_board(const std::string& board);

FpgaBoard describe(const Board& board);

}  // namespace tercel::inline fpga
