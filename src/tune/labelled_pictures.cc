#include "tune/labelled_pictures.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <numeric>
#include <set>

#include "base/error.h"
#include "base/rng.h"
#include "base/threads.h"
#include "quant/pictures.h"
#include "session/picture_model.h"
#include "tercel/session.h"

namespace tercel::inline tune {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostBytes = size_t{8} << 30;

std::vector<size_t> numbers_below(size_t count) {
  std::vector<size_t> numbers(count);
  std::iota(numbers.begin(), numbers.end(), size_t{0});
  return numbers;
}

/// "train-labels-idx1-ubyte.gz" of "train-images-idx3-ubyte"; empty where the name is another or there is none.
fs::path labels_beside(const fs::path& pictures) {
  std::string name = pictures.filename().string();
  const std::string_view kPictures = "images-idx3", kLabels = "labels-idx1";
  const size_t at = name.find(kPictures);
  if (at == std::string::npos) return {};
  name.replace(at, kPictures.size(), kLabels);
  if (name.ends_with(".gz")) name.resize(name.size() - 3);
  std::error_code error;
  for (const char* ending : {"", ".gz"})
    if (const fs::path path = pictures.parent_path() / (name + ending); fs::is_regular_file(path, error)) return path;
  return {};
}

/// An empty one would stand for the current folder, where files are looked for in it.
void check_name(const fs::path& path) {
  if (path.empty()) fail_input("a folder of pictures was asked for, but its name is empty");
}

}  // namespace

LabelledPictures LabelledPictures::open(const fs::path& path, std::string_view part) {
  check_name(path);
  LabelledPictures out;
  out.where_ = path.string();
  std::error_code error;
  const bool file = fs::is_regular_file(path, error);
  if (file || has_idx(path, part)) {
    if (file && labels_beside(path).empty())
      fail_input("{}: has no file of labels beside it: wanted NAME-images-idx3-ubyte and NAME-labels-idx1-ubyte",
                 path.string());
    auto grey =
        std::make_shared<GreyPictures>(file ? read_idx(path, labels_beside(path)) : read_idx_folder(path, part));
    out.classes_ = grey->classes;
    out.order_ = numbers_below(grey->size());
    out.grey_ = std::move(grey);
    return out;
  }
  quant::PictureSet set = quant::find_pictures(path);
  if (!set.labelled())
    fail_input("{}: its pictures have no classes: wanted labels.tsv or one folder for each class", path.string());
  out.classes_ = std::move(set.classes);
  out.order_ = numbers_below(set.files.size());
  if (!fs::exists(path / "labels.tsv", error)) {
    out.names_.resize(static_cast<size_t>(out.class_count()));
    for (size_t i = 0; i < set.files.size(); ++i)
      out.names_[static_cast<size_t>(out.classes_[i])] = set.files[i].parent_path().filename().string();
  }
  out.files_ = std::make_shared<std::vector<fs::path>>(std::move(set.files));
  return out;
}

LabelledPictures LabelledPictures::open_classes(const fs::path& folder) {
  check_name(folder);
  quant::PictureSet set = quant::find_pictures(folder);
  std::error_code error;
  if (set.labelled() || fs::exists(folder / "labels.tsv", error)) return open(folder);
  LabelledPictures out;
  out.where_ = folder.string();
  const fs::path last = folder.has_filename() ? folder : folder.parent_path();
  const std::set<fs::path> parents = [&] {
    std::set<fs::path> all;
    for (const fs::path& file : set.files) all.insert(file.parent_path());
    return all;
  }();
  if (parents.size() != 1)
    fail_input("{}: pictures beside folders of pictures: wanted one folder for each class, or pictures of one class",
               folder.string());
  out.names_ = {(*parents.begin() == last ? last : *parents.begin()).filename().string()};
  out.classes_.assign(set.files.size(), 0);
  out.order_ = numbers_below(set.files.size());
  out.files_ = std::make_shared<std::vector<fs::path>>(std::move(set.files));
  return out;
}

int LabelledPictures::class_count() const {
  return classes_.empty() ? 0 : *std::max_element(classes_.begin(), classes_.end()) + 1;
}

Image LabelledPictures::image(size_t i) const {
  const size_t at = order_.at(i);
  return grey_ != nullptr ? grey_->image(at) : Image::open(files_->at(at));
}

LabelledPictures LabelledPictures::some(size_t count, uint64_t seed) const {
  if (count >= size()) return *this;
  std::vector<size_t> numbers = numbers_below(size());
  Rng rng(seed);
  for (size_t i = 0; i < count; ++i)
    std::swap(numbers[i], numbers[i + static_cast<size_t>(rng.below(static_cast<int64_t>(size() - i)))]);
  numbers.resize(count);
  std::sort(numbers.begin(), numbers.end());
  return selected(numbers);
}

LabelledPictures LabelledPictures::selected(const std::vector<size_t>& numbers) const {
  LabelledPictures out = *this;
  out.order_.clear();
  out.classes_.clear();
  for (const size_t i : numbers) {
    out.order_.push_back(order_.at(i));
    out.classes_.push_back(classes_.at(i));
  }
  return out;
}

OutputTable outputs_of(const Model& model, const LabelledPictures& pictures, int threads, std::string_view stage,
                       const Progress& progress) {
  const Preprocessing how = model.preprocessing();
  const std::vector<int64_t> dims = picture_dims(model, how);
  SessionOptions options;
  options.threads = 1;  // pictures run side by side
  Session session(model, options);
  OutputTable table;
  const auto row = [&](size_t i) {
    Array input(DType::f32, dims);
    preprocess(pictures.image(i), how, input.floats());
    std::vector<Array> outputs = session.run({input});
    return std::move(outputs.at(0));
  };
  const Array first = row(0);
  if (first.dtype() != DType::f32)
    fail_input("{}: features of type {}, wanted f32", model.name(), to_string(first.dtype()));
  table.width = static_cast<int64_t>(first.floats().size());
  const size_t width = first.floats().size(), count = pictures.size();
  if (width == 0 || count > kMostBytes / (width * sizeof(float)))
    fail(ErrorCode::limit, "{} features of {} pictures do not fit {} GB: take fewer pictures", width, count,
         kMostBytes >> 30);
  table.values.resize(width * count);
  std::copy(first.floats().begin(), first.floats().end(), table.values.begin());
  std::atomic<size_t> done = 1;
  std::mutex reporting;
  const ThreadScope scope(threads > 0 ? threads : hardware_threads());
  parallel_for(static_cast<int64_t>(count) - 1, 8, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin + 1; i < end + 1; ++i) {
      const Array output = row(static_cast<size_t>(i));
      if (output.floats().size() != width)
        fail_input("{}: {} features of picture {}, {} of the first", model.name(), output.floats().size(), i, width);
      std::copy(output.floats().begin(), output.floats().end(), table.values.begin() + i * table.width);
    }
    done += static_cast<size_t>(end - begin);
    const std::lock_guard lock(reporting);
    if (progress && !progress(stage, static_cast<double>(done) / static_cast<double>(count)))
      fail(ErrorCode::stopped, "stopped while running the network");
  });
  return table;
}

}  // namespace tercel::inline tune
