# What `tercel --version --verbose` says: facts known when the build is configured, and the commit, known when it runs.
set(facts "")
foreach(fact "fmt=${fmt_VERSION}" "Highway=${HWY_VERSION}" "libjpeg=${JPEG_VERSION}"
             "libpng=${PNG_VERSION_STRING}" "libwebp=${WEBP_VERSION}" "zstd=${ZSTD_VERSION}" "Eigen=${Eigen3_VERSION}"
             "pagmo=${Pagmo_VERSION}" "toml++=${TOML_VERSION}")
  string(REGEX MATCH "^([^=]+)=(.*)$" matched "${fact}")
  set(found "${CMAKE_MATCH_2}")
  if(found STREQUAL "")
    set(found "none")
  endif()
  list(APPEND facts "{\"${CMAKE_MATCH_1}\", \"${found}\"}")
endforeach()
list(JOIN facts ", " tercel_libraries)

set(generated ${PROJECT_BINARY_DIR}/generated)
configure_file(${PROJECT_SOURCE_DIR}/cmake/build_facts.h.in ${generated}/base/build_facts.h @ONLY)
add_custom_target(tercel_commit BYPRODUCTS ${generated}/base/commit.h
                  COMMAND ${CMAKE_COMMAND} -DSOURCE=${PROJECT_SOURCE_DIR} -DHEADER=${generated}/base/commit.h
                          -P ${PROJECT_SOURCE_DIR}/cmake/commit.cmake
                  COMMENT "Looking up the commit" VERBATIM)
add_dependencies(tercel_base tercel_commit)
set_source_files_properties(${PROJECT_SOURCE_DIR}/src/base/version.cc PROPERTIES INCLUDE_DIRECTORIES ${generated})
