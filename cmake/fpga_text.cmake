# Boards and published figures (src/fpga/embedded.h).
file(GLOB files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/fpga/boards/*.toml
                                  ${PROJECT_SOURCE_DIR}/src/fpga/published/*.csv)
set(entries "")
foreach(file ${files})
  get_filename_component(name ${file} NAME)
  tercel_text(text ${file})
  string(APPEND entries "    {\"${name}\", ${text}},\n")
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/fpga_text.cc @ONLY CONTENT
     "#include \"fpga/embedded.h\"

namespace tercel::inline fpga {

std::span<const EmbeddedFile> embedded_files() {
  static constexpr EmbeddedFile kFiles[] = {
@entries@  };
  return kFiles;
}

}  // namespace tercel::inline fpga
")
target_sources(tercel_fpga PRIVATE ${PROJECT_BINARY_DIR}/generated/fpga_text.cc)
