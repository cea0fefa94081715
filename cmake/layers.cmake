# A layer is a folder of src/: its sources become part of the one library, its *_test.cc one test program.

add_library(tercel_options INTERFACE)
target_compile_options(tercel_options INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wno-missing-field-initializers
                                                # GCC 12 warns of overlaps inside std::string that cannot happen (GCC bug 105329).
                                                $<$<CXX_COMPILER_ID:GNU>:-Wno-restrict>
                                                $<$<BOOL:${TERCEL_WERROR}>:-Werror>)
target_include_directories(tercel_options INTERFACE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
target_include_directories(tercel_options SYSTEM INTERFACE ${PROTOZERO_INCLUDE_DIR} ${HWY_INCLUDE_DIRS})
target_link_libraries(tercel_options INTERFACE fmt::fmt JPEG::JPEG PNG::PNG nlohmann_json::nlohmann_json
                                               Eigen3::Eigen PkgConfig::ZSTD Threads::Threads)
if(WEBP_FOUND)
  target_link_libraries(tercel_options INTERFACE PkgConfig::WEBP)
  target_compile_definitions(tercel_options INTERFACE TERCEL_HAVE_WEBP=1)
endif()
if(ZLIB_FOUND)
  target_link_libraries(tercel_options INTERFACE ZLIB::ZLIB)
endif()
if(TERCEL_TRELLIS)
  target_compile_definitions(tercel_options INTERFACE TERCEL_HAVE_TRELLIS=1)
endif()
if(TERCEL_SANITIZE)
  # null, object-size and vptr find nothing here that the others do not, and double the time to compile.
  target_compile_options(tercel_options INTERFACE -fsanitize=${TERCEL_SANITIZE} -fno-omit-frame-pointer
                                                  -fno-sanitize=null,object-size,vptr)
  # Under AddressSanitizer Eigen would align memory by hand, and free that way what pagmo's library did not allocate so.
  target_compile_definitions(tercel_options INTERFACE EIGEN_MALLOC_ALREADY_ALIGNED=1)
  target_link_options(tercel_options INTERFACE -fsanitize=${TERCEL_SANITIZE})
  # What this processor cannot run would only be compiled: a third of every kernel.
  include(CheckCXXSourceRuns)
  check_cxx_source_runs("int main() { return __builtin_cpu_supports(\"avx512f\") ? 0 : 1; }" TERCEL_RUNS_AVX512)
  if(NOT TERCEL_RUNS_AVX512)
    target_compile_definitions(tercel_options INTERFACE TERCEL_TARGETS_LEFT_OUT=HWY_AVX3)
  endif()
endif()

set(TERCEL_LAYERS "" CACHE INTERNAL "")

function(tercel_layer name)
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/emitted/")  # text that an emitted folder carries
  set(tests ${sources})
  list(FILTER sources EXCLUDE REGEX "_test\\.cc$")
  list(FILTER tests INCLUDE REGEX "_test\\.cc$")
  if(NOT TERCEL_TRELLIS)
    list(FILTER sources EXCLUDE REGEX "_by_trellis\\.cc$")
    list(FILTER tests EXCLUDE REGEX "_trellis_test\\.cc$")
  endif()
  if(sources)
    add_library(tercel_${name} OBJECT ${sources})
    target_link_libraries(tercel_${name} PRIVATE tercel_options)
    if(name MATCHES "^(codec|pack)$")  # a file gives the same weights on every machine: no fused multiplications
      target_compile_options(tercel_${name} PRIVATE -ffp-contract=off)
    endif()
    if(name STREQUAL "passes")  # nor do passes give other weights on other machines
      set_source_files_properties(${PROJECT_SOURCE_DIR}/src/passes/weight_rows.cc PROPERTIES COMPILE_OPTIONS
                                                                                             -ffp-contract=off)
    endif()
    if(TERCEL_SANITIZE MATCHES "undefined")
      # Kernels of registers and Eigen's templates: it finds nothing of ours there, and doubles the time to compile.
      foreach(source ${sources})
        file(STRINGS ${source} eigen REGEX "#include <Eigen/" LIMIT_COUNT 1)
        if(eigen OR source MATCHES "/simd/")
          set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS -fno-sanitize=undefined)
        endif()
      endforeach()
    endif()
    if(name STREQUAL "data" AND ZLIB_FOUND)
      target_compile_definitions(tercel_data PRIVATE TERCEL_HAVE_ZLIB=1)
    endif()
    if(name STREQUAL "search" AND Pagmo_FOUND)  # heavy to compile against: nobody else should
      target_link_libraries(tercel_search PUBLIC Pagmo::pagmo)
      target_compile_definitions(tercel_search PRIVATE TERCEL_HAVE_PAGMO=1)
    endif()
    if(name STREQUAL "engines")  # the kernels' pragmas are for OpenCL's compilers
      set_source_files_properties(${PROJECT_SOURCE_DIR}/src/engines/pipeline/simulation.cc
                                  PROPERTIES COMPILE_OPTIONS -Wno-unknown-pragmas)
    endif()
    if(name STREQUAL "engines" AND TERCEL_OPENCL)
      target_link_libraries(tercel_engines PUBLIC OpenCL::OpenCL)
      target_compile_definitions(tercel_engines PRIVATE TERCEL_HAVE_OPENCL=1)
    endif()
    if(name STREQUAL "fpga" AND TOML_FOUND)
      target_include_directories(tercel_fpga SYSTEM PRIVATE ${TOML_INCLUDE_DIR})
      target_compile_definitions(tercel_fpga PRIVATE TERCEL_HAVE_TOML=1)
    endif()
    set(TERCEL_LAYERS ${TERCEL_LAYERS} ${name} CACHE INTERNAL "")
  endif()
  if(TERCEL_TESTS AND tests)
    # Linked against the layers up to this one only: a test that needs more is in the wrong folder.
    set(layers ${TERCEL_LAYERS})
    add_executable(tercel_${name}_test ${tests})
    target_link_libraries(tercel_${name}_test PRIVATE tercel_options GTest::gmock GTest::gtest_main)
    target_compile_definitions(tercel_${name}_test PRIVATE TERCEL_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                                                           $<$<BOOL:${ZLIB_FOUND}>:TERCEL_HAVE_ZLIB=1>)
    foreach(layer ${layers})
      target_link_libraries(tercel_${name}_test PRIVATE tercel_${layer})
    endforeach()
    gtest_discover_tests(tercel_${name}_test TEST_PREFIX "${name}/" PROPERTIES LABELS quick
                         DISCOVERY_TIMEOUT 60)
  endif()
