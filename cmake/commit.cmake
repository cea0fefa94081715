cmake_minimum_required(VERSION 3.25)
# Writes HEADER with the commit of SOURCE; run at every build (cmake -P), so that it is never an older one. The header is
# touched only where the commit is another.
set(commit "unknown")
find_program(GIT git)
if(GIT)
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --show-toplevel OUTPUT_VARIABLE top RESULT_VARIABLE failed
                  OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  # A copy of the sources inside somebody else's repository has no commit of its own.
  if(NOT failed AND top STREQUAL SOURCE)
    execute_process(COMMAND ${GIT} -C ${SOURCE} describe --always --dirty --exclude=* OUTPUT_VARIABLE described
                    RESULT_VARIABLE failed OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    if(NOT failed)
      set(commit ${described})
    endif()
  endif()
endif()
file(CONFIGURE OUTPUT ${HEADER} CONTENT "#define TERCEL_COMMIT \"@commit@\"\n" @ONLY)
