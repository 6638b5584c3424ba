#!/usr/bin/env python3
"""Writes the logs of the benchmark into a folder: make_logs.py FOLDER MEGABYTES. The numbers drawn are the same every time."""
import json
import pathlib
import random
import sys

CODES = [("1302", "Rate limit reached for requests"), ("1113", "余额不足或无可用资源包,请充值。"), ("1301", "系统检测到输入或生成内容可能包含不安全或敏感内容"),
         ("1211", "模型不存在，请检查模型代码。"), ("1234", "网络错误，错误id：20260810085407，请联系客服。")]


def error(n):
    code, message = CODES[n % len(CODES)]
    return f'2026-08-10 08:54:{n % 60:02},{n % 1000:03} - app.llm - ERROR - call {n} failed: Error code: 429, with error text ' \
           f'{{"error":{{"code":"{code}","message":"{message}"}}}}'


def info(n):
    return f'2026-08-10 08:54:{n % 60:02},{n % 1000:03} - app.worker - INFO - job {n * 7919 % 100000} user=u{n % 997} latency_ms={n % 2000} ' \
           f'queue depth={n % 31} status ok, next poll in 250 ms, host=node-{n % 50} region=cn-north-1 trace={n * 0x9e3779b97f4a7c15 % 2**64:016x}'


def success(n):
    return f'2026-08-10 08:54:{n % 60:02},{n % 1000:03} - httpx - INFO - HTTP Request: POST ' \
           'https://open.bigmodel.cn/api/paas/v4/chat/completions "HTTP/1.1 200 OK"'


def client(n, roll):
    return error(n) if roll < 0.01 else success(n) if roll < 0.05 else info(n)


def structured(n, roll):
    line = {"level": "info", "ts": 1786352047 + n, "code": 0, "error": None, "msg": "handled", "path": "/v1/chat", "ms": n % 900, "id": n}
    if roll < 0.01:
        line |= {"level": "error", "msg": error(n), "error": "failed"}
    return json.dumps(line, ensure_ascii=False, separators=(",", ":"))


def framed(line, n, kind):
    if kind == "cri":
        return f"2026-08-10T08:54:07.{n % 10**9:09}Z stderr F {line}"
    return json.dumps({"log": line + "\n", "stream": "stderr", "time": f"2026-08-10T08:54:07.{n % 10**9:09}Z"}, ensure_ascii=False, separators=(",", ":"))


def main():
    folder, limit = pathlib.Path(sys.argv[1]), int(sys.argv[2]) * 10**6
    kinds = {"client": client, "json": structured, "errors": lambda n, _: error(n),
             "cri": lambda n, roll: framed(client(n, roll), n, "cri"), "docker": lambda n, roll: framed(client(n, roll), n, "docker")}
    for name, make in kinds.items():
        draw, size, count, n = random.Random(7), 0, 0, 0
        with open(folder / f"{name}.log", "wb") as out:
            while size < limit:
                lines = []
                for _ in range(20_000):
                    roll = draw.random()
                    line = make(n, roll)
                    count += "Error code: 429" in line
                    lines.append(line)
                    n += 1
                block = ("\n".join(lines) + "\n").encode()
                out.write(block)
                size += len(block)
        (folder / f"{name}.count").write_text(f"{count}\n")


main()
