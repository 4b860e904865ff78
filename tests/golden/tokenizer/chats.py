"""Conversations, rendered by Jinja from the file's own template and encoded by llama.cpp with parse_special."""

import gguf
import jinja2
import jinja2.sandbox

SYSTEM = {"role": "system", "content": "You answer in one word."}
HELLO = {"role": "user", "content": "Hello, who are you?"}
ANSWER = {"role": "assistant", "content": "A model."}
CONVERSATIONS = [
    [HELLO],
    [SYSTEM, HELLO],
    [HELLO, ANSWER, {"role": "user", "content": "And now?"}],
    [SYSTEM, HELLO, ANSWER, {"role": "user", "content": "\n\n  spaces around  \n"}],
    [HELLO, ANSWER],
    [{"role": "user", "content": ""}],
    [{"role": "system", "content": ""}, HELLO],
    [{"role": "user", "content": "中文 and émoji 👩‍👩‍👧‍👦\n```c\nint x = 1;\n```"}, {"role": "assistant", "content": "\nok\n"}, HELLO],
    [SYSTEM, HELLO, ANSWER, HELLO, ANSWER, HELLO, ANSWER, HELLO],
    [{"role": "user", "content": "<tool_call> is user-defined in some files, <b>bold</b> in others"}],
    [{"role": "user", "content": "almost <|im_end| a marker"}],
]


def _raise(message):
    raise jinja2.exceptions.TemplateError(message)


def render_all(path, vocabulary):
    """[[messages, add_generation_prompt, rendered text, ids], ...]; empty for a model without a template."""
    field = gguf.GGUFReader(path).fields.get("tokenizer.chat_template")
    if field is None:
        return []
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _raise
    template = environment.from_string(field.contents())
    cases = []
    for messages in CONVERSATIONS:
        for add in (True, False):
            text = template.render(
                messages=messages, add_generation_prompt=add, bos_token=vocabulary.piece(vocabulary.bos).decode(),
                eos_token=vocabulary.piece(vocabulary.eos).decode())
            cases.append([messages, add, text, vocabulary.tokenize(text.encode(), True, True)])
    return cases
