add_library(longshore_sanitizers INTERFACE)
# How kernels are optimised. Instrumented, the compiler takes minutes and gigabytes for more, and a quarter of an hour to
# watch the scope of each unrolled register.
set(LONGSHORE_O2 -O2)
set(LONGSHORE_O3 -O3)
# By how much tests wait longer before they call something hung: instrumented kernels are that much slower.
set(LONGSHORE_PATIENCE 1)
if(LONGSHORE_SANITIZE STREQUAL "address+undefined")
  set(flags -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
elseif(LONGSHORE_SANITIZE STREQUAL "thread")
  # Fences, which it does not see, are Asio's alone; what it passes between threads goes through mutexes as well.
  set(flags -fsanitize=thread -fno-omit-frame-pointer $<$<CXX_COMPILER_ID:GNU>:-Wno-tsan>)
elseif(NOT LONGSHORE_SANITIZE STREQUAL "none")
  message(FATAL_ERROR "LONGSHORE_SANITIZE is '${LONGSHORE_SANITIZE}'; it may be none, address+undefined or thread")
endif()
if(flags)
  set(LONGSHORE_O2 -O1 -g0 -fno-sanitize-address-use-after-scope)
  set(LONGSHORE_O3 ${LONGSHORE_O2})
  set(LONGSHORE_PATIENCE 6)
  target_compile_options(longshore_sanitizers INTERFACE ${flags})
  target_link_options(longshore_sanitizers INTERFACE ${flags})
endif()
