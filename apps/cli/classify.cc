#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iterator>
#include <limits>
#include <memory>

#include "common.h"
#include "preprocess_flag.h"
#include "progress.h"
#include "verbs.h"

namespace tercel::cli {
namespace {

namespace fs = std::filesystem;

struct Flags {
  std::string model, labels;
  PreprocessFlag preprocess;
  std::vector<std::string> pictures;
  int top = 5;
  bool json = false;
  RunFlags run;
};

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

bool is_picture(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png" || ending == ".webp";
}

/// Folders give way to the pictures in them and below, by name. A folder without any stays, and is reported in its
/// turn.
std::vector<std::string> files_of(const std::vector<std::string>& paths) {
  std::vector<std::string> files;
  for (const std::string& path : paths) {
    if (!fs::is_directory(path)) {
      files.push_back(path);
      continue;
    }
    std::vector<std::string> found;
    std::error_code error;
    for (auto at = fs::recursive_directory_iterator(path, error); !error && at != fs::recursive_directory_iterator();
         at.increment(error))
      if (at->is_regular_file(error) && is_picture(at->path())) found.push_back(at->path().string());
    std::sort(found.begin(), found.end());
    if (found.empty()) found.push_back(path);
    files.insert(files.end(), found.begin(), found.end());
  }
  return files;
}

Image image_of(const std::string& path) {
  if (fs::is_directory(path)) throw Error(ErrorCode::bad_input, path + ": holds no picture (.jpg, .jpeg, .png, .webp)");
  if (path != "-") return Image::open(path);
  std::vector<std::byte> bytes;
  std::byte block[65536];
  while (const size_t got = std::fread(block, 1, sizeof block, stdin)) {
    bytes.insert(bytes.end(), block, block + got);
    if (bytes.size() > size_t{1} << 30) throw Error(ErrorCode::limit, "standard input: more than 1 GiB");
  }
  try {
    return Image::decode(bytes);
  } catch (const Error& error) {
    throw error.within("standard input");
  }
}

/// Prepares the plan, so that faults of the model show before the first picture, and gives the number of classes (0 for
/// a model whose output is the class).
size_t try_out(Session& session, const Preprocessing& how) {
  Image image(how.width, how.height);
  for (int64_t i = 0; i < int64_t{3} * how.width * how.height; ++i)
    image.data()[i] = static_cast<uint8_t>(i * 37 % 251);
  const std::vector<Class> all = session.classify(image, how, std::numeric_limits<int>::max());
  return std::isnan(all.at(0).probability) ? 0 : all.size();
}

std::string class_text(const Class& c, const std::string& label) {
  if (std::isnan(c.probability)) return fmt::format("  {:>4}  {} (the model gives no probability)\n", c.index, label);
  return fmt::format("  {:5.1f} %  {:>4}  {}\n", 100.0 * c.probability, c.index, label);
}

void run(const Flags& flags) {
  Session session(load_with_warnings(flags.model), flags.run.session());
  const Model& model = session.model();
  const Preprocessing how = flags.preprocess.of(model);
  const std::vector<std::string> labels = flags.labels.empty() ? model.labels() : read_labels(flags.labels);
  const size_t classes = try_out(session, how);
  if (!labels.empty() && classes > 0 && labels.size() != classes)
    fmt::print(stderr, "warning: {}: {} names for {} classes\n", flags.labels.empty() ? flags.model : flags.labels,
               labels.size(), classes);
  if (!flags.json) print(fmt::format("preprocess: {}\n", flags.preprocess.text(model)));
  Json results = Json::array();
  const std::vector<std::string> files = files_of(flags.pictures);
  size_t failed = 0;
  listen_for_interrupt();
  for (const std::string& path : files) {
    if (interrupted()) break;
    try {
      double start = now_ms();
      const Image image = image_of(path);
      const double decode_ms = now_ms() - start;
      start = now_ms();
      const std::vector<Class> found = session.classify(image, how, flags.top);
      const double ms = now_ms() - start;
      Json list = Json::array();
      if (!flags.json)
        print(fmt::format("{}: {}x{}, decoded in {:.1f} ms, resized and classified in {:.1f} ms\n", path, image.width(),
                          image.height(), decode_ms, ms));
      for (const Class& c : found) {
        const auto index = static_cast<size_t>(c.index);
        const std::string label = index < labels.size() ? labels[index] : "";
        list.push_back({{"class", c.index}, {"label", label}, {"probability", c.probability}});
        if (!flags.json) print(class_text(c, label));
      }
      results.push_back({{"picture", path},
                         {"preprocess", flags.preprocess.json(model)},
                         {"decode_ms", decode_ms},
                         {"ms", ms},
                         {"classes", list}});
    } catch (const Error& error) {
      ++failed;
      std::fflush(stdout);  // in order with what came before, where both go to one place
      fmt::print(stderr, "error: {}\n", error.what());
      results.push_back({{"picture", path}, {"error", error.what()}});
    }
  }
  if (flags.json) print(results);
  if (interrupted()) throw Interrupted{fmt::format("{} of {} pictures classified", results.size(), files.size())};
  if (failed > 0 && files.size() > 1)
    throw Error(ErrorCode::bad_input, fmt::format("{} of {} pictures could not be classified", failed, files.size()));
  if (failed > 0) throw Failed{2};
}

}  // namespace

void add_classify(CLI::App& app) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand("classify", "What is in a picture: the most likely classes");
  command->add_option("model", flags->model, "ONNX or .tercel file")->required();
  command
      ->add_option("pictures", flags->pictures,
                   "JPEG, PNG or WebP files, folders of them, or - for one on standard input")
      ->required();
  command->add_option("-k,--top", flags->top, "Classes to show")->check(CLI::Range(1, 1000000));
  command->add_option("--labels", flags->labels, "Class names, one a line; else the model's own");
  flags->preprocess.add_to(*command);
  command->add_flag("--json", flags->json, "For programs");
  flags->run.add_to(*command);
  command->callback([flags] { run(*flags); });
}

}  // namespace tercel::cli
