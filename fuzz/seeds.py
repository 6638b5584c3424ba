#!/usr/bin/env python3
"""Writes the seeds in fuzz/corpus: a few real inputs of each target, drawn from the labelled logs, the examples and the tables of tests.

Inputs that a fuzzer found are beside them under names of their own, and are left alone.
"""
import json
import pathlib
import struct

ROOT = pathlib.Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"
LONGEST = 1_500


def keep(target, name, data):
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"seed-{name}").write_bytes(data.encode() if isinstance(data, str) else data)


def records(name):
    return [json.loads(line) for line in (ROOT / "tests" / "corpus" / f"{name}.jsonl").read_text("utf-8").split("\n") if line]


def logs():
    """One short record of each client, and some look-alikes, behind sizes of reads."""
    seen, number = set(), 0
    for record in records("clients") + records("lookalikes")[::4]:
        text = "\n".join(record["lines"]) + "\n"
        kind = record.get("client") or record["id"]
        if kind in seen or len(text.encode()) > LONGEST:
            continue
        seen.add(kind)
        number += 1
        keep("log", f"{number:02}", bytes([1 + number % 0x5F, 0x43]) + b"\0" + text.encode())
    keep("log", "filler", b"\x23\x51\0" + b"2026-08-10 08:54:07,768 ERROR one\n~\n~\nError code: 429, with error text {\"error\":{\"code\":\"1302\",\"message\":\"~\"}}\n")
    cri = ROOT / "examples" / "batch.cri.log"
    keep("log", "cri", b"\x37\0" + b"\n".join(cri.read_bytes().splitlines()[:6]) + b"\n")


def frames():
    lines = [b"api-1  | hello | 1", b'{"log":"a \\"b\\"\\n","stream":"stderr","time":"2026-08-10T00:54:07.7Z"}', b"2026-12-16T12:00:00.130211130Z stderr P one"]
    keep("frames", "lines", b"\n".join(lines))
    for number, (cuts, text) in enumerate([(b"\3\5", "\x1b[31mERROR\x1b[0m code 1113".encode()), (b"\7", "余额不足".encode()), (b"\1\1\1", b'{"error":{"code":"1302"}}'), (b"", b"\\u4f59 \\\" \\\\ \x01")]):
        keep("frames", f"text-{number}", cuts + b"\0" + text)


def state():
    progress = {"lines": 3, "skipping": False, "frames": {"open": [[], []]}, "context": {"vendor": 1, "request": None, "error_object": None, "time": 5}, "fold": {}}
    keep("state", "progress", json.dumps(progress))
    ledger = {"sets": [{"labels": {"team": "a"}, "errors": [[{"category": "account", "code": "1113", "condition": "balance_exhausted"}, {"count": 3, "first": 1, "last": 2}]], "answers": [[200, 4]], "finishes": [["length", 1]]}], "unknown_codes": [1999], "look_alikes": 1}
    keep("state", "ledger", json.dumps({"sequence": 7, "ledger": ledger, "follower": {"names": [], "finished": []}}))
    keep("state", "head", "zai-exporter-state 1")
    keep("state", "torn", "zai-exporter-state 1\n{}\n0000000000000000 23\n")
    keep("state", "newer", "zai-exporter-state 99 0 0\n")


def yaml():
    keep("config", "all", "hosts: [llm.internal]\ntimezone: Asia/Shanghai\nsources:\n  - paths: ['/var/log/*.log']\n    exclude: ['*.gz']\n    labels: {team: search}\n    path_labels: kubernetes\nlimits: {line_bytes: 65536, label_values: 10, unknown_codes: 5}\ncatalogue:\n  - {code: 1999, category: account, condition: account_locked, message: m, solution: s}\n")
    keep("config", "mistakes", "hosts: ['https://x.y']\ntimezone: Mars/Base\nsource: []\nsources:\n  - labels: {code: x, 9a: y}\n  - paths: []\n    path_labels: '/srv/.*'\nlimits: {line_bytes: 1, speed: 9}\n")
    keep("config", "pattern", "sources:\n  - paths: [/a/*/b.log]\n    path_labels: '/(?<pod>[^/]+)\\.log$'\n")
    keep("config", "alias", "hosts: &h [llm.internal]\nsources:\n  - {paths: [x], labels: {team: a}}\n")
    keep("config", "broken", "hosts: [a.example\nsources: [\n")
    keep("catalogue", "override", "- {code: 1100, category: account}\n- {code: 1999, category: account, condition: account_locked, message: m, solution: s}\n")
    keep("catalogue", "mistakes", "- code: 1100\n  conditon: rate_limit\n- code: x\n  category: nope\n- category: account\n")
    keep("catalogue", "texts", "- code: 2001\n  category: api_call\n  condition: rate_limit\n  http: [429]\n  message: \"a {x} b\"\n  wordings: ['too many %s of them today', \"余额不足 already\"]\n  weak: [please]\n  free_text: true\n")
    for folder in ("good", "bad", "stricter", "looser"):
        for path in sorted((ROOT / "tests" / "web-config" / folder).glob("*.yaml")):
            if path.stem[0] in "cuhtr" and len(path.stem) % 3 == 0:
                keep("web_config", f"{folder}-{path.stem}", b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n\0" + path.read_bytes())


def times():
    forms = ["2026-08-10 08:54:07,768 - httpx", "[2026-08-10 08:54:07.768] x", "2026-08-10T00:54:07.768Z stderr", "1.2.3.4 - - [10/Aug/2026:08:54:07 +0800] \"POST\"", "[ERROR] 2026/08/10 - 08:54:07 | x", "{\"level\":50,\"time\":1786323247768,\"pid\":1}", "ts=1 time=\"2026-08-10T08:54:07+08:00\""]
    for number, form in enumerate(forms):
        keep("time", f"{number}", form)
    for number, moment in enumerate([0, 1_786_323_247_768, 951_782_399_999]):
        keep("time", f"moment-{number}", struct.pack(">Q", moment)[3:] + bytes([128 + 96 * number % 120]) + b" rest")


if __name__ == "__main__":
    for seed in CORPUS.glob("*/seed-*"):
        seed.unlink()
    for write in (logs, frames, state, yaml, times):
        write()
    print(*(f"{folder.name}: {len(list(folder.iterdir()))}" for folder in sorted(CORPUS.iterdir())), sep="\n")
