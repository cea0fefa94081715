#include "image/preprocessing.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
#include <optional>

#include "base/error.h"

namespace tercel {
namespace {

using Fit = Preprocessing::Fit;

constexpr std::string_view kKey = "tercel.preprocess";

// ---- presets ----

struct Preset {
  std::string_view name;
  Preprocessing how;
};

const std::vector<Preset>& presets() {
  static const std::vector<Preset> all = [] {
    const Preprocessing unit;
    Preprocessing imagenet = unit;
    imagenet.mean = {0.485f, 0.456f, 0.406f};
    imagenet.stddev = {0.229f, 0.224f, 0.225f};
    Preprocessing inception = unit;
    inception.mean = inception.stddev = {0.5f, 0.5f, 0.5f};
    Preprocessing vit = inception;
    vit.resize = 248;
    vit.interpolation = Interpolation::bicubic;
    Preprocessing cifar = imagenet;
    cifar.fit = Fit::stretch;
    cifar.width = cifar.height = cifar.resize = 32;
    Preprocessing caffe = unit;
    caffe.scale = 1;
    caffe.mean = {123, 117, 104};
    caffe.bgr = true;
    Preprocessing mnist = unit;
    mnist.fit = Fit::stretch;
    mnist.width = mnist.height = mnist.resize = 28;
    mnist.grey = true;
    return std::vector<Preset>{{"imagenet", imagenet}, {"inception", inception}, {"vit", vit},    {"cifar", cifar},
                               {"caffe", caffe},       {"unit", unit},           {"mnist", mnist}};
  }();
  return all;
}

// ---- words and numbers ----

/// The words that a setting takes, and what they mean.
template <typename T>
struct Word {
  std::string_view word;
  T value;
};

constexpr Word<Interpolation> kInterpolations[] = {
    {"nearest", Interpolation::nearest}, {"bilinear", Interpolation::bilinear}, {"bicubic", Interpolation::bicubic}};
constexpr Word<Fit> kFits[] = {{"shorter_side", Fit::shorter_side}, {"stretch", Fit::stretch}};
enum class Channels { rgb, bgr, grey };
constexpr Word<Channels> kChannels[] = {{"rgb", Channels::rgb}, {"bgr", Channels::bgr}, {"grey", Channels::grey}};
constexpr Word<bool> kChannelsLast[] = {{"chw", false}, {"hwc", true}};

template <typename T, size_t kCount>
T parse_word(std::string_view text, const Word<T> (&words)[kCount]) {
  std::string known;
  for (const Word<T>& word : words) {
    if (word.word == text) return word.value;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", word.word);
  }
  fail_input("wanted one of {}, got '{}'", known, text);
}

template <typename T, size_t kCount>
std::string print_word(T value, const Word<T> (&words)[kCount]) {
  for (const Word<T>& word : words)
    if (word.value == value) return std::string(word.word);
  fail_input("{} is no such setting", static_cast<int>(value));
}

template <typename T>
std::optional<T> parse_plain(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

int parse_size(std::string_view text) {
  const std::optional<int> size = parse_plain<int>(text);
  if (!size) fail_input("wanted a whole number of pixels, got '{}'", text);
  return *size;
}

/// "0.5" or "1/255".
float parse_number(std::string_view text) {
  const size_t slash = text.find('/');
  std::optional<float> value = parse_plain<float>(text.substr(0, slash));
  if (slash != std::string_view::npos) {
    const std::optional<float> divisor = parse_plain<float>(text.substr(slash + 1));
    value = value && divisor && *divisor != 0 ? std::optional(*value / *divisor) : std::nullopt;
  }
  if (!value) fail_input("wanted a number like 0.5 or 1/255, got '{}'", text);
  return *value;
}

/// Three numbers with blanks between them, or one for all channels.
std::array<float, 3> parse_channels(std::string_view text) {
  std::array<float, 3> values{};
  size_t count = 0;
  std::string_view rest = text;
  for (;;) {
    rest.remove_prefix(std::min(rest.find_first_not_of(" \t"), rest.size()));
    if (rest.empty()) break;
    const std::string_view number = rest.substr(0, rest.find_first_of(" \t"));
    if (count == values.size()) fail_input("wanted one or three numbers, got '{}'", text);
    values[count++] = parse_number(number);
    rest.remove_prefix(number.size());
  }
  if (count == 1) return {values[0], values[0], values[0]};
  if (count != values.size()) fail_input("wanted one or three numbers, got '{}'", text);
  return values;
}

// {} of a float is the shortest text that reads back to the same float.
std::string print_channels(const std::array<float, 3>& v) { return fmt::format("{} {} {}", v[0], v[1], v[2]); }

// ---- settings ----

struct Setting {
  std::string_view name;
  void (*parse)(std::string_view text, Preprocessing& how);
  std::string (*print)(const Preprocessing& how);
};

using P = Preprocessing;
using Text = std::string_view;

constexpr Setting kSettings[] = {
    {"width", [](Text t, P& how) { how.width = parse_size(t); },
     [](const P& how) { return std::to_string(how.width); }},
    {"height", [](Text t, P& how) { how.height = parse_size(t); },
     [](const P& how) { return std::to_string(how.height); }},
    {"fit", [](Text t, P& how) { how.fit = parse_word(t, kFits); },
     [](const P& how) { return print_word(how.fit, kFits); }},
    {"resize", [](Text t, P& how) { how.resize = parse_size(t); },
     [](const P& how) { return std::to_string(how.resize); }},
    {"interpolation", [](Text t, P& how) { how.interpolation = parse_word(t, kInterpolations); },
     [](const P& how) { return print_word(how.interpolation, kInterpolations); }},
    {"scale", [](Text t, P& how) { how.scale = parse_number(t); },
     [](const P& how) { return fmt::format("{}", how.scale); }},
    {"mean", [](Text t, P& how) { how.mean = parse_channels(t); },
     [](const P& how) { return print_channels(how.mean); }},
    {"stddev", [](Text t, P& how) { how.stddev = parse_channels(t); },
     [](const P& how) { return print_channels(how.stddev); }},
    {"channels",
     [](Text t, P& how) {
       const Channels channels = parse_word(t, kChannels);
       how.bgr = channels == Channels::bgr;
       how.grey = channels == Channels::grey;
     },
     [](const P& how) {
       return print_word(how.grey ? Channels::grey : how.bgr ? Channels::bgr : Channels::rgb, kChannels);
     }},
    {"layout", [](Text t, P& how) { how.channels_last = parse_word(t, kChannelsLast); },
     [](const P& how) { return print_word(how.channels_last, kChannelsLast); }},
};

std::string key_of(const Setting& setting) { return fmt::format("{}.{}", kKey, setting.name); }

const Setting& setting_of(std::string_view key) {
  std::string known;
  for (const Setting& setting : kSettings) {
    if (key == key_of(setting)) return setting;
    known += fmt::format(" .{}", setting.name);
  }
  fail_input("unknown key; after {} there may be{}", kKey, known);
}

}  // namespace

Preprocessing Preprocessing::preset(std::string_view name) {
  std::string known;
  for (const Preset& preset : presets()) {
    if (preset.name == name) return preset.how;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", preset.name);
  }
  fail_input("unknown preprocessing preset '{}'; there are {}", name, known);
}

std::vector<std::string_view> Preprocessing::preset_names() {
  std::vector<std::string_view> names;
  for (const Preset& preset : presets()) names.push_back(preset.name);
  return names;
}

Preprocessing Preprocessing::from_metadata(const std::map<std::string, std::string>& metadata, Preprocessing defaults) {
  Preprocessing how = defaults;
  const auto at_key = [](const std::string& key, const auto& body) {
    at_place([&] { return fmt::format("metadata '{}'", key); }, body);
  };
  // The preset is the ground that single settings change, wherever the map has it.
  if (const auto base = metadata.find(std::string(kKey)); base != metadata.end())
    at_key(base->first, [&] { how = preset(base->second); });
  for (const auto& [key, value] : metadata) {
    if (!key.starts_with(std::string(kKey) + ".")) continue;
    at_key(key, [&, &key_ = key, &text = value] { setting_of(key_).parse(text, how); });
  }
  at_key(std::string(kKey), [&] { validate(how); });
  return how;
}

std::map<std::string, std::string> Preprocessing::to_metadata() const {
  std::map<std::string, std::string> metadata;
  for (const Setting& setting : kSettings) metadata[key_of(setting)] = setting.print(*this);
  return metadata;
}

bool Preprocessing::in_metadata(const std::map<std::string, std::string>& metadata) {
  return std::any_of(metadata.begin(), metadata.end(), [](const auto& entry) {
    return entry.first == kKey || entry.first.starts_with(fmt::format("{}.", kKey));
  });
}

std::string Preprocessing::describe() const {
  for (const Preset& preset : presets())
    if (preset.how == *this) return std::string(preset.name);
  for (const Preset& preset : presets()) {
    Preprocessing scaled = preset.how;
    scaled.width = width;
    scaled.height = height;
    scaled.resize = resize;
    if (!(scaled == *this)) continue;
    const bool cropped = fit == Fit::shorter_side && resize != preset.how.resize;
    return fmt::format("{} at {}x{}{}", preset.name, width, height,
                       cropped ? fmt::format(", shorter side to {} first", resize) : "");
  }
  std::string text;
  for (const Setting& setting : kSettings)
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", setting.name, setting.print(*this));
  return text;
}

void image::validate(const Preprocessing& how) {
  const auto check_side = [](std::string_view name, int size) {
    if (size < 1 || size > kMaxInputSide) fail_input("{} must be 1 to {} pixels, is {}", name, kMaxInputSide, size);
  };
  const auto check_number = [](std::string_view name, float number, bool may_be_zero) {
    if (!std::isfinite(number) || (number == 0 && !may_be_zero))
      fail_input("{} must be finite{}, is {}", name, may_be_zero ? "" : " and not 0", number);
  };
  check_side("width", how.width);
  check_side("height", how.height);
  check_side("resize", how.resize);
  if (how.grey && how.bgr) fail_input("one grey channel has no order: bgr and grey exclude each other");
  check_number("scale", how.scale, false);
  for (const float mean : how.mean) check_number("mean", mean, true);
  for (const float stddev : how.stddev) check_number("stddev", stddev, false);
}

}  // namespace tercel
