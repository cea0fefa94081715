# The pipeline's kernels, in the order in which they include each other, as one text for OpenCL's compiler.
set(device ${PROJECT_SOURCE_DIR}/src/engines/pipeline/device)
set(tercel_kernel_text "")
foreach(file layer.h channels.h multiply_accumulate.h pipeline.cl)
  file(READ ${device}/${file} text)
  string(APPEND tercel_kernel_text "${text}")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${device}/${file})
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/pipeline_text.cc @ONLY CONTENT
     "#include \"engines/pipeline/device/text.h\"

namespace tercel::inline engines {

const std::string_view kPipelineText = R\"KERNELS(@tercel_kernel_text@)KERNELS\";

}  // namespace tercel::inline engines
")
target_sources(tercel_engines PRIVATE ${PROJECT_BINARY_DIR}/generated/pipeline_text.cc)
