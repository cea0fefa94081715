// Pictures for tests: the photos that come with the project.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

namespace tercel::inline tune {

/// Every photo under `copies` names. Files of the same bytes would count once: each gets a byte behind the end of its
/// JPEG.
inline void write_photos(const std::filesystem::path& folder, int copies) {
  for (int copy = 0; copy < copies; ++copy)
    for (const auto& photo : std::filesystem::directory_iterator(TERCEL_SOURCE_DIR "/models/photos")) {
      if (photo.path().extension() != ".jpg") continue;
      const char mark = static_cast<char>('a' + copy);
      std::ofstream(folder / (mark + photo.path().filename().string()), std::ios::binary)
          << std::ifstream(photo.path(), std::ios::binary).rdbuf() << mark;
    }
}

}  // namespace tercel::inline tune
