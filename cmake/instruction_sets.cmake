# longshore_isa_options(<optimisation> <file>...)
#   Sources that are compiled for one instruction set each, which their names end in: x_portable.cc, x_avx2.cc, x_avx512.cc
#   (docs/decisions/0001). Always optimised, with LONGSHORE_O2 or LONGSHORE_O3: kernels are unusable otherwise.
set(longshore_avx2 -mavx2 -mfma -mf16c)
# g++ 12 takes its own _mm512_undefined_epi32 for an uninitialised variable (GCC bug 105593).
set(longshore_avx512 -mavx512f -mavx512bw -mavx512dq -mavx512vl -mavx512vnni -mfma -mf16c
  $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
function(longshore_isa_options optimisation)
  foreach(file ${ARGN})
    set(flags ${optimisation})
    if(file MATCHES "_avx2\\.cc$")
      list(APPEND flags ${longshore_avx2})
    elseif(file MATCHES "_avx512\\.cc$")
      list(APPEND flags ${longshore_avx512})
    endif()
    set_source_files_properties(${file} PROPERTIES COMPILE_OPTIONS "${flags}")
  endforeach()
endfunction()
