#include "quant/pictures.h"

#include <algorithm>
#include <charconv>
#include <functional>
#include <map>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/file.h"
#include "base/rng.h"
#include "base/shuffle.h"
#include "session/picture_model.h"

namespace tercel::inline quant {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxInputBytes = size_t{4} << 30;
constexpr size_t kPicturesForOneSkipped = 20;

bool is_picture(const fs::path& path) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  return ending == ".jpg" || ending == ".jpeg" || ending == ".png" || ending == ".webp";
}

std::map<std::string, int> read_label_file(const fs::path& path) {
  std::map<std::string, int> classes;
  const std::string text = read_text_file(path);
  int line_number = 0;
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";  // as some editors write it
  for (size_t at = text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    std::string_view line(text.data() + at, end - at);
    at = end + 1;
    ++line_number;
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.empty()) continue;
    const size_t tab = line.find('\t');
    if (tab == std::string_view::npos)
      fail_input("{}: line {} has no tab; wanted FILE, a tab, CLASS NUMBER", path.string(), line_number);
    const std::string_view rest = line.substr(tab + 1), word = rest.substr(0, rest.find('\t'));
    int value = -1;
    const auto result = std::from_chars(word.data(), word.data() + word.size(), value);
    const std::string file(line.substr(0, tab));
    if (result.ec != std::errc() || result.ptr != word.data() + word.size() || value < 0) {
      if (line_number == 1 && !is_picture(file)) continue;  // a heading
      fail_input("{}: line {}: '{}' is no class; wanted FILE, a tab, CLASS NUMBER (0 or more)", path.string(),
                 line_number, word);
    }
    if (const auto [known, fresh] = classes.emplace(file, value); !fresh && known->second != value)
      fail_input("{}: line {}: {} is of class {}, and was of class {} before", path.string(), line_number, file, value,
                 known->second);
  }
  return classes;
}

std::vector<int> classes_of(const fs::path& folder, const std::vector<fs::path>& files) {
  std::vector<int> classes;
  if (const fs::path labels = folder / "labels.tsv"; fs::exists(labels)) {
    const auto by_file = read_label_file(labels);
    for (const fs::path& file : files) {
      const auto at = by_file.find(file.lexically_relative(folder).string());
      if (at == by_file.end())
        fail_input("{}: has no line for {}", labels.string(), file.lexically_relative(folder).string());
      classes.push_back(at->second);
    }
    return classes;
  }
  std::set<fs::path> names;
  for (const fs::path& file : files) {
    const fs::path relative = file.lexically_relative(folder);
    if (std::distance(relative.begin(), relative.end()) != 2) return {};
    names.insert(*relative.begin());
  }
  if (names.size() < 2) return {};
  for (const fs::path& file : files)
    classes.push_back(
        static_cast<int>(std::distance(names.begin(), names.find(*file.lexically_relative(folder).begin()))));
  return classes;
}

}  // namespace

PictureSet find_pictures(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    if (fs::exists(folder, error)) fail_input("{}: a file; wanted a folder of pictures", folder.string());
    fail(ErrorCode::not_found, "{}: no such folder", folder.string());
  }
  PictureSet set;
  for (auto at = fs::recursive_directory_iterator(folder, error); !error && at != fs::recursive_directory_iterator();
       at.increment(error))
    if (at->is_regular_file(error) && is_picture(at->path())) set.files.push_back(at->path());
  if (error) fail(ErrorCode::io, "{}: {}", folder.string(), error.message());
  if (set.files.empty()) fail_input("{}: holds no picture (.jpg, .jpeg, .png, .webp)", folder.string());
  std::sort(set.files.begin(), set.files.end());
  set.classes = classes_of(folder, set.files);
  return set;
}

