# Compilers that build Tercel, and build it slow or not at all. Also run alone, by tests:
# cmake -DCMAKE_CXX_COMPILER_ID=Clang -DCMAKE_CXX_COMPILER_VERSION=14.0.6 -P cmake/compiler.cmake
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 16 AND NOT TERCEL_FUZZ)
  message(WARNING "Clang ${CMAKE_CXX_COMPILER_VERSION}: kernels run at two thirds of the speed that Clang 16 and newer or GCC 12 and newer "
                  "give them. Choose another: cmake -DCMAKE_CXX_COMPILER=g++ ...")
elseif(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
  message(WARNING "GCC ${CMAKE_CXX_COMPILER_VERSION} is older than what Tercel is built and tested with: GCC 12 or Clang 16 and newer")
endif()
