# Makes files part of the program: tercel_embed(SOURCE_VAR FILES...) writes a source that defines embedded_files()
# (src/fpga/embedded.h) and puts its path into SOURCE_VAR. Whenever a file changes, CMake runs again.
function(tercel_embed source_var)
  set(entries "")
  foreach(file ${ARGN})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    get_filename_component(name ${file} NAME)
    file(READ ${file} text)
    string(APPEND entries "    {\"${name}\", R\"embed(${text})embed\"},\n")
  endforeach()
  set(source ${PROJECT_BINARY_DIR}/generated/fpga/embedded.cc)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
"#include \"fpga/embedded.h\"

namespace tercel::inline fpga {

std::span<const EmbeddedFile> embedded_files() {
  static constexpr EmbeddedFile kFiles[] = {
@entries@  };
  return kFiles;
}

}  // namespace tercel::inline fpga
")
  set(${source_var} ${source} PARENT_SCOPE)
endfunction()
