#!/usr/bin/env python3
"""The rules of rules.py against the real tree, and against made-up files that break them."""
import os
import re
import subprocess
import unittest
from pathlib import Path

import rules

ROOT = Path(__file__).resolve().parents[2]


def tracked_files():
    """Paths from the root of all files that git tracks or would add; the tree itself where there is no git."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "--cached", "--others", "--exclude-standard"],
                            capture_output=True, text=True)
    if listed.returncode == 0:
        paths = listed.stdout.splitlines()
    else:
        paths = [str(file.relative_to(ROOT)) for file in ROOT.rglob("*") if file.is_file()]
    return sorted(path for path in paths if (ROOT / path).is_file() and not path.startswith(("build/", ".git/")))


def sources():
    return [path for path in tracked_files() if path.endswith(rules.SOURCE_SUFFIXES)]


class TreeTest(unittest.TestCase):
    def test_folders_and_libraries_are_included_only_where_they_may_be(self):
        self.assertGreater(len(sources()), 50)
        texts = {path: (ROOT / path).read_text() for path in sources()}
        shared = {target for path, text in texts.items() if not path.startswith("tests/")
                  for target in rules.includes(text)[0] if Path(target).parent != Path(path).parent}
        wrong = [line for path, text in texts.items() for line in rules.violations(path, text, path in shared)]
        self.assertEqual(wrong, [], "\n" + "\n".join(wrong))

    def test_every_include_of_ours_exists(self):
        missing = [f"{path}: {target}" for path in sources() for target in rules.includes((ROOT / path).read_text())[0]
                   if not (ROOT / target).is_file()]
        self.assertEqual(missing, [])

    def test_no_file_is_named_after_nothing(self):
        wrong = [path for path in tracked_files() if rules.FORBIDDEN_NAMES.search(Path(path).name)]
        self.assertEqual(wrong, [])

    def test_headers_are_guarded_by_pragma_once(self):
        headers = [path for path in sources() if path.endswith(".h") and not path.endswith("_inl.h")]
        self.assertEqual([path for path in headers if "#pragma once" not in (ROOT / path).read_text()], [])

    def test_no_file_is_larger_than_512_kB(self):
        self.assertEqual([path for path in tracked_files() if (ROOT / path).stat().st_size > 512_000], [])

    def test_programs_can_be_started(self):
        for path in rules.EXECUTABLES:
            self.assertTrue(os.access(ROOT / path, os.X_OK), f"{path} is not executable")

    def test_scripts_with_a_first_line_can_be_started(self):
        wrong = [path for path in tracked_files()
                 if (ROOT / path).read_bytes()[:2] == b"#!" and not os.access(ROOT / path, os.X_OK)]
        self.assertEqual(wrong, [])

    def test_contraction_stays_off_for_all_our_code(self):
        self.assertIn("-ffp-contract=off", (ROOT / "cmake" / "warnings.cmake").read_text())
        for path in tracked_files():
            if path.endswith((".cmake", "CMakeLists.txt", "CMakePresets.json")):
                self.assertNotRegex((ROOT / path).read_text(), r"-ffast-math|-Ofast|-ffp-contract=(fast|on)", path)


class FolderTableTest(unittest.TestCase):
    """docs/architecture.md has one row for each folder with files of ours, and none for others."""

    def test_table_equals_the_tree(self):
        text = (ROOT / "docs" / "architecture.md").read_text()
        table = set(re.findall(r"^\| `([a-z_./-]+)/` \|", text, re.MULTILINE))
        self.assertEqual(sorted(table), sorted(self.folders()))

    def folders(self):
        """runtime/, workers/ and so on by their sub-folders down to the second floor; the others as they are."""
        found = set()
        for path in tracked_files():
            parts = Path(path).parts[:-1]
            if not parts or parts[0].startswith(".") or Path(path).name == "CMakeLists.txt":
                continue
            deep = parts[0] in ("runtime", "transport", "scheduler", "workers", "cli", "tests", "deploy")
            found.add("/".join(parts[:2] if deep else parts[:1]))
        return found


class RulesTest(unittest.TestCase):
    """The rules bite."""

    def wrong(self, path, text):
        return len(rules.violations(path, text))

    def test_lower_floors_do_not_see_higher_ones(self):
        self.assertEqual(self.wrong("runtime/base/a.h", '#include "runtime/plan/leaf.h"'), 1)
        self.assertEqual(self.wrong("runtime/model/a.cc", '#include "transport/transport.h"'), 1)
        self.assertEqual(self.wrong("transport/ucx/a.cc", '#include "runtime/kv/kv_store.h"'), 1)
        self.assertEqual(self.wrong("runtime/model/a.cc", '#include "runtime/attention/attend.h"'), 1)

    def test_scheduler_and_workers_do_not_see_each_other(self):
        self.assertEqual(self.wrong("scheduler/service/a.cc", '#include "workers/compute/tail.h"'), 1)
        self.assertEqual(self.wrong("workers/compute/a.cc", '#  include "scheduler/batching/batcher.h"'), 1)
        self.assertEqual(self.wrong("cli/serve.cc", '#include "scheduler/batching/batcher.h"\n'
                                    '#include "workers/compute/tail.h"'), 0)

    def test_the_pure_half_of_the_scheduler_knows_no_transport(self):
        self.assertEqual(self.wrong("scheduler/batching/a.h", '#include "transport/message.h"'), 1)
        self.assertEqual(self.wrong("scheduler/batching/a.h", "#include <boost/asio/post.hpp>"), 1)
        self.assertEqual(self.wrong("scheduler/service/a.h", '#include "transport/message.h"'), 0)

    def test_libraries_have_one_home(self):
        self.assertEqual(self.wrong("workers/compute/a.cc", "#include <ucp/api/ucp.h>"), 1)
        self.assertEqual(self.wrong("transport/ucx/a.cc", "#include <ucp/api/ucp.h>"), 0)
        self.assertEqual(self.wrong("transport/http/a.h", "#include <boost/json.hpp>"), 1)
        self.assertEqual(rules.violations("transport/http/a.h", "#include <boost/json.hpp>", is_shared=False), [])
        self.assertEqual(self.wrong("transport/http/a.cc", "#include <boost/json.hpp>"), 0)
        self.assertEqual(self.wrong("runtime/base/clock.cc", "#include <prometheus/gauge.h>"), 1)
        self.assertEqual(self.wrong("runtime/base/metrics.cc", "#include <prometheus/gauge.h>"), 0)

    def test_a_folder_without_rule_and_a_relative_include_are_noticed(self):
        self.assertEqual(self.wrong("elsewhere/a.h", ""), 1)
        self.assertEqual(self.wrong("runtime/base/a.cc", '#include "check.h"'), 1)

    def test_empty_names_are_noticed(self):
        for name in ("util.h", "utils.cc", "string_util.h", "common.h", "test_helpers.py", "kv_manager.h"):
            self.assertTrue(rules.FORBIDDEN_NAMES.search(name), name)
        for name in ("utilisation.h", "commonwealth.h", "manage.cc"):
            self.assertFalse(rules.FORBIDDEN_NAMES.search(name), name)


if __name__ == "__main__":
    unittest.main()
