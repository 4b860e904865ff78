# ccache makes the second build of anyone's working tree take seconds; it is used where it is found.
find_program(LONGSHORE_CCACHE ccache)
if(LONGSHORE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${LONGSHORE_CCACHE})
endif()
