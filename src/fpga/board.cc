#include "fpga/board.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/words.h"
#include "fpga/embedded.h"

#ifdef TERCEL_HAVE_TOML
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>
#endif

namespace tercel::inline fpga {
namespace {

constexpr std::array<std::pair<Family, std::string_view>, 4> kFamilies{{{Family::stratix_v, "stratix_v"},
                                                                        {Family::arria_10, "arria_10"},
                                                                        {Family::stratix_10, "stratix_10"},
                                                                        {Family::cyclone_v, "cyclone_v"}}};

/// A figure of a board file, and what no real board is outside of.
struct Field {
  const char* name;
  FpgaFigure Board::*figure;
  double low, high;
  bool whole;
};

constexpr Field kFields[] = {{"dsp_blocks", &Board::dsp_blocks, 1, 20000, true},
                             {"logic_alms", &Board::logic_alms, 1000, 5e6, true},
                             {"ram_blocks", &Board::ram_blocks, 10, 50000, true},
                             {"ddr_peak_gb_s", &Board::ddr_peak_gb_s, 0.1, 2000, false},
                             {"ddr_efficiency", &Board::ddr_efficiency, 0.05, 1, false},
                             {"clock_mhz", &Board::clock_mhz, 20, 1000, false}};

#ifdef TERCEL_HAVE_TOML

std::string known_fields() {
  std::string names = "name, title, device, family";
  for (const Field& field : kFields) names += std::string(", ") + field.name;
  return names;
}

/// Reads one file, and knows where in it a value stands.
class BoardFile {
 public:
  BoardFile(std::string_view text, const std::string& file) : file_(file) {
    try {
      table_ = toml::parse(text, std::string_view(file_));
    } catch (const toml::parse_error& error) {
      fail_input("{}: line {}: no TOML: {}", file_, error.source().begin.line, error.description());
    }
  }

  Board read() {
    for (const auto& [key, node] : table_) check_known(std::string(key.str()), node);
    Board board;
    board.name = word("name");
    board.title = word("title");
    board.device = word("device");
    board.family = family(word("family"));
    for (const Field& field : kFields) board.*(field.figure) = figure(field);
    return board;
  }

 private:
  [[noreturn]] void fail_at(const toml::node& node, std::string_view field, const std::string& what) const {
    fail_input("{}: line {}: {}: {}", file_, node.source().begin.line, field, what);
  }

  void check_known(const std::string& key, const toml::node& node) const {
    const bool known =
        key == "name" || key == "title" || key == "device" || key == "family" ||
        std::any_of(std::begin(kFields), std::end(kFields), [&](const Field& f) { return key == f.name; });
    if (!known) fail_at(node, key, "no such field; a board has " + known_fields());
  }

  const toml::node& field(std::string_view name) const {
    const toml::node* node = table_.get(name);
    if (node == nullptr)
      fail_input("{}: {} is missing (the file ends at line {}); a board has {}", file_, name, table_.source().end.line,
                 known_fields());
    return *node;
  }

  std::string word(const char* name) const {
    const toml::node& node = field(name);
    const auto text = node.value<std::string>();
    if (!node.is_string() || text->empty()) fail_at(node, name, "wanted a text in quotes");
    return *text;
  }

  Family family(const std::string& name) const {
    if (const auto known = kind_of(kFamilies, name)) return *known;
    fail_at(field("family"), "family", fmt::format("'{}' is none of {}", name, words_of(kFamilies)));
  }

  FpgaFigure figure(const Field& wanted) const {
    const toml::node& node = field(wanted.name);
    const toml::table* entry = node.as_table();
    const std::string form =
        "wanted {value = NUMBER, source = \"where it stands\"}, with assumed = true where it is "
        "not known";
    if (entry == nullptr) fail_at(node, wanted.name, form);
    FpgaFigure figure{.name = wanted.name};
    bool has_value = false;
    for (const auto& [key, part] : *entry) {
      if (key == "value" && part.is_number()) {
        figure.value = *part.value<double>();
        has_value = true;
      } else if (key == "source" && part.is_string()) {
        figure.source = *part.value<std::string>();
      } else if (key == "assumed" && part.is_boolean()) {
        figure.assumed = *part.value<bool>();
      } else {
        fail_at(part, wanted.name, fmt::format("'{}' is unknown or of a wrong type; {}", key.str(), form));
      }
    }
    if (!has_value || figure.source.empty()) fail_at(node, wanted.name, form);
    const bool fits = figure.value >= wanted.low && figure.value <= wanted.high;
    if (!fits || (wanted.whole && figure.value != static_cast<double>(static_cast<int64_t>(figure.value))))
      fail_at(node, wanted.name,
              fmt::format("{} is absurd; wanted {} from {} to {}", figure.value,
                          wanted.whole ? "a whole number" : "a number", wanted.low, wanted.high));
    return figure;
  }

  std::string file_;
  toml::table table_;
};

#endif

}  // namespace

#ifdef TERCEL_HAVE_TOML

Board parse_board(std::string_view text, const std::string& file) { return BoardFile(text, file).read(); }

#else

Board parse_board(std::string_view, const std::string&) {
  fail_unsupported("boards: this Tercel was built without toml++ (Debian: libtomlplusplus-dev)");
}

#endif

const std::vector<Board>& known_boards() {
  static const std::vector<Board> boards = [] {
    std::vector<Board> all;
    for (const EmbeddedFile& file : embedded_files())
      if (file.name.ends_with(".toml")) all.push_back(parse_board(file.text, std::string(file.name)));
    std::sort(all.begin(), all.end(), [](const Board& a, const Board& b) { return a.name < b.name; });
    return all;
  }();
  return boards;
}

Board find_board(const std::string& board) {
  if (board.ends_with(".toml")) return parse_board(read_text_file(board), board);
  std::string names;
  for (const Board& known : known_boards()) {
    if (known.name == board) return known;
    names += fmt::format("{}{}", names.empty() ? "" : ", ", known.name);
  }
  fail(ErrorCode::not_found, "no board '{}'; there are {}, and files of your own: --board FILE.toml (docs/fpga.md)",
       board, names);
}

FpgaBoard describe(const Board& board) {
  FpgaBoard described{board.name, board.title, board.device, {}};
  for (const Field& field : kFields) described.figures.push_back(board.*(field.figure));
  return described;
}

}  // namespace tercel::inline fpga
