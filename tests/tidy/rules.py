"""The rules of the tree: which folder may include which, and where each library's headers may appear.

docs/architecture.md gives the reasons. A rule that has to change is changed here, in a commit that says why.
"""
import re

SOURCE_SUFFIXES = (".h", ".cc", ".cu", ".cuh")
TOP_FOLDERS = ("runtime", "transport", "scheduler", "workers", "client", "cli")

# Folder -> what its files may include, both as path prefixes; the longest matching folder decides. A folder may always
# include itself and what lies below it. `cli` and `tests` see everything of ours.
_KERNELS = ("runtime/base", "runtime/tensor")
_COMPUTE = ("runtime/base", "runtime/plan", "runtime/blocks", "runtime/text", "runtime/tensor", "runtime/kernels")
_TRANSPORT = ("runtime/base", "runtime/plan", "transport")
_PURE = ("runtime/base", "runtime/plan", "runtime/blocks")
MAY_INCLUDE = {
    "runtime/base": (),
    "runtime/plan": ("runtime/base",),
    "runtime/blocks": ("runtime/base", "runtime/plan"),
    "runtime/text": ("runtime/base",),
    "runtime/tensor": ("runtime/base",),
    "runtime/kernels": _KERNELS,
    "runtime/model": _COMPUTE,
    "runtime/sampling": _COMPUTE,
    "runtime/kv": _COMPUTE,
    "runtime/retrieval": _COMPUTE + ("runtime/kv",),
    "runtime/attention": _COMPUTE + ("runtime/kv", "runtime/retrieval"),
    "transport": _TRANSPORT,
    "scheduler/batching": _PURE + ("scheduler/placement", "scheduler/cluster"),
    "scheduler/placement": _PURE + ("scheduler/batching", "scheduler/cluster"),
    "scheduler/cluster": _PURE + ("scheduler/batching", "scheduler/placement"),
    "scheduler": _PURE + ("runtime/text", "transport", "scheduler"),
    "workers": ("runtime", "transport", "workers"),
    "client": (),
    "cli": TOP_FOLDERS,
    "tests": TOP_FOLDERS + ("tests",),
}

# Library -> (pattern of its headers, path prefixes where they may appear, suffixes of the files). A header that no other
# folder includes counts as a source file. Tests may use any library.
_ANY = SOURCE_SUFFIXES
_JSON_HOMES = ("runtime/model", "runtime/text", "runtime/retrieval", "transport/http", "scheduler/gateway",
               "workers/agent", "client", "cli")
HOMES = {
    "UCX": (r"uc[pst]/", ("transport/ucx",), _ANY),
    "CUDA": (r"cuda|cublas|cub/|thrust/", ("runtime/kernels/cuda", "runtime/tensor", "transport/nccl"), _ANY),
    "NCCL": (r"nccl", ("transport/nccl",), _ANY),
    "Boost.Beast": (r"boost/beast", ("transport/http", "client"), _ANY),
    "Boost.Asio": (r"boost/asio", ("transport/async", "transport/http", "scheduler/service", "scheduler/gateway",
                                   "workers", "client", "cli"), _ANY),
    "Boost.JSON": (r"boost/json", _JSON_HOMES, (".cc",)),
    "toml++": (r"toml\+\+/", _JSON_HOMES, (".cc",)),
    "Boost.System": (r"boost/system/result", ("runtime/base/result.h",), _ANY),
    "prometheus-cpp": (r"prometheus/", ("runtime/base/metrics.",), _ANY),
    "spdlog": (r"spdlog/", ("runtime/base/log.",), _ANY),
    "CLI11": (r"CLI/", ("cli",), _ANY),
    "PCRE2": (r"pcre2", ("runtime/text",), (".cc",)),
    "SentencePiece": (r"sentencepiece", ("runtime/text",), (".cc",)),
    "OpenSSL": (r"openssl/", ("runtime/base", "transport/http", "client"), _ANY),
    "libnuma": (r"numa", ("runtime/base", "workers"), (".cc",)),
    "vector intrinsics": (r"(imm|x86|arm_neon|cpuid)\w*\.h",
                          ("runtime/kernels", "runtime/attention/cpu", "runtime/base", "runtime/kv", "workers/probe"),
                          _ANY),
    "test libraries": (r"(gtest|gmock|benchmark)/", (), _ANY),
}

FORBIDDEN_NAMES = re.compile(r"^(utils?|common|helpers?|misc|manager)([._]|$)|_(utils?|helpers?|manager)\.")

# Programs that are started by their path.
EXECUTABLES = (".ci/run", "tests/run", "deploy/quickstart", "deploy/install-packages", "deploy/models/fetch")

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)', re.MULTILINE)


def includes(text):
    """(of ours, of others): what a source text includes with quotes, and with angle brackets."""
    found = _INCLUDE.findall(text)
    return [ours for ours, _ in found if ours], [others for _, others in found if others]


def _lies_in(path, prefixes):
    """Whether `path` is one of the prefixes, lies below it, or, for one ending in '.', begins with it."""
    return any(path == prefix or path.startswith(prefix if prefix.endswith(".") else prefix + "/")
               for prefix in prefixes)


def _rule_of(path):
    folders = [folder for folder in MAY_INCLUDE if _lies_in(path, (folder,))]
    return max(folders, key=len, default=None)


def violations(path, text, is_shared=True):
    """What is wrong with the includes of one source file, as sentences; is_shared: other folders include it."""
    ours, others = includes(text)
    folder = _rule_of(path)
    if folder is None:
        return [f"{path}: its folder has no rule in tests/tidy/rules.py"]
    out = []
    for target in ours:
        if _rule_of(target) is None:
            out.append(f'{path}: includes "{target}", which is no path from the repository root')
        elif not _lies_in(target, MAY_INCLUDE[folder] + (folder,)):
            out.append(f'{path}: {folder} may not include "{target}"')
    if folder == "tests":
        return out
    for target in others:
        for library, (pattern, homes, suffixes) in HOMES.items():
            fits = path.endswith(suffixes) or not is_shared
            if re.match(pattern, target) and not (_lies_in(path, homes) and fits):
                out.append(f"{path}: <{target}> of {library} may only appear in {', '.join(homes) or 'tests'}"
                           f" ({' '.join(suffixes)})")
    return out
