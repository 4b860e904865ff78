#include "scheduler/gateway/openapi.h"

namespace longshore::gateway {

const std::string_view kOpenApi = R"json({
"openapi": "3.1.0",
"info": {
  "title": "Longshore",
  "version": "1",
  "description": "OpenAI-compatible API of a Longshore server. Fields that are listed nowhere here are ignored, unless they are known from other servers and would change the answer: those get a 400 that names them (tools, tool_choice, functions, response_format other than text, best_of above 1, suffix, audio, guided decoding, stop_token_ids)."
},
"paths": {
  "/v1/models": {"get": {"summary": "The models that are served", "responses": {"200": {"description": "A list with one element per name"}}}},
  "/v1/models/{model}": {"get": {"summary": "One served model", "parameters": [{"name": "model", "in": "path", "required": true, "schema": {"type": "string"}}],
    "responses": {"200": {"description": "The model"}, "404": {"$ref": "#/components/responses/Error"}}}},
  "/v1/chat/completions": {"post": {"summary": "Answers a conversation",
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}}}},
    "responses": {"200": {"$ref": "#/components/responses/Generation"}, "default": {"$ref": "#/components/responses/Error"}}}},
  "/v1/completions": {"post": {"summary": "Continues texts",
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/CompletionRequest"}}}},
    "responses": {"200": {"$ref": "#/components/responses/Generation"}, "default": {"$ref": "#/components/responses/Error"}}}},
  "/tokenize": {"post": {"summary": "Text to token ids",
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "properties": {
      "content": {"type": "string", "description": "the text; add_special is then false by default"},
      "prompt": {"type": "string", "description": "another name of the text; add_special is then true by default"},
      "add_special": {"type": "boolean", "description": "add the model's begin token; also add_special_tokens"},
      "parse_special": {"type": "boolean", "default": true, "description": "take names of control tokens for these tokens"}}}}}},
    "responses": {"200": {"description": "tokens, count, max_model_len"}, "default": {"$ref": "#/components/responses/Error"}}}},
  "/detokenize": {"post": {"summary": "Token ids to text",
    "requestBody": {"required": true, "content": {"application/json": {"schema": {"type": "object", "required": ["tokens"], "properties": {
      "tokens": {"type": "array", "items": {"type": "integer", "minimum": 0}}}}}}},
    "responses": {"200": {"description": "The text, as content and as prompt"}, "default": {"$ref": "#/components/responses/Error"}}}},
  "/health": {"get": {"summary": "The same as /readyz", "responses": {"200": {"description": "Ready"}, "503": {"$ref": "#/components/responses/Error"}}}},
  "/readyz": {"get": {"summary": "Whether a token was generated at the last probe, for which every attention node of the plan answered in every layer", "responses": {"200": {"description": "Ready"}, "503": {"$ref": "#/components/responses/Error"}}}},
  "/livez": {"get": {"summary": "Whether the process answers", "responses": {"200": {"description": "It does"}}}},
  "/load": {"get": {"summary": "Running and waiting sequences, used share of the KV room", "responses": {"200": {"description": "server_load, running, waiting, kv_used"}}}},
  "/version": {"get": {"summary": "Versions of program and arithmetic", "responses": {"200": {"description": "version, numerics, model"}}}},
  "/metrics": {"get": {"summary": "Metrics in Prometheus' text format", "responses": {"200": {"description": "text/plain; version=0.0.4"}}}},
  "/openapi.json": {"get": {"summary": "This document", "responses": {"200": {"description": "OpenAPI 3.1"}}}}
},
"components": {
  "responses": {
    "Error": {"description": "429 and 503 carry Retry-After. An error after the first byte of a stream comes as an event with this object, then data: [DONE].",
      "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}},
    "Generation": {"description": "One object, or with stream server-sent events that end with data: [DONE]; silence is filled with comment lines. The object carries seed, the request's or the one that was chosen.",
      "content": {"application/json": {"schema": {"type": "object"}}, "text/event-stream": {"schema": {"type": "string"}}}}
  },
  "schemas": {
    "Error": {"type": "object", "required": ["error"], "properties": {"error": {"type": "object", "required": ["message", "type", "param", "code"], "properties": {
      "message": {"type": "string"}, "type": {"type": "string"}, "param": {"type": ["string", "null"]}, "code": {"type": ["string", "null"]}}}}},
    "Generation": {"type": "object", "properties": {
      "model": {"type": "string", "description": "may be left out"},
      "max_tokens": {"type": "integer", "minimum": 0, "description": "default: what the context leaves for chat, 16 for completions"},
      "max_completion_tokens": {"type": "integer", "minimum": 0, "description": "wins over max_tokens"},
      "min_tokens": {"type": "integer", "minimum": 0, "default": 0},
      "temperature": {"type": "number", "minimum": 0, "maximum": 100, "default": 1},
      "top_p": {"type": "number", "exclusiveMinimum": 0, "maximum": 1, "default": 1},
      "top_k": {"type": "integer", "minimum": -1, "default": 0, "description": "0 and -1 keep all"},
      "min_p": {"type": "number", "minimum": 0, "maximum": 1, "default": 0},
      "presence_penalty": {"type": "number", "minimum": -2, "maximum": 2, "default": 0},
      "frequency_penalty": {"type": "number", "minimum": -2, "maximum": 2, "default": 0},
      "repetition_penalty": {"type": "number", "exclusiveMinimum": 0, "maximum": 100, "default": 1},
      "logit_bias": {"type": "object", "maxProperties": 300, "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100}, "description": "by token id"},
      "n": {"type": "integer", "minimum": 1, "maximum": 128, "default": 1},
      "stop": {"description": "at most 16 strings of 1 to 1024 bytes", "oneOf": [{"type": "string"}, {"type": "array", "maxItems": 16, "items": {"type": "string"}}]},
      "seed": {"type": "integer", "description": "chosen and returned where it is missing"},
      "ignore_eos": {"type": "boolean", "default": false},
      "stream": {"type": "boolean", "default": false},
      "stream_options": {"type": "object", "properties": {"include_usage": {"type": "boolean", "default": false}}},
      "return_progress": {"type": "boolean", "default": false, "description": "chunks with prompt_progress (total, cache, processed, time_ms) during prefill"},
      "return_token_ids": {"type": "boolean", "default": false, "description": "adds token_ids and prompt_token_ids"},
      "return_tokens_as_token_ids": {"type": "boolean", "default": false, "description": "token_id:123 in place of token texts in logprobs"},
      "user": {"type": "string"},
      "attention": {"type": "object", "required": ["preset"], "maxProperties": 32, "properties": {"preset": {"type": "string"}}, "additionalProperties": {"type": "integer", "minimum": 0}, "description": "a preset by name, and its parameters; `longshore presets` lists them"},
      "cache_salt": {"type": "string", "description": "shares cached prefixes with requests of the same salt only"}}},
    "ChatRequest": {"allOf": [{"$ref": "#/components/schemas/Generation"}, {"type": "object", "required": ["messages"], "properties": {
      "messages": {"type": "array", "minItems": 1, "maxItems": 4096, "items": {"type": "object", "required": ["role", "content"], "properties": {
        "role": {"type": "string"},
        "content": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "object", "required": ["type", "text"], "properties": {"type": {"const": "text"}, "text": {"type": "string"}}}}]}}}},
      "logprobs": {"type": "boolean", "default": false},
      "top_logprobs": {"type": "integer", "minimum": 0, "maximum": 20}}}]},
    "CompletionRequest": {"allOf": [{"$ref": "#/components/schemas/Generation"}, {"type": "object", "required": ["prompt"], "properties": {
      "prompt": {"description": "a text, token ids, or an array of either"},
      "echo": {"type": "boolean", "default": false, "description": "give the prompt back, with logprobs also those of its tokens"},
      "logprobs": {"type": "integer", "minimum": 0, "maximum": 20},
      "add_special_tokens": {"type": "boolean", "default": true}}}]}
  }
}
})json";

}  // namespace longshore::gateway
