# Tests written in Python run in the environment that tests/run makes (numpy, gguf, openai), or else in the system's.
if(NOT Python3_EXECUTABLE AND EXISTS ${PROJECT_SOURCE_DIR}/build/venv/bin/python)
  set(Python3_EXECUTABLE ${PROJECT_SOURCE_DIR}/build/venv/bin/python)
endif()
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)

# longshore_python_test(NAME <test_name> SCRIPT <file> ARGS <arguments> LABELS <labels> [TIMEOUT seconds])
#   One CTest entry that runs a script; exit code 77 means that it cannot run here, and says why on its output.
function(longshore_python_test)
  cmake_parse_arguments(ARG "" "NAME;SCRIPT;TIMEOUT" "ARGS;LABELS" ${ARGN})
  if(NOT LONGSHORE_BUILD_TESTS)
    return()
  endif()
  add_test(NAME ${ARG_NAME} COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/${ARG_SCRIPT} ${ARG_ARGS}
           WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 600)  # ends what hangs; says nothing about speed
  endif()
  math(EXPR ARG_TIMEOUT "${ARG_TIMEOUT} * ${LONGSHORE_PATIENCE}")
  set_tests_properties(${ARG_NAME} PROPERTIES LABELS "${ARG_LABELS}" TIMEOUT ${ARG_TIMEOUT} SKIP_RETURN_CODE 77
                                              ENVIRONMENT LONGSHORE_TEST_PATIENCE=${LONGSHORE_PATIENCE})
endfunction()