PictureSet without_copies(const PictureSet& all, const Warn& warn) {
  std::vector<uintmax_t> sizes;
  std::map<uintmax_t, int> of_size;
  for (const fs::path& file : all.files) {
    std::error_code error;
    sizes.push_back(fs::file_size(file, error));
    if (error) sizes.back() = 0;  // load_inputs() says what is wrong with it
    ++of_size[sizes.back()];
  }
  PictureSet kept;
  size_t copies = 0;
  std::string example;
  std::map<std::pair<uintmax_t, size_t>, std::vector<fs::path>> seen;  // by size and hash
  const auto copied_from = [&](size_t i) -> const fs::path* {
    if (sizes[i] == 0 || of_size[sizes[i]] < 2) return nullptr;
    try {
      const auto file = MappedFile::open(all.files[i]);
      const std::string_view text(reinterpret_cast<const char*>(file->bytes().data()), file->bytes().size());
      std::vector<fs::path>& alike = seen[{sizes[i], std::hash<std::string_view>()(text)}];
      for (const fs::path& other : alike)
        if (std::ranges::equal(MappedFile::open(other)->bytes(), file->bytes())) return &other;
      alike.push_back(all.files[i]);
    } catch (const Error&) {  // the same
    }
    return nullptr;
  };
  for (size_t i = 0; i < all.size(); ++i) {
    if (const fs::path* other = copied_from(i)) {
      if (copies++ == 0) example = fmt::format("{} is {}", all.files[i].string(), other->string());
      continue;
    }
    kept.files.push_back(all.files[i]);
    if (all.labelled()) kept.classes.push_back(all.classes[i]);
  }
  if (copies > 0 && warn)
    warn(fmt::format("{} of {} pictures are copies of others and count once: {}", copies, all.size(), example));
  return kept;
}

std::pair<PictureSet, PictureSet> split_pictures(const PictureSet& all, size_t first, size_t second, uint64_t seed) {
  if (all.size() < 2)
    fail_input("{} is the only picture: wanted some to measure on and others to evaluate on", all.files.at(0).string());
  if (first == 0 || second == 0) fail_input("wanted at least one picture on either side, got {} and {}", first, second);
  if (all.size() < first + second) {
    first = std::clamp<size_t>(all.size() * first / (first + second), 1, all.size() - 1);
    second = all.size() - first;
  }
  std::vector<size_t> order(all.size());
  std::iota(order.begin(), order.end(), size_t{0});
  Rng rng(seed);
  shuffle(order, rng);
  const auto take = [&](size_t begin, size_t count) {
    std::sort(order.begin() + static_cast<std::ptrdiff_t>(begin),
              order.begin() + static_cast<std::ptrdiff_t>(begin + count));
    PictureSet part;
    for (size_t i = begin; i < begin + count; ++i) {
      part.files.push_back(all.files[order[i]]);
      if (all.labelled()) part.classes.push_back(all.classes[order[i]]);
    }
    return part;
  };
  PictureSet measured = take(0, first);
  return {std::move(measured), take(first, second)};
}

std::vector<Array> load_inputs(const Model& model, PictureSet& pictures, const Preprocessing& how,
                               const Progress& progress, const Warn& warn) {
  const std::vector<int64_t> dims = picture_dims(model, how);
  const auto bytes = static_cast<size_t>(dims[1] * dims[2] * dims[3]) * sizeof(float);
  if (pictures.size() > kMaxInputBytes / bytes)
    fail(ErrorCode::limit, "{} pictures of {}x{} are too many at once: take fewer", pictures.size(), how.width,
         how.height);
  const size_t most_skipped = std::max<size_t>(1, pictures.size() / kPicturesForOneSkipped);
  std::vector<Array> inputs;
  inputs.reserve(pictures.size());
  PictureSet read;
  for (size_t i = 0; i < pictures.size(); ++i) {
    Array input(DType::f32, dims);
    try {
      preprocess(Image::open(pictures.files[i]), how, input.floats());
      inputs.push_back(std::move(input));
      read.files.push_back(pictures.files[i]);
      if (pictures.labelled()) read.classes.push_back(pictures.classes[i]);
    } catch (const Error& error) {
      const size_t skipped = i + 1 - inputs.size();
      if (!warn || pictures.size() == 1) throw;
      if (skipped > most_skipped)
        throw Error(error.code(), fmt::format("{} (with this one, {} of {} pictures cannot be read)", error.what(),
                                              skipped, pictures.size()));
      warn(fmt::format("skipped: {}", error.what()));
    }
    if (progress && !progress("read pictures", static_cast<double>(i + 1) / static_cast<double>(pictures.size())))
      fail(ErrorCode::stopped, "stopped while reading pictures");
  }
  pictures = std::move(read);
  return inputs;
}

}  // namespace tercel::inline quant
