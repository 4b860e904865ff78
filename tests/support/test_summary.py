#!/usr/bin/env python3
"""Prints what CTest's JUnit file says: failures in full, figures of golden and bench tests, skips with their reason.

  test_summary.py FILE      exit code 1 when a test failed or none ran
"""
import sys
import xml.etree.ElementTree

OUTPUT_LINES = 60  # of a failing test; the whole is in test-output.log beside FILE
SLOWEST = 5
# Tests whose output is a result worth reading when they pass.
REPORTED = ("golden.logits.",)


def output_of(case):
    return (case.findtext("system-out") or "").strip().splitlines()


def main():
    cases = xml.etree.ElementTree.parse(sys.argv[1]).getroot().findall("testcase")
    passed = [case for case in cases if case.get("status") == "run"]
    failed = [case for case in cases if case.get("status") == "fail"]
    skipped = [case for case in cases if case not in passed and case not in failed]
    for case in passed:
        if case.get("name").startswith(REPORTED):
            print("\n".join(output_of(case)))
    for case in skipped:
        reason = output_of(case) or [case.find("skipped").get("message") if case.find("skipped") is not None else ""]
        print(f"SKIPPED {case.get('name')}: {reason[-1]}")
    for case in failed:
        print(f"\nFAILED {case.get('name')} after {float(case.get('time')):.1f} s")
        print("\n".join("  " + line for line in output_of(case)[-OUTPUT_LINES:]))
    slowest = sorted(cases, key=lambda case: -float(case.get("time")))[:SLOWEST]
    print("slowest: " + ", ".join(f"{case.get('name')} {float(case.get('time')):.1f} s" for case in slowest))
    print(f"{len(passed)} passed, {len(failed)} failed, {len(skipped)} skipped")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
