longshore_fuzz(NAME gguf_fuzz SRCS ${CMAKE_SOURCE_DIR}/tests/fuzz/gguf_fuzz.cc DEPS longshore::runtime_model_file ROUNDS 20000)
