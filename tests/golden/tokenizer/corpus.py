"""The difficult strings, as bytes: written ones, and random ones from a fixed seed."""

import random
import re

WORDS = [
    "", " ", "a", "\n", "\t", "\0", "Hello", " Hello", "Hello ", "Hello world", "hello, world!", "HELLO WORLD",
    "The quick brown fox jumps over the lazy dog.", "  leading", "trailing  ", " \t mixed \t ", "a  b   c    d",
    "Hello\nworld", "Hello\n\nworld", "Hello\r\nworld\r\n", "\r\n\r\n", "\r\r\n\n", "\n\r", "a\rb", "\n \n", " \n ",
    " \n\n ", "\n\n\n\n\n", "\t\t\tx", "x\t\t\t", "\v\f", "a\vb\fc", "line one  \nline two\t\n\n  line three",
    "a" * 300, "ab" * 200, " " * 3, " " * 17, " " * 100, "\n" * 7, "\n" * 33, "\n" * 70, "\t" * 20, "-" * 77, "=" * 130,
    "." * 65, "_" * 40, "#" * 33, "*" * 50, "!?" * 20, "antidisestablishmentarianism" * 5, "Donaudampfschifffahrt" * 6,
    "0", "7", "12", "123", "1234", "12345", "123456789", "0123456789" * 8, "3.14159", "1,234,567.89", "-42", "+7e-10",
    "0x1F", "1e10", "0b1011", "v1.2.3", "2024-02-29T12:34:56Z", "192.168.0.1", "50%", "$19.99", "€20", "№5", "½ cup",
    "x²+y³", "Ⅻ", "①②③", "١٢٣", "१२३", "１２３", "𝟘𝟙𝟚", "a1b2c3", "1st 2nd 3rd", "10 000 000",
]
CONTRACTIONS = [
    "I'm", "you're", "they've", "it's", "don't", "we'll", "he'd", "I'M", "YOU'RE", "THEY'VE", "IT'S", "DON'T", "WE'LL",
    "HE'D", "i'M", "You'Re", "’s", "it’s", "don’t", "I’m", "'", "''", "'s", "'S", "'t", "'re", "'RE", "'rE", "'ll", "'lL",
    "'x", "' s", " 's", "a 's b", "rock'n'roll", "o'clock", "'tis", "'twas", "l'été", "d'accord", "aujourd'hui", "'ſ",
    "dogs' tails", "\"quoted\"", "“typographic”", "‘single’", "«guillemets»", "it`s", "it´s", "5'10\"",
]
LANGUAGES = [
    "é", "e\u0301", "naïve café", "nai\u0308ve cafe\u0301", "Ångström", "A\u030angstro\u0308m", "Zażółć gęślą jaźń",
    "Příliš žluťoučký kůň úpěl ďábelské ódy", "Falsches Üben von Xylophonmusik quält jeden größeren Zwerg", "ẞß",
    "Z\u0335\u0321\u0322a\u0334\u0318l\u0336\u0349g\u0338\u033co\u0335", "Tiếng Việt có dấu", "Việt Nam",
    "İstanbul ılık", "ﬁ ﬂ ﬃ", "Ĳsselmeer", "Съешь же ещё этих мягких французских булок, да выпей чаю", "Їжак",
    "Ξεσκεπάζω την ψυχοφθόρα βδελυγμία", "ἄνθρωπος", "שלום עולם", "שָׁלוֹם", "مرحبا بالعالم", "السَّلَامُ عَلَيْكُمْ", "ﷺ", "پژوهش",
    "हिन्दी में लिखा", "नमस्ते दुनिया", "বাংলা ভাষা", "தமிழ் மொழி", "తెలుగు", "ಕನ್ನಡ", "മലയാളം", "ગુજરાતી", "ਪੰਜਾਬੀ",
    "สวัสดีชาวโลก", "ภาษาไทยไม่มีช่องว่าง", "ພາສາລາວ", "မြန်မာဘာသာ", "ភាសាខ្មែរ", "བོད་སྐད་", "ქართული ენა", "Հայերեն", "አማርኛ",
    "你好，世界！", "汉字漢字", "中文和English混排123", "日本語のテキスト", "カタカナ ひらがな 漢字", "ｶﾀｶﾅ", "こんにちは、世界。",
    "안녕하세요 세계", "한글", "ㄱㄴㄷ", "\u1112\u1161\u11ab", "𠮷野家", "龍龘", "㐀㐁", "𪚥", "𰻝𰻝麺", "ᠮᠣᠩᠭᠣᠯ\u180eᠤ", "ꙮ", "𐍈", "𓀀𓁐", "𒀀𒁀",
    "Latin Кириллица Ελληνικά 中文 العربية עברית ไทย 🌍", "пpивeт (mixed Latin and Cyrillic)", "Ａｂｃ", "𝓗𝓮𝓵𝓵𝓸", "ʰəˈloʊ",
]
SYMBOLS = [
    "😀", "😀😃😄", "👍🏽", "👩‍👩‍👧‍👦", "👨🏿‍💻", "🏳️‍🌈", "🇩🇪🇯🇵", "❤️", "❤", "1️⃣", "#️⃣", "☕️ time", "hi😀there", " 😀 ", "🫠🫡", "🧑‍🚀🚀",
    "→←↑↓", "∀x∈ℝ: ⌈x⌉ = −⌊−x⌋", "∑∫√∞≠≤≥", "½¼¾", "™®©", "†‡§¶", "…", "—–-", "‐‑‒–—―", "•◦▪", "█▓▒░", "┌─┐│└┘", "♠♥♦♣", "♪♫",
    "\u200b", "a\u200bb", "\u200d", "\ufeffBOM", "\u00a0", "a\u00a0b", "\u2003em", "\u3000ideographic", "\u2028\u2029",
    "\u0085next", "\u202eright to left\u202c", "\u2060", "soft\u00adhyphen", "\ufffd", "\ufffc", "\uf8ff", "\U000f0000",
    "\U0010ffff", "\U000e0041", "\u0001\u0002\u001b[31mred\u001b[0m", "\x7f", "\u0080",
    "\U00031350\U0002ebf0", "\U0001e030", "\U0001f7d9", "\u2ffc", "\u0378", "▁", "▁▁", "▁a▁b", "a▁b", "Ġ", "Ċ", "Ġhello", "ĠĊ",
    "<0x0A>", "<0x41>", "[UNK]", "[PAD151665]",
]
CODE = [
    "def f(x):\n    return x * 2\n", "class A:\n\tdef __init__(self, *, a=1):\n\t\tself.a = a\n\n\n",
    "#include <vector>\nint main() { std::vector<int> v{1, 2}; return v[0]; }\n", "for (int i = 0; i < n; ++i) { a[i] += b[i]; }",
    "const f = async (x) => { await g(`${x}\\n`); };", "fn main() -> Result<(), Box<dyn Error>> { Ok(()) }",
    "SELECT * FROM t WHERE a >= 10 AND b LIKE '%x%';", "<html><body class=\"x\">&amp;</body></html>", "<table><tr><td></td></tr></table>",
    "{\"key\": [1, 2.5, null, true], \"s\": \"\\u00e9\"}", "if [ -z \"$X\" ]; then echo 'no'; fi", "a && b || !c", "x = y ? z : w;",
    "https://example.com/a/b?c=d&e=%20f#g", "user@example.com", "C:\\Users\\x\\file.txt", "/usr/local/bin", "snake_case_name",
    "camelCaseName", "PascalCaseName", "SCREAMING_CASE", "kebab-case-name", "$$\\int_0^1 x^2 dx$$", "\\begin{align} a &= b \\\\ \\end{align}",
    "```python\nprint('hi')\n```", "| a | b |\n|---|---|\n| 1 | 2 |\n", "- [x] done\n- [ ] open\n", "# Title\n\n## Sub\n", "a\\nb", "\\", "\\\\\\",
    "((((()))))", "[[{{<>}}]]", "a.b.c.d()", "->*::<=>", "!=-=+=*=/=", "0xDEADBEEF", "__init__", "@decorator", "%d%s%%\n",
    "        eight", "    four\n        eight\n            twelve", "\tif x:\n\t\ty\n", "x;\n}\n\n\n}\n", "// comment\n/* c */\n",
]
MARKERS = [
    "<|im_start|>", "<|im_end|>", "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n", "<|endoftext|>", "<|endoftext|><|endoftext|>",
    "a<|im_end|>b", " <|im_end|> ", "<|im_end|", "|im_end|>", "<|im_end|>>", "<<|im_end|>", "<|im_<|im_end|>end|>", "<|IM_END|>",
    "<|fim_prefix|>a<|fim_suffix|>b<|fim_middle|>", "<|repo_name|>x<|file_sep|>y", "<repo_name>x<reponame>y<file_sep>", "<gh_stars>0",
    "<tool_call>\n{}\n</tool_call>", "<|object_ref_start|>", "<|vision_pad|>", "<bos>", "<eos>", "<pad>", "<unk>", "<mask>", "<s>", "</s>", "a</s>b",
    "<bos>Hello<eos>", "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model\n", "<end_of_turn>", "<unused0>", "<unused99>", "<unused1>0",
    "[multimodal]", "[INST] x [/INST]", "<<SYS>>", "<|begin_of_text|>", "<|eot_id|>", "<start_of_image>", "<h1>x</h1>", "<strong>b</strong>",
    "<jupyter_start>", "<empty_output>", "<|image_pad|>\n\n<|video_pad|>", "<b>bold</b><i>i</i><br>", "<code>\n\n\n</code>",
]
INVALID = [
    b"\xff", b"\xfe\xff", b"\x80", b"\xbf\xbf", b"\xc3", b"\xc3(", b"\xe2\x82", b"\xe2\x82(", b"\xf0\x9f\x98", b"\xf0\x9f", b"\xf0",
    b"a\xffb", b"caf\xe9 au lait", b"\xc0\x80", b"\xc0\xaf", b"\xe0\x80\x80", b"\xed\xa0\x80", b"\xed\xa0\x80\xed\xb0\x80", b"x\xed\xbf\xbfy z",
    b"\xf8\x88\x80\x80\x80", b"\xfc\x84\x80\x80\x80\x80", b"ok\xf0\x28\x8c\x28ok", b"\xe4\xb8\xad\xe6\x96", b"\x00", b"a\x00b", b"\x00\x00\x00",
    b"text\x00\n\x00 more", b"\xe2\x96", b"\xe2 \x96\x81", b"\xc4\xa0hello", b"\xef\xbf\xbe\xef\xbf\xbf", b" \xff \xff\n", b"\xf4\x8f\xbf\xbf",
    bytes(range(0x80, 0xc0)), bytes(range(0xc0, 0xf4)), b"\xe9" * 9, b"\xf0\x9f\x91\xa9\xe2\x80",
]

