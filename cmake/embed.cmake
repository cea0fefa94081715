# Text that is part of the program. Whenever one of the files changes, CMake runs again.

# tercel_text(VAR FILES...): what the files hold, one after the other, as a string literal of C++.
function(tercel_text var)
  set(all "")
  foreach(file ${ARGN})
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} text)
    string(APPEND all "${text}")
  endforeach()
  set(${var} "R\"embed(${all})embed\"" PARENT_SCOPE)
endfunction()
