// Labelled pictures from wherever they lie: folders and IDX files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "tercel/array.h"
#include "tercel/data.h"
#include "tercel/model.h"
#include "tercel/progress.h"

namespace tercel::inline tune {

class LabelledPictures {
 public:
  /// A folder of IDX files (of that part), an IDX file of pictures with one of labels beside it, or a folder of
  /// pictures with classes. Throws Error where there are no pictures or no classes.
  static LabelledPictures open(const std::filesystem::path& path, std::string_view part = "train");
  /// A folder of subfolders, each a class, or of pictures that are all of one class named as the folder is.
  static LabelledPictures open_classes(const std::filesystem::path& folder);

  size_t size() const { return order_.size(); }
  const std::vector<int>& classes() const { return classes_; }  ///< one a picture
  int class_count() const;                                      ///< the largest class, and one more
  /// Of folders that name the classes, else empty.
  const std::vector<std::string>& names() const { return names_; }
  const std::string& where() const { return where_; }

  Image image(size_t i) const;

  /// At most so many, drawn by the seed; as they were ordered.
  LabelledPictures some(size_t count, uint64_t seed) const;
  /// Every picture of one of the numbers.
  LabelledPictures selected(const std::vector<size_t>& numbers) const;

 private:
  std::string where_;
  std::shared_ptr<const GreyPictures> grey_;
  std::shared_ptr<const std::vector<std::filesystem::path>> files_;
  std::vector<size_t> order_;  ///< of these pictures in the source
  std::vector<int> classes_;
  std::vector<std::string> names_;
};

/// Rows of floats: the model's first output for each picture, flattened. Throws Error where its size differs from
/// picture to picture.
struct OutputTable {
  int64_t width = 0;
  std::vector<float> values;

  int64_t count() const { return width == 0 ? 0 : static_cast<int64_t>(values.size()) / width; }
};
OutputTable outputs_of(const Model& model, const LabelledPictures& pictures, int threads, std::string_view stage,
                       const Progress& progress);

}  // namespace tercel::inline tune
