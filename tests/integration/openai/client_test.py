"""The OpenAI-compatible API, as the official client and as hostile sockets see it.

Usage: client_test.py PATH_OF_openai_test_server
"""
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import unittest
import urllib.error
import urllib.request

try:
    import openai
except ImportError:
    sys.exit("this test needs the official client: python3 -m pip install openai")

SERVER = sys.argv.pop() if len(sys.argv) > 1 else sys.exit(__doc__)
# What has not happened by then never will; no claim about speed.
HANG_SECONDS = 240 * int(os.environ.get("LONGSHORE_TEST_PATIENCE", "1"))
USER = lambda text: [{"role": "user", "content": text}]


class ServerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.process = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        cls.port = int(cls.process.stdout.readline().split()[1])
        cls.client = openai.OpenAI(base_url=f"http://127.0.0.1:{cls.port}/v1", api_key="none", max_retries=0, timeout=HANG_SECONDS)

    @classmethod
    def tearDownClass(cls):
        cls.process.stdin.close()
        status = cls.process.wait(timeout=HANG_SECONDS)
        cls.process.stdout.close()
        cls.client.close()
        assert status == 0, f"the server ended with {status}"

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=HANG_SECONDS) as reply:
            return reply.read().decode()

    def post(self, path, body, headers={}):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, headers)
        try:
            with urllib.request.urlopen(request, timeout=HANG_SECONDS) as reply:
                return reply.status, reply.headers, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def wait_until(self, holds, what, seconds=HANG_SECONDS):
        end = time.monotonic() + seconds
        while not holds():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def wait_until_nothing_runs(self):
        self.wait_until(lambda: json.loads(self.get("/load"))["running"] == 0, "a sequence still runs")


