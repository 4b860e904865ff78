#!/usr/bin/env python3
"""Writes chat_families.json: what Jinja renders of a short template of each family, which the unit test compares with.

The templates say in few words what the models' own say; "refused" ones are like a known family and are not it.
"""

import json
import pathlib

import jinja2
import jinja2.sandbox

_ALTERNATE = (
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('roles must alternate user/assistant') }}{% endif %}"
)
_SPLIT_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{% set system_message = messages[0]['content'] %}"
    "{% set loop_messages = messages[1:] %}{% else %}{% set loop_messages = messages %}{% endif %}"
)
_CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def _mistral(user_open, user_close, answer, system_turn):
    return (
        _SPLIT_SYSTEM + "{{ bos_token }}{# [AVAILABLE_TOOLS] #}{% for message in loop_messages %}" + _ALTERNATE
        + "{% if message['role'] == 'user' %}{% if " + system_turn + " and system_message is defined %}"
        + '{{ "' + user_open + '" + system_message + "\\n\\n" + message["content"] + "' + user_close + '" }}'
        + '{% else %}{{ "' + user_open + '" + message["content"] + "' + user_close + '" }}{% endif %}'
        + "{% else %}{{ " + answer + " + eos_token }}{% endif %}{% endfor %}"
    )


TEMPLATES = {
    "chatml": _CHATML,
    "smollm2": (
        "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM,"
        " trained by Hugging Face<|im_end|>\n' }}{% endif %}" + _CHATML),
    "qwen2.5": (
        "{%- if messages[0]['role'] == 'system' %}{{- '<|im_start|>system\\n' + messages[0]['content'] + '<|im_end|>\\n' }}"
        "{%- else %}{{- '<|im_start|>system\\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant."
        "<|im_end|>\\n' }}{%- endif %}{%- for message in messages %}{%- if not (loop.first and message.role == 'system') %}"
        "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}{%- endif %}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"),
    "qwen3": (
        "{# enable_thinking #}{%- set ns = namespace(last_query_index=messages|length - 1) %}{%- for message in messages %}"
        "{%- if message.role == 'user' %}{%- set ns.last_query_index = loop.index0 %}{%- endif %}{%- endfor %}"
        "{%- for message in messages %}{%- set content = message.content %}{%- set reasoning_content = '' %}"
        "{%- if message.role == 'assistant' and '</think>' in content %}"
        "{%- set reasoning_content = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}"
        "{%- set content = content.split('</think>')[-1].lstrip('\\n') %}{%- endif %}"
        "{%- if message.role == 'assistant' and loop.index0 > ns.last_query_index"
        " and (loop.last or (not loop.last and reasoning_content)) %}"
        "{{- '<|im_start|>assistant\\n<think>\\n' + reasoning_content.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}"
        "{%- else %}{{- '<|im_start|>' + message.role + '\\n' + content }}{%- endif %}{{- '<|im_end|>\\n' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"),
    "llama3": (
        "{% for message in messages %}{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n'"
        " + message['content'] | trim + '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}"
        "{% endif %}{{ content }}{% endfor %}{% if add_generation_prompt %}"
        "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"),
    "llama3.1": (
        "{{- bos_token }}{%- if messages[0]['role'] == 'system' %}{%- set system_message = messages[0]['content']|trim %}"
        "{%- set messages = messages[1:] %}{%- else %}{%- set system_message = '' %}{%- endif %}"
        "{{- '<|start_header_id|>system<|end_header_id|>\\n\\n' }}{%- if tools %}{{- 'Environment: ipython\\n' }}{%- endif %}"
        "{{- 'Cutting Knowledge Date: December 2023\\n' }}{{- 'Today Date: ' + '26 Jul 2024' + '\\n\\n' }}{{- system_message }}"
        "{{- '<|eot_id|>' }}{%- for message in messages %}{{- '<|start_header_id|>' + message['role'] + "
        "'<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}{%- endfor %}"
        "{%- if add_generation_prompt %}{{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{%- endif %}"),
    "llama2": (
        _SPLIT_SYSTEM + "{% for message in loop_messages %}" + _ALTERNATE + "{% if loop.index0 == 0 and system_message is defined %}"
        "{% set content = '<<SYS>>\\n' + system_message + '\\n<</SYS>>\\n\\n' + message['content'] %}{% else %}"
        "{% set content = message['content'] %}{% endif %}{% if message['role'] == 'user' %}"
        "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}"
        "{% endif %}{% endfor %}"),
    "mistral-v1": _mistral(" [INST] ", " [/INST]", "' ' + message['content']", "loop.first"),
    "mistral-v3": _mistral("[INST] ", "[/INST]", "' ' + message['content']|trim", "loop.last"),
    "mistral-tekken": _mistral("[INST]", "[/INST]", "message['content']", "loop.last"),
    "mistral-v7": (
        _SPLIT_SYSTEM + "{{ bos_token }}{% if system_message is defined %}"
        "{{ '[SYSTEM_PROMPT] ' + system_message + '[/SYSTEM_PROMPT]' }}{% endif %}{% for message in loop_messages %}"
        + _ALTERNATE + "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + '[/INST]' }}"
        "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"),
    "gemma": (
        "{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}"
        "{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set first_user_prefix = '' -%}"
        "{%- set loop_messages = messages -%}{%- endif -%}{%- for message in loop_messages -%}" + _ALTERNATE +
        "{%- if message['role'] == 'assistant' -%}{%- set role = 'model' -%}{%- else -%}{%- set role = message['role'] -%}"
        "{%- endif -%}{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else '') }}"
        "{{ message['content'] | trim }}{{ '<end_of_turn>\n' }}{%- endfor -%}{%- if add_generation_prompt -%}"
        "{{ '<start_of_turn>model\n' }}{%- endif -%}"),
    "gemma without system": (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        "{% for message in messages %}" + _ALTERNATE + "{{ '<start_of_turn>' + ('model' if message['role'] == 'assistant' else 'user')"
        " + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"),
}

