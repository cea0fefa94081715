# The pipeline's kernels, in the order in which they include each other, as one text for OpenCL's compiler; and the host
# program of an emitted folder (src/engines/pipeline/device/text.h).
set(pipeline ${PROJECT_SOURCE_DIR}/src/engines/pipeline)
tercel_text(kernels ${pipeline}/device/layer.h ${pipeline}/device/channels.h ${pipeline}/device/multiply_accumulate.h
                    ${pipeline}/device/pipeline.cl)
tercel_text(layer ${pipeline}/device/layer.h)
tercel_text(host ${pipeline}/emitted/host.cc)
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/generated/pipeline_text.cc @ONLY CONTENT
     "#include \"engines/pipeline/device/text.h\"

namespace tercel::inline engines {

const std::string_view kPipelineText = @kernels@;
const std::string_view kLayerText = @layer@;
const std::string_view kHostText = @host@;

}  // namespace tercel::inline engines
")
target_sources(tercel_engines PRIVATE ${PROJECT_BINARY_DIR}/generated/pipeline_text.cc)
