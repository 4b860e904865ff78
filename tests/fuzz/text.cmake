longshore_fuzz(NAME tokenizer_fuzz SRCS tokenizer_fuzz.cc DEPS longshore::runtime_text)
longshore_fuzz(NAME chat_template_fuzz SRCS chat_template_fuzz.cc DEPS longshore::runtime_text)