REFUSED = {
    "plain text": "{% for message in messages %}{{ message.content }}{% endfor %}",
    "chatml with separators": "{{ '<|im_start|>' + role + '<|im_sep|>' + content + '<|im_end|>' }}",
    "chatml that trims": "{{ '<|im_start|>' + role + '\\n' + content | trim + '<|im_end|>\\n' }}",
    "chatml with a system variable": "{% set system_message = 'Be good.' %}{{ '<|im_start|>system\\n' + system_message + '<|im_end|>' }}",
    "chatml with two defaults": "{{ '<|im_start|>system\\nA<|im_end|>' }}{{ '<|im_start|>system\\nB<|im_end|>' }}",
    "chatml with an unquoted system": "<|im_start|>system\\nA<|im_end|>",
    "chatml with an open literal": "{{ '<|im_start|>system\\nA<|im_end|>",
    "chatml with an unknown escape": "{{ '<|im_start|>system\\n\\u0041<|im_end|>' }}",
    "chatml with a role on one line": "{{ '<|im_start|>system: A<|im_end|>' }}",
    "chatml that thinks": "{{ '<|im_start|>assistant\\n<think>\\n' }}<|im_end|>",
    "llama 3 with functions": "<|start_header_id|>system<|end_header_id|> functions <|eot_id|>",
    "llama 2 that does not strip": "[INST] <<SYS>> {{ content }} <</SYS>> [/INST]",
    "mistral with a default system": "[SYSTEM_PROMPT] {{ default_system_message }} [/SYSTEM_PROMPT][INST]",
    "mistral of another kind": "[INST]{{ content }}[/INST]",
}


def _turn(role):
    return lambda content: {"role": role, "content": content}


_s, _u, _a = _turn("system"), _turn("user"), _turn("assistant")
CONVERSATIONS = [
    [_u("hi")], [_s(" Be brief.\n"), _u("hi")], [_u(" a \n"), _a("\n b "), _u("c")],
    [_s("S"), _u(" a "), _a(" b "), _u("c"), _a("d"), _u(" e ")], [_u("a"), _a("b")], [_s("S"), _u("a"), _a("b")],
    [_u("")], [_s("S"), _u("  ")], [_u("\u00a0\u3000é\u2003")], [_u("a"), _a("<think>\nr\n</think>\n\nans"), _u("b")],
    [_u("a"), _a("<think>\nr\n</think>\n\nans")], [_u("a"), _a("x</think>y"), _a("z")], [_a("x")], [_u("a"), _u("b")],
]


def _raise(message):
    raise jinja2.exceptions.TemplateError(message)


def main():
    environment = jinja2.sandbox.ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
    environment.globals["raise_exception"] = _raise
    families = []
    for name, source in TEMPLATES.items():
        template = environment.from_string(source)
        cases = []
        for messages in CONVERSATIONS:
            for add in (True, False):
                try:
                    text = template.render(messages=messages, add_generation_prompt=add, bos_token="<s>", eos_token="</s>")
                except jinja2.exceptions.TemplateError:
                    text = None
                cases.append([messages, add, text])
        families.append({"name": name, "template": source, "cases": cases})
    result = {"families": families, "refused": REFUSED}
    text = json.dumps(result, ensure_ascii=False, indent=0)
    (pathlib.Path(__file__).parent / "chat_families.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
