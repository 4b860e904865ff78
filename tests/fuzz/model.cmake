longshore_fuzz(NAME weight_cache_fuzz SRCS ${CMAKE_SOURCE_DIR}/tests/fuzz/weight_cache_fuzz.cc
  DEPS longshore::runtime_model_decoder ROUNDS 5000)
