longshore_fuzz(NAME http_request_fuzz SRCS http_request_fuzz.cc DEPS longshore::scheduler_gateway longshore::runtime_plan)
