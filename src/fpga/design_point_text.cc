// Design points as text and as JSON.
#include <array>
#include <charconv>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "fpga/design_point.h"

namespace tercel {
namespace {

using Json = nlohmann::ordered_json;

/// Every whole-numbered field, in the order in which it is printed.
template <typename Point>
auto fields(Point& p) {
  return std::to_array<std::pair<std::string_view, decltype(&p.vec)>>({{"vec", &p.vec},
                                                                       {"lane", &p.lane},
                                                                       {"window_x", &p.window_x},
                                                                       {"weight_buffer_words", &p.weight_buffer_words},
                                                                       {"window_buffer_words", &p.window_buffer_words},
                                                                       {"data_depth", &p.depths.data},
                                                                       {"sums_depth", &p.depths.sums},
                                                                       {"levels_depth", &p.depths.levels},
                                                                       {"pooled_depth", &p.depths.pooled}});
}

std::string known_keys() {
  std::string keys;
  DesignPoint point;
  for (const auto& [name, field] : fields(point)) keys += std::string(name) + ", ";
  return keys + "board, clock_mhz";
}

[[noreturn]] void fail_key(std::string_view key) {
  fail_input("design point: there is no '{}'; there are {}", key, known_keys());
}

template <typename T>
T number(std::string_view key, std::string_view text, const char* wanted) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size())
    fail_input("design point: {} is '{}', wanted {}", key, text, wanted);
  return value;
}

DesignPoint from_text(std::string_view text) {
  DesignPoint point;
  std::set<std::string, std::less<>> given;
  while (!text.empty()) {
    const size_t comma = text.find(',');
    const std::string_view entry = text.substr(0, comma);
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
    const size_t equals = entry.find('=');
    if (equals == std::string_view::npos)
      fail_input("design point: '{}' is no key=value; an example: vec=16,lane=32,window_x=7", entry);
    const std::string_view key = entry.substr(0, equals), value = entry.substr(equals + 1);
    if (!given.insert(std::string(key)).second) fail_input("design point: {} is given twice", key);
    bool known = false;
    for (const auto& [name, field] : fields(point)) {
      if (name != key) continue;
      *field = number<int>(key, value, "a whole number");
      known = true;
    }
    if (key == "board") point.board = value;
    else if (key == "clock_mhz") point.clock_mhz = number<double>(key, value, "a number of MHz");
    else if (!known) fail_key(key);
  }
  return point;
}

DesignPoint from_json(std::string_view text) {
  // A key that stands twice would be overwritten silently.
  std::set<std::string, std::less<>> given;
  const auto see = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::key && depth == 1 && !given.insert(parsed.get<std::string>()).second)
      fail_input("design point: {} is given twice", parsed.get<std::string>());
    return true;
  };
  Json object;
  try {
    object = Json::parse(text, see);
  } catch (const Json::exception& error) {
    fail_input("design point: no JSON: {}", error.what());
  }
  DesignPoint point;
  for (const auto& [key, value] : object.items()) {
    bool known = false;
    for (const auto& [name, field] : fields(point)) {
      if (name != key) continue;
      if (!value.is_number_integer()) fail_input("design point: {} is {}, wanted a whole number", key, value.dump());
      *field = number<int>(key, value.dump(), "a whole number");
      known = true;
    }
    if (key == "board") {
      if (!value.is_string()) fail_input("design point: board is {}, wanted a name", value.dump());
      point.board = value.get<std::string>();
    } else if (key == "clock_mhz") {
      if (!value.is_number()) fail_input("design point: clock_mhz is {}, wanted a number", value.dump());
      point.clock_mhz = value.get<double>();
    } else if (!known) {
      fail_key(key);
    }
  }
  return point;
}

}  // namespace

DesignPoint parse_design_point(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  DesignPoint point = first != std::string_view::npos && text[first] == '{' ? from_json(text) : from_text(text);
  check(point);
  return point;
}

std::string to_string(const DesignPoint& point) {
  std::string text;
  for (const auto& [name, field] : fields(point)) text += fmt::format("{}={},", name, *field);
  return text + fmt::format("board={},clock_mhz={}", point.board, point.clock_mhz);
}

std::string to_json(const DesignPoint& point) {
  Json object;
  for (const auto& [name, field] : fields(point)) object[std::string(name)] = *field;
  object["board"] = point.board;
  object["clock_mhz"] = point.clock_mhz;
  return object.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string_view to_string(Bottleneck bottleneck) {
  switch (bottleneck) {
    case Bottleneck::compute: return "compute";
    case Bottleneck::window_load: return "window load";
    case Bottleneck::pool: return "pool";
    case Bottleneck::write: return "write";
    case Bottleneck::ddr: return "DDR";
    case Bottleneck::launch: return "launch";
  }
  return "?";
}

std::string_view to_string(Kernels kernels) { return kernels == Kernels::tercel ? "tercel" : "pipecnn"; }

}  // namespace tercel
