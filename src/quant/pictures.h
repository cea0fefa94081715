// Folders of pictures: to calibrate on, and held out for evaluation.
#pragma once

#include <filesystem>
#include <utility>
#include <vector>

#include "tercel/array.h"
#include "tercel/model.h"
#include "tercel/progress.h"

namespace tercel::inline quant {

struct PictureSet {
  std::vector<std::filesystem::path> files;
  std::vector<int> classes;  ///< one a file where labels are known, else empty

  size_t size() const { return files.size(); }
  bool labelled() const { return !classes.empty(); }
};

/// JPEG, PNG and WebP files in `folder` and below, by name. Classes come from `labels.tsv` in the folder (a line
/// "file<tab>class<tab>..." for every picture), or else from the names of its subfolders in sorted order where every
/// picture lies in one (torchvision's ImageFolder). Throws Error where there is no such folder, no picture in it, or
/// labels.tsv does not fit.
PictureSet find_pictures(const std::filesystem::path& folder);

/// Without files whose bytes are those of another one: they show nothing that it does not. The first by name stays;
/// `warn` is told how many went, and one of them.
PictureSet without_copies(const PictureSet& all, const Warn& warn = {});

/// At most `first` pictures to measure on and at most `second` others to evaluate on, drawn by `seed`. Where there are
/// fewer than asked for, both get their share. Throws Error where either would be empty.
std::pair<PictureSet, PictureSet> split_pictures(const PictureSet& all, size_t first, size_t second, uint64_t seed);

/// One input of the model a picture, batch 1. With `warn`, pictures that cannot be read are removed from `pictures` and
/// reported to it: one of them, or one in twenty. Throws Error naming a picture that cannot be read where there are
/// more, or without `warn`; and for models that do not take such a picture.
std::vector<Array> load_inputs(const Model& model, PictureSet& pictures, const Preprocessing& how,
                               const Progress& progress = {}, const Warn& warn = {});

}  // namespace tercel::inline quant
