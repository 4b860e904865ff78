# Warnings and the arithmetic flags of the same-bits contract (docs/determinism.md), for our own code only.
add_library(longshore_warnings INTERFACE)
target_compile_options(longshore_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Werror
  # Every fused multiply-add is written as one; the compiler must not make others.
  -ffp-contract=off
  # Instrumented code hides from g++ that a loop's variable is set (GCC's manual says so of -fsanitize).
  $<$<NOT:$<STREQUAL:${LONGSHORE_SANITIZE},none>>:-Wno-maybe-uninitialized>)
