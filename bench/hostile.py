#!/usr/bin/env python3
"""The guard against logs that are made to be slow: instructions counted by valgrind, for each hostile shape at one size and at twice
that. The cost may double, and no byte may cost more than a bound.

    bench/hostile.py [SHAPE…]     counts, prints, and fails where the cost grows faster than the log
"""
import os
import pathlib
import sys
import tempfile

from instructions import instructions

SIZE = 64 * 1024
# Twice the bytes may cost this much more: the rest of a factor of two is for what is done once a block.
GROWTH = 2.3
# Instructions a byte. A client's log costs about 1; at 3,000 a core still reads a megabyte a second.
MOST = 3_000

HEAD = b"2026-08-10 08:54:07,768 ERROR api.z.ai Error code: 429, with error text "
ERROR = b'{"error":{"code":"1302","message":"x"}}'


def line(unit, head=HEAD, tail=b"\n"):
    """One line that repeats a piece."""
    return lambda size: head + (unit * (size // len(unit) + 1))[: size - len(head) - len(tail)] + tail


def lines(unit):
    """Many lines that are all alike."""
    return lambda size: (unit * (size // len(unit) + 1))[:size]


def nested(size):
    """Escapes 50 levels deep: each level doubles the backslashes, as far as a line has room."""
    text = b'{"error":{"code":"1302"}}'
    for _ in range(50):
        wrapped = text.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
        if len(wrapped) + 64 > size // 4:
            break
        text = b'{"e":"' + wrapped + b'"}'
    return lines(HEAD + text + b"\n")(size)


def halves(first, unit, head=HEAD, between=b""):
    """One line: the first piece over and over, then the second."""
    def make(size):
        half = (size - len(head) - len(between)) // 2
        return head + (first * (half // len(first) + 1))[:half] + between + unit * (half // len(unit)) + b"\n"
    return make


SHAPES = {
    "backslashes": line(b"\\"),
    "escaped quotes": line(b'\\"'),
    "quotes": line(b'"'),
    "single quotes": line(b"' "),
    "brackets": line(b"["),
    "braces": line(b'{"error":'),
    "closing": line(b"}"),
    "nested escapes": nested,
    "digits": line(b"1302"),
    "numbers": line(b"1302 "),
    "one key": line(b'"code":'),
    "code and number": line(b'"code":"1302",'),
    "code without value": line(b"code "),
    "error objects": line(ERROR),
    "bracketed codes": line(b"[1302][x] "),
    "statuses for codes": line(b'{"error":{"code":"429","message":"Rate limit reached for requests. '),
    "request ids": line(b'"code":"1302","request_id":"20260810085407aabb",'),
    "words about messages": line(b'message message: '),
    "entities": line(b"&quot;code&quot;:&quot;1302&quot;&"),
    "said behind": line(b'"msg":"x","event":', head=b'{"error":{"code":"1302","message":"x"}},'),
    "clocks": lines(b"08:54:0x \"code\":1302 time=time=\"ts\"\n"),
    "messages": line(b'"message":"'),
    "retries": line(b"Retrying Backing off failed with status ", head=ERROR),
    "colours": line(b"code: \x1b[32m0 finish\x1b[0m"),
    "statuses before URLs": line(b"429 http://", head=b"POST https://api.z.ai/x "),
    "content": line(b'"content":"'),
    "role": line(b'{"role":"user","content":"a \\"code\\":1302 b"},'),
    "turns": line(b"user:x "),
    "spoken turns": line(b"user: x "),
    "hosts": line(b"https://api.z.ai/ "),
    "statuses": line(b'HTTP/1.1" 429 '),
    "finish reasons": line(b'"finish_reason":"length",'),
    "kin": line(b"z.ai bigmodel.cn "),
    "times": line(b'"time":"2026-08-10T08:54:07.768Z" '),
    "time keys": line(b'"timestamp" "time" "ts" time= '),
    "colours": line(b"\x1b[31m"),
    "open colours": line(b"\x1b["),
    "titles": line(b"\x1b]0;"),
    "unicode escapes": line(b"\\u4f59"),
    "surrogates": line(b"\\ud83d"),
    "wordings": line("余额不足或无可用资源包 ".encode()),
    "half wordings": line("余额不".encode()),
    "english wordings": line(b"Insufficient balance or no resource package. "),
    "python objects": line(b"APIStatusError(message='"),
    "equals": line(b"code=1302 error="),
    "invalid utf-8": line(b"\xff\xfe\xf0\x9f"),
    "nul bytes": line(b"\0"),
    "docker": line(b"\\n\\\"code\\\":1302", head=b'{"log":"', tail=b'\\n","stream":"stderr","time":"2026-08-10T08:54:07.7Z"}\n'),
    "docker ends": line(b'","stream":"'),
    "cri parts": lines(b"2026-08-10T08:54:07.768Z stderr P x\n"),
    "cri parts, both": lines(b"2026-08-10T08:54:07.768Z stderr P \"code\":1302 \n2026-08-10T08:54:07.768Z stdout F \"code\":1302 z.ai\n"),
    "errors without time": lines(b"z.ai Error code: 429, " + ERROR + b"\n"),
    "needles without time": lines(b"code=1302\n"),
    "empty lines": lines(b"\n"),
    "open error objects": lines(b'"error": {\n'),
    "hosts within a url": line(b"api.z.ai/", head=b"GET http://x/?a="),
    "speakers after failure": halves(b"x", b"user: ", head=b"api.z.ai ", between=b" failed "),
    "blanks in an object": halves(b" ", b'{"code":1302,', head=b'"error": {\n'),
    "names like classes": line(b"APIReachLimitErrorX "),
    "classes in source": line(b"APIReachLimitError ", head=b"import "),
    "open brackets": line(ERROR, head=HEAD + b"[" * 8192),
    "quotes and codes": line(ERROR, head=HEAD + b"\"'" * 4096),
    "objects in an object": line(ERROR + b",", head=b'{"host":"api.z.ai","errors":['),
    "messages to the end": halves(b'"code":"1221","message":x', b"api "),
    "long messages": line(b'"code":"1214","message":x '),
    "refusals": line(b"{" + b'"code":1302,' * 160),
    "short wordings": line("超长".encode()),
    "answers without status": line(b"https://api.z.ai/ -> status  HTTP/ "),
    "ids": lambda size: b"".join(HEAD + b'{"error":{"code":"1302","message":"%d"},"request_id":"20260810%020d"}\n' % (n, n) for n in range(size // 150)),
    "codes": lambda size: b"".join(HEAD + b'{"error":{"code":"%d","message":"no"}}\n' % (1_000 + n % 8_999) for n in range(size // 110)),
}


def main():
    binary = os.environ.get("ZAI_EXPORTER_BIN", "target/release/zai-exporter")
    wanted = sys.argv[1:] or SHAPES
    bad = []
    with tempfile.TemporaryDirectory() as folder:
        log = pathlib.Path(folder) / "hostile.log"
        log.write_bytes(b"")
        start = instructions(binary, log)
        print(f"{'shape':22} {'a byte':>9} {'growth':>7}")
        for name in wanted:
            costs = []
            for size in (SIZE, 2 * SIZE):
                log.write_bytes(SHAPES[name](size))
                costs.append((instructions(binary, log) - start) / log.stat().st_size)
            growth = 2 * costs[1] / costs[0]
            print(f"{name:22} {costs[1]:9.1f} {growth:7.2f}", flush=True)
            if costs[1] > MOST or growth > GROWTH and costs[1] > 50:
                bad.append(name)
    if bad:
        sys.exit(f"{', '.join(bad)}: the cost grows faster than the log, or a byte costs more than {MOST} instructions")


if __name__ == "__main__":
    main()
