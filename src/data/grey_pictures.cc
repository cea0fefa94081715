#include <algorithm>

#include "base/error.h"
#include "base/file.h"
#include "data/idx.h"
#include "tercel/data.h"

namespace tercel {
namespace {

namespace fs = std::filesystem;

IdxBytes read_file(const fs::path& path, size_t axes, std::string_view what) {
  return at_place([&] { return path.string(); },
                  [&] {
                    const auto file = MappedFile::open(path);
                    IdxBytes idx = parse_idx(file->bytes());
                    if (idx.dims.size() != axes) fail_input("IDX: {} axes, wanted {}: {}", idx.dims.size(), axes, what);
                    return idx;
                  });
}

std::string name_of(std::string_view part, bool labels) {
  return fmt::format("{}-{}", part, labels ? "labels-idx1-ubyte" : "images-idx3-ubyte");
}

/// With .gz or without; empty where there is neither.
fs::path find_file(const fs::path& folder, const std::string& name) {
  std::error_code error;
  for (const char* ending : {"", ".gz"})
    if (fs::path path = folder / (name + ending); fs::is_regular_file(path, error)) return path;
  return {};
}

}  // namespace

Image GreyPictures::image(size_t i) const {
  if (i >= size()) fail_input("there is no picture {} of {}", i, size());
  Image image(width, height);
  const uint8_t* level = pixels.data() + i * picture_size();
  uint8_t* to = image.data();
  for (size_t k = 0; k < picture_size(); ++k, to += 3) std::fill_n(to, 3, level[k]);
  return image;
}

GreyPictures read_idx(const fs::path& pictures, const fs::path& labels) {
  IdxBytes idx = read_file(pictures, 3, "pictures, rows, columns");
  constexpr int64_t kMostSide = 1 << 15;
  for (const size_t axis : {1u, 2u})
    if (idx.dims[axis] < 1 || idx.dims[axis] > kMostSide)
      fail_input("{}: IDX: pictures of {} x {}", pictures.string(), idx.dims[2], idx.dims[1]);
  GreyPictures set;
  set.height = static_cast<int>(idx.dims[1]);
  set.width = static_cast<int>(idx.dims[2]);
  set.pixels = std::move(idx.values);
  if (set.pixels.empty()) fail_input("{}: holds no picture", pictures.string());
  if (labels.empty()) return set;
  const IdxBytes classes = read_file(labels, 1, "labels");
  if (classes.values.size() != set.size())
    fail_input("{}: {} labels for the {} pictures of {}", labels.string(), classes.values.size(), set.size(),
               pictures.string());
  set.classes.assign(classes.values.begin(), classes.values.end());
  return set;
}

bool has_idx(const fs::path& folder, std::string_view part) { return !find_file(folder, name_of(part, false)).empty(); }

GreyPictures read_idx_folder(const fs::path& folder, std::string_view part) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) fail(ErrorCode::not_found, "{}: no such folder", folder.string());
  fs::path paths[2];
  for (const bool labels : {false, true}) {
    paths[labels ? 1 : 0] = find_file(folder, name_of(part, labels));
    if (paths[labels ? 1 : 0].empty())
      fail(ErrorCode::not_found, "{}: has no {} (nor with .gz)", folder.string(), name_of(part, labels));
  }
  return read_idx(paths[0], paths[1]);
}

void write_idx_folder(const GreyPictures& set, const fs::path& folder, std::string_view part) {
  if (set.classes.size() != set.size()) fail_input("{} pictures with {} classes", set.size(), set.classes.size());
  std::vector<uint8_t> labels;
  for (const int c : set.classes) {
    if (c < 0 || c > 255) fail_input("class {} does not fit a label of IDX, which is a byte", c);
    labels.push_back(static_cast<uint8_t>(c));
  }
  const auto count = static_cast<int64_t>(set.size());
  const int64_t picture_dims[] = {count, set.height, set.width};
  AtomicFile pictures_file(folder / name_of(part, false)), labels_file(folder / name_of(part, true));
  pictures_file.write(print_idx(picture_dims, set.pixels));
  labels_file.write(print_idx({&count, 1}, labels));
  pictures_file.commit();
  labels_file.commit();
}

}  // namespace tercel
