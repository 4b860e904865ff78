longshore_fuzz(NAME wire_fuzz SRCS wire_fuzz.cc DEPS longshore::transport_wire ROUNDS 20000)