# What llama.cpp ends the process over: a character above U+10FFFF.
_BEYOND = re.compile(rb"\xf4[\x90-\xbf][\x80-\xbf]{2}|[\xf5-\xf7][\x80-\xbf]{3}")


def _random_strings(count):
    random_ = random.Random(20240229)
    pools = [
        lambda: chr(random_.randint(32, 126)),
        lambda: random_.choice(" \n\r\t\u00a0'sStTdDmMlLvVrReE1 9"),
        lambda: random_.choice("aAzZéß中文日本ไทยعر한😀👍🏽\u200d\u0301 \n.,'1٣"),
        lambda: chr(random_.choice([random_.randint(0xA0, 0x2FF), random_.randint(0x300, 0x5FF), random_.randint(0x900, 0x1FFF)])),
        lambda: chr(random_.choice([random_.randint(0x2000, 0x2FFF), random_.randint(0x3000, 0x9FFF), random_.randint(0x10000, 0x32FFF)])),
        lambda: random_.choice(["the", "ing", "tion", " of", " and", "\n\n", "  ", "'s", "2024", "foo_bar", "==", "();"]),
        lambda: random_.choice(["<|im_start|>", "<|im_end|>", "<bos>", "</s>", "<tool_call>", "<", "|", ">", "a", "\n", " "]),
    ]
    for i in range(count):
        pool = pools[i % (len(pools) + 1)] if i % (len(pools) + 1) < len(pools) else None
        length = random_.randint(1, 60)
        if pool is None:
            text = bytes(random_.choice([random_.randint(0, 255), random_.randint(0x80, 0xBF), 0x20]) for _ in range(length))
        else:
            text = "".join(pool() for _ in range(length)).encode("utf-8", "surrogatepass")
        yield text


def corpus():
    texts = [t.encode("utf-8") for t in WORDS + CONTRACTIONS + LANGUAGES + SYMBOLS + CODE + MARKERS] + INVALID
    texts += _random_strings(160)
    unique = list(dict.fromkeys(texts))
    return [t for t in unique if not _BEYOND.search(t)]