class ClientTest(ServerTest):
    def test_models(self):
        self.assertEqual([model.id for model in self.client.models.list()], ["tiny"])
        self.assertEqual(self.client.models.retrieve("tiny").id, "tiny")

    def test_chat(self):
        reply = self.client.chat.completions.create(model="tiny", messages=USER("hi"))
        self.assertEqual(reply.object, "chat.completion")
        self.assertEqual(reply.choices[0].message.role, "assistant")
        self.assertEqual(reply.choices[0].message.content, "Hello, world!")
        self.assertEqual(reply.choices[0].finish_reason, "stop")
        self.assertEqual(reply.usage.prompt_tokens, len("user:hi\n") + 1)
        self.assertEqual(reply.usage.completion_tokens, 14)
        self.assertEqual(reply.usage.total_tokens, 23)
        self.assertEqual(reply.usage.prompt_tokens_details.cached_tokens, 0)
        self.assertRegex(reply.system_fingerprint, "^longshore-n0-feedfacefeed$")
        self.assertIsInstance(reply.seed, int)

    def test_chat_stream(self):
        chunks = list(self.client.chat.completions.create(
            model="tiny", messages=USER("say:héé 漢;"), stream=True, stream_options={"include_usage": True}, seed=9))
        self.assertEqual(chunks[0].choices[0].delta.role, "assistant")
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks if c.choices), "héé 漢")
        self.assertEqual([c.choices[0].finish_reason for c in chunks[:-1]], [None] * (len(chunks) - 2) + ["stop"])
        self.assertEqual(chunks[-1].choices, [])
        self.assertEqual(chunks[-1].usage.completion_tokens, 10)
        self.assertTrue(all(c.usage is None for c in chunks[:-1]))
        self.assertEqual({c.seed for c in chunks}, {9})
        self.assertEqual(len({c.id for c in chunks}), 1)

    def test_async_streams_at_the_same_time(self):
        texts = {}

        def read(i):
            stream = self.client.chat.completions.create(model="tiny", messages=USER(f"slow say:answer {i};"), stream=True)
            texts[i] = "".join(c.choices[0].delta.content or "" for c in stream)

        threads = [threading.Thread(target=read, args=(i,)) for i in range(12)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        self.assertEqual(texts, {i: f"answer {i}" for i in range(12)})

    def test_n(self):
        reply = self.client.chat.completions.create(model="tiny", messages=USER("hi"), n=2)
        self.assertEqual([(c.index, c.message.content) for c in reply.choices], [(0, "Hello, world!"), (1, "Hello, world!")])
        self.assertEqual(reply.usage.prompt_tokens, 9)
        self.assertEqual(reply.usage.completion_tokens, 28)
        texts = {0: "", 1: ""}
        for chunk in self.client.chat.completions.create(model="tiny", messages=USER("hi"), n=2, stream=True):
            texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
        self.assertEqual(texts, {0: "Hello, world!", 1: "Hello, world!"})

    def test_length_and_stop(self):
        choice = self.client.chat.completions.create(model="tiny", messages=USER("hi"), max_completion_tokens=3).choices[0]
        self.assertEqual((choice.message.content, choice.finish_reason), ("Hel", "length"))
        choice = self.client.chat.completions.create(model="tiny", messages=USER("hi"), stop=["zz", ", w"]).choices[0]
        self.assertEqual((choice.message.content, choice.finish_reason), ("Hello", "stop"))
        text = "".join(c.choices[0].delta.content or ""
                       for c in self.client.chat.completions.create(model="tiny", messages=USER("forever say:;"), stop="xxxx", stream=True))
        self.assertEqual(text, "")
        self.wait_until_nothing_runs()

    def test_chat_logprobs(self):
        for stream in (False, True):
            reply = self.client.chat.completions.create(
                model="tiny", messages=USER("say:aé;"), logprobs=True, top_logprobs=2, stream=stream)
            content = []
            for part in (reply if stream else [reply]):
                content += part.choices[0].logprobs.content if part.choices[0].logprobs else []
            self.assertEqual([c.token for c in content], ["a", "\ufffd", "\ufffd", "<end>"])
            self.assertEqual([bytes(c.bytes) for c in content], [b"a", b"\xc3", b"\xa9", b"<end>"])
            self.assertEqual([t.logprob for t in content[0].top_logprobs], [-0.25, -1.25])

    def test_completion(self):
        reply = self.client.completions.create(model="tiny", prompt="say:abc;")
        self.assertEqual((reply.object, reply.choices[0].text, reply.choices[0].finish_reason), ("text_completion", "abc", "stop"))
        reply = self.client.completions.create(model="tiny", prompt=["say:a;", "say:b;"], n=2)
        self.assertEqual([(c.index, c.text) for c in reply.choices], [(0, "a"), (1, "a"), (2, "b"), (3, "b")])
        reply = self.client.completions.create(model="tiny", prompt=list(b"say:ids;"), extra_body={"return_token_ids": True})
        self.assertEqual(reply.choices[0].text, "ids")
        self.assertEqual(reply.choices[0].token_ids, [105, 100, 115, 257])
        self.assertEqual(reply.choices[0].prompt_token_ids, list(b"say:ids;"))
        reply = self.client.completions.create(model="tiny", prompt=[list(b"say:1;"), list(b"say:2;")])
        self.assertEqual([c.text for c in reply.choices], ["1", "2"])

    def test_completion_stream(self):
        chunks = list(self.client.completions.create(model="tiny", prompt="hi", stream=True, max_tokens=5))
        self.assertEqual("".join(c.choices[0].text for c in chunks), "Hello")
        self.assertEqual(chunks[-1].choices[0].finish_reason, "length")

    def test_echo_with_logprobs(self):
        reply = self.client.completions.create(model="tiny", prompt="aé", echo=True, logprobs=1, max_tokens=1)
        self.assertEqual(reply.choices[0].text, "aéH")
        logprobs = reply.choices[0].logprobs
        self.assertEqual(logprobs.tokens, ["<s>", "a", "\ufffd", "\ufffd", "H"])
        self.assertEqual(logprobs.token_logprobs, [None, -0.25, -0.25, -0.25, -0.25])
        self.assertIsNone(logprobs.top_logprobs[0])
        self.assertEqual(logprobs.top_logprobs[1], {"a": -0.25})
        self.assertEqual(logprobs.text_offset, [0, 0, 1, 2, 2])
        only = self.client.completions.create(model="tiny", prompt=[97, 98], echo=True, logprobs=0, max_tokens=0,
                                              extra_body={"return_tokens_as_token_ids": True}).choices[0]
        self.assertEqual((only.text, only.logprobs.tokens, only.finish_reason), ("ab", ["token_id:97", "token_id:98"], "length"))

    def test_tokenize(self):
        self.assertEqual(json.loads(self.post("/tokenize", {"content": "aé"})[2])["tokens"], [97, 0xC3, 0xA9])
        self.assertEqual(json.loads(self.post("/detokenize", {"tokens": [97, 0xC3, 0xA9]})[2])["content"], "aé")


class ErrorTest(ServerTest):
    def test_bad_fields_name_themselves(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.chat.completions.create(model="tiny", messages=USER("hi"), temperature=-1)
        self.assertEqual((caught.exception.param, caught.exception.code), ("temperature", "invalid_argument"))
        self.assertIn("[0, 100]", str(caught.exception))
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.chat.completions.create(model="tiny", messages=USER("hi"),
                                                tools=[{"type": "function", "function": {"name": "f"}}])
        self.assertEqual(caught.exception.param, "tools")

    def test_unknown_model_and_path(self):
        with self.assertRaises(openai.NotFoundError):
            self.client.chat.completions.create(model="gpt-9", messages=USER("hi"))
        self.assertEqual(self.post("/v1/embeddings", {})[0], 404)
        self.assertEqual(self.post("/v1/models", {})[0], 405)

    def test_a_full_queue(self):
        for stream in (False, True):
            with self.assertRaises(openai.RateLimitError) as caught:
                self.client.chat.completions.create(model="tiny", messages=USER("full"), stream=stream)
            self.assertEqual(caught.exception.response.headers["retry-after"], "1")

    def test_context_length(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            self.client.completions.create(model="tiny", prompt="a" * (1 << 20))
        self.assertEqual(caught.exception.code, "context_length_exceeded")

    def test_failure_before_the_first_token(self):
        for stream in (False, True):
            with self.assertRaises(openai.InternalServerError) as caught:
                self.client.chat.completions.create(model="tiny", messages=USER("fail-early"), stream=stream)
            self.assertIn("attention-1", str(caught.exception))

    def test_failure_in_mid_stream(self):
        stream = self.client.chat.completions.create(model="tiny", messages=USER("fail-late"), stream=True)
        text = ""
        with self.assertRaises(openai.APIError) as caught:
            for chunk in stream:
                text += chunk.choices[0].delta.content or ""
        self.assertEqual(text, "He")
        self.assertIn("attention-1", str(caught.exception))
        _, _, body = self.post("/v1/chat/completions", {"messages": USER("fail-late"), "stream": True})
        self.assertTrue(body.endswith("}}\n\ndata: [DONE]\n\n"), body)

    def test_request_id(self):
        self.assertEqual(self.post("/tokenize", {"content": "a"}, {"x-request-id": "mine-7"})[1]["x-request-id"], "mine-7")
        self.assertTrue(self.post("/tokenize", {"content": "a"})[1]["x-request-id"])


class LeavingTest(ServerTest):
    def leaves(self, body):
        before = int(self.get("/test/cancelled"))
        data = json.dumps(body).encode()
        with socket.create_connection(("127.0.0.1", self.port)) as client:
            client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            if body.get("stream"):
                client.recv(100)
            else:
                self.wait_until(lambda: json.loads(self.get("/load"))["running"] > 0, "nothing started")
        self.wait_until(lambda: int(self.get("/test/cancelled")) > before, "a client that left was not noticed")
        self.wait_until_nothing_runs()

    def test_leaving_cancels(self):
        self.leaves({"messages": USER("forever slow"), "stream": True})
        self.leaves({"messages": USER("forever slow"), "n": 3})

    def test_the_client_closes_its_stream(self):
        with self.client.chat.completions.create(model="tiny", messages=USER("forever slow"), stream=True) as stream:
            next(iter(stream))
        self.wait_until_nothing_runs()

    def test_a_client_that_does_not_read(self):
        data = json.dumps({"messages": USER("forever"), "stream": True}).encode()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", self.port))
            client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            self.wait_until(lambda: json.loads(self.get("/load"))["running"] > 0, "nothing started")
            self.wait_until(lambda: json.loads(self.get("/load"))["running"] == 0, "a slow client is kept")

    def test_comments_fill_a_long_prefill(self):
        _, headers, body = self.post("/v1/chat/completions", {"messages": USER("prefill"), "stream": True})
        self.assertEqual(headers["content-type"], "text/event-stream; charset=utf-8")
        self.assertIn(": keep-alive\n\n", body)
        self.assertTrue(body.endswith("data: [DONE]\n\n"))

    def test_progress(self):
        chunks = list(self.client.chat.completions.create(model="tiny", messages=USER("prefill"), stream=True,
                                                          extra_body={"return_progress": True}))
        progress = [c.prompt_progress for c in chunks if getattr(c, "prompt_progress", None)]
        self.assertGreaterEqual(len(progress), 8)
        self.assertEqual(progress[-1]["processed"], progress[-1]["total"])
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in chunks), "Hello, world!")


class HostileTest(ServerTest):
    def talk(self, data, read=True):
        with socket.create_connection(("127.0.0.1", self.port), timeout=HANG_SECONDS) as client:
            try:
                client.sendall(data)
            except OSError:
                pass
            reply = b""
            while read and (piece := client.recv(65536)):
                reply += piece
            return reply.decode()

    def post_raw(self, body, path="/v1/chat/completions"):
        return self.post(path, body)

    def assert_refused(self, body, code=400):
        status, _, text = self.post_raw(body)
        self.assertEqual(status, code, text)
        self.assertTrue(json.loads(text)["error"]["message"])

    def test_bodies_that_are_no_requests(self):
        for body in (b"", b"{", b"[]", b'"x"', b"\x00" * 100, b'{"messages":', b'{"messages":[{"role":"user","content":"\xff\xfe"}]}',
                     b'{"messages":[{"role":"user","content":"\\ud800"}]}', b"[" * 100000, b'{"a":' * 50000,
                     b'{"messages":[{"role":"user","content":"hi"}],"temperature":NaN}',
                     b'{"messages":[{"role":"user","content":"hi"}],"top_p":Infinity}',
                     b'{"messages":[{"role":"user","content":"hi"}],"min_p":1e400}',
                     b'{"messages":[{"role":"user","content":"hi"}],"n":1e300}',
                     b'{"prompt":[' + b"0," * (1 << 21) + b"0]}"):
            self.assert_refused(body)

    def test_a_hundred_megabytes(self):
        reply = self.talk(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n" + b"a" * 104857600)
        self.assertTrue(reply.startswith("HTTP/1.1 413"), reply[:200])
        self.assertEqual(json.loads(reply.split("\r\n\r\n", 1)[1])["error"]["code"], "body_too_large")

    def test_a_long_head(self):
        reply = self.talk(b"GET /livez HTTP/1.1\r\nX: " + b"a" * 100000 + b"\r\n\r\n")
        self.assertTrue(reply.startswith("HTTP/1.1 431"), reply[:200])

    def test_half_a_request(self):
        self.assertTrue(self.talk(b"POST /v1/completions HT").startswith("HTTP/1.1 408"))
        self.assertTrue(self.talk(b"POST /v1/completions HTTP/1.1\r\nContent-Length: 100\r\n\r\n{").startswith("HTTP/1.1 408"))

    def test_what_is_not_http(self):
        self.assertTrue(self.talk(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 50 + b"\r\n\r\n").startswith("HTTP/1.1 400"))

    def test_too_many_connections(self):
        clients = [socket.create_connection(("127.0.0.1", self.port), timeout=HANG_SECONDS) for _ in range(64)]
        try:
            self.assertTrue(self.talk(b"").startswith("HTTP/1.1 503"))
        finally:
            [client.close() for client in clients]
        self.wait_until(lambda: self.talk(b"GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n").startswith("HTTP/1.1 200"), "no room again")


class OperationTest(ServerTest):
    def test_probes(self):
        for path in ("/health", "/livez", "/readyz"):
            self.assertEqual(json.loads(self.get(path)), {"status": "ok"})
        self.assertEqual(json.loads(self.get("/version")), {"version": "test", "numerics": "n0", "model": "tiny"})
        self.assertEqual(json.loads(self.get("/openapi.json"))["openapi"], "3.1.0")

    def test_metrics_pass_promtool(self):
        promtool = shutil.which("promtool")
        self.assertTrue(promtool, "promtool is missing: apt-get install prometheus")
        self.get("/livez")
        self.post("/tokenize", {})
        text = self.get("/metrics")
        self.assertIn('longshore_http_requests_total{', text)
        check = subprocess.run([promtool, "check", "metrics"], input=text, text=True, capture_output=True)
        self.assertEqual(check.returncode, 0, check.stdout + check.stderr)


class DrainTest(ServerTest):
    def test_drain(self):
        stream = self.client.chat.completions.create(model="tiny", messages=USER("prefill"), stream=True)
        self.process.stdin.write("drain\n")
        self.process.stdin.flush()
        self.wait_until(lambda: self.post("/v1/chat/completions", {"messages": USER("hi")})[0] == 503, "it does not drain")
        self.assertEqual("".join(c.choices[0].delta.content or "" for c in stream), "Hello, world!")

    def test_stop_in_mid_stream_says_so(self):
        process = subprocess.Popen([SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = int(process.stdout.readline().split()[1])
        data = json.dumps({"messages": USER("forever slow"), "stream": True}).encode()
        with socket.create_connection(("127.0.0.1", port), timeout=HANG_SECONDS) as client:
            client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data) + data)
            client.recv(100)
            process.stdin.close()
            body = b""
            while piece := client.recv(65536):
                body += piece
        self.assertEqual(process.wait(timeout=HANG_SECONDS), 0)
        process.stdout.close()
        self.assertIn(b'"error":{"message":"the server stops', body)
        self.assertIn(b"data: [DONE]\n\n", body)


if __name__ == "__main__":
    unittest.main(verbosity=1)