endfunction()

# The library that everybody else links: apps, tests of journeys, users.
function(tercel_library)
  add_library(tercel)
  add_library(tercel::tercel ALIAS tercel)
  foreach(layer ${TERCEL_LAYERS})
    target_sources(tercel PRIVATE $<TARGET_OBJECTS:tercel_${layer}>)
  endforeach()
  target_link_libraries(tercel PRIVATE $<BUILD_INTERFACE:tercel_options>)
  if(Pagmo_FOUND)
    target_link_libraries(tercel PRIVATE $<BUILD_INTERFACE:Pagmo::pagmo>)
  endif()
  if(TERCEL_OPENCL)
    target_link_libraries(tercel PRIVATE $<BUILD_INTERFACE:OpenCL::OpenCL>)
  endif()
  # What a static library hands on to whoever links it; names that tercel-config.cmake finds again.
  foreach(needed fmt::fmt PkgConfig::ZSTD JPEG::JPEG PNG::PNG $<$<BOOL:${WEBP_FOUND}>:PkgConfig::WEBP>
                 $<$<BOOL:${ZLIB_FOUND}>:ZLIB::ZLIB> Threads::Threads $<$<BOOL:${Pagmo_FOUND}>:Pagmo::pagmo>
                 $<$<BOOL:${TERCEL_OPENCL}>:OpenCL::OpenCL>)
    target_link_libraries(tercel PRIVATE $<INSTALL_INTERFACE:${needed}>)
  endforeach()
  target_include_directories(tercel PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
                                           $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_compile_features(tercel PUBLIC cxx_std_20)
  # Before 1.0 the minor number stands for changes that break.
  set_target_properties(tercel PROPERTIES VERSION ${PROJECT_VERSION}
                                          SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
  if(NOT TERCEL_INSTALL)
    return()
  endif()

  include(CMakePackageConfigHelpers)
  set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/tercel)
  install(TARGETS tercel EXPORT tercel-targets)
  install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/tercel DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT tercel-targets NAMESPACE tercel:: DESTINATION ${package_dir})
  configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/tercel-config.cmake.in ${PROJECT_BINARY_DIR}/tercel-config.cmake
                                INSTALL_DESTINATION ${package_dir})
  write_basic_package_version_file(${PROJECT_BINARY_DIR}/tercel-config-version.cmake COMPATIBILITY SameMinorVersion)
  install(FILES ${PROJECT_BINARY_DIR}/tercel-config.cmake ${PROJECT_BINARY_DIR}/tercel-config-version.cmake
          DESTINATION ${package_dir})

  # For builds without CMake: c++ $(pkg-config --cflags --libs tercel); --static where the library is a static one.
  set(tercel_private_requires "fmt libzstd libjpeg libpng")
  if(WEBP_FOUND)
    string(APPEND tercel_private_requires " libwebp")
  endif()
  if(ZLIB_FOUND)
    string(APPEND tercel_private_requires " zlib")
  endif()
  set(tercel_private_libs "-pthread")
  if(Pagmo_FOUND)
    string(APPEND tercel_private_libs " -lpagmo -lboost_serialization -ltbb")
  endif()
  if(TERCEL_OPENCL)
    string(APPEND tercel_private_libs " -lOpenCL")
  endif()
  configure_file(${PROJECT_SOURCE_DIR}/cmake/tercel.pc.in ${PROJECT_BINARY_DIR}/tercel.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/tercel.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endfunction()
