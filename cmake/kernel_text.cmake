# The pipeline's kernels, in the order in which they include each other, as one text for OpenCL's compiler; and the host
# program of an emitted folder.
set(pipeline ${PROJECT_SOURCE_DIR}/src/engines/pipeline)
set(kernel_files ${pipeline}/device/layer.h ${pipeline}/device/channels.h ${pipeline}/device/multiply_accumulate.h
                 ${pipeline}/device/pipeline.cl)
set(tercel_kernel_text "")
foreach(file ${kernel_files})
  file(READ ${file} text)
  string(APPEND tercel_kernel_text "${text}")
endforeach()
file(READ ${pipeline}/device/layer.h tercel_layer_text)
file(READ ${pipeline}/emitted/host.cc tercel_host_text)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${kernel_files} ${pipeline}/emitted/host.cc)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/pipeline_text.cc @ONLY CONTENT
     "#include \"engines/pipeline/device/text.h\"

namespace tercel::inline engines {

const std::string_view kPipelineText = R\"KERNELS(@tercel_kernel_text@)KERNELS\";
const std::string_view kLayerText = R\"KERNELS(@tercel_layer_text@)KERNELS\";
const std::string_view kHostText = R\"KERNELS(@tercel_host_text@)KERNELS\";

}  // namespace tercel::inline engines
")
target_sources(tercel_engines PRIVATE ${PROJECT_BINARY_DIR}/generated/pipeline_text.cc)
