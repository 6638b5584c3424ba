// A real exporter on logs in a folder of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const REPOSITORY = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

// Far more than anything here takes; a test that waits this long has failed.
export const LIMIT = 30_000;
const LOOK_AGAIN = 50;

/** Asks `condition` until it gives something true, and returns that. */
export async function until(what, condition) {
  const end = Date.now() + LIMIT;
  for (;;) {
    const result = await condition();
    if (result) return result;
    if (Date.now() > end) throw new Error(`waited ${LIMIT / 1000} s for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN));
  }
}

async function binary() {
  const path = process.env.ZAI_EXPORTER_BIN ?? join(REPOSITORY, 'target', 'release', 'zai-exporter');
  await access(path).catch(() => {
    throw new Error(`no exporter at ${path}: run \`cargo build --release\`, or set ZAI_EXPORTER_BIN to the binary`);
  });
  return path;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

const ENDPOINT = 'https://api.z.ai/api/paas/v4/chat/completions';

/** Log lines as clients of the API print them, `ago` milliseconds before now. */
export const lines = {
  at: (ago) => new Date(Date.now() - ago).toISOString(),
  coded(code, message, ago = 0, status = 429) {
    return `${this.at(ago)} ERROR ${ENDPOINT} HTTP ${status} {"error":{"code":"${code}","message":"${message}"}}\n`;
  },
  answer(status, reason, ago = 0) {
    return `${this.at(ago)} INFO httpx HTTP Request: POST ${ENDPOINT} "HTTP/1.1 ${status} ${reason}"\n`;
  },
  end(finish) {
    return `data: {"id":"1","choices":[{"index":0,"finish_reason":"${finish}","delta":{"content":""}}]}\n`;
  },
};

export class Exporter {
  /** Starts an exporter on `logs` (name to content). In `options` and `files`, `{folder}` stands for the folder of all. */
  static async start(logs, { names = Object.keys(logs), options = [], files = {} } = {}) {
    const exporter = new Exporter();
    exporter.folder = await mkdtemp(join(tmpdir(), 'status-page-'));
    for (const [name, text] of Object.entries(logs)) await writeFile(exporter.path(name), text);
    for (const [name, text] of Object.entries(files)) {
      await writeFile(exporter.path(name), text.replaceAll('{folder}', exporter.folder));
    }
    exporter.url = `http://127.0.0.1:${await freePort()}`;
    const given = ['serve', '--web.listen-address', new URL(exporter.url).host, ...options, ...names.map((n) => exporter.path(n))];
    exporter.log = '';
    exporter.process = spawn(await binary(), given.map((g) => g.replaceAll('{folder}', exporter.folder)), {
      env: { ...process.env, TZ: 'UTC' },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    exporter.process.stderr.setEncoding('utf8').on('data', (text) => (exporter.log += text));
    exporter.ended = once(exporter.process, 'exit');
    await until('the exporter to listen', async () => {
      if (exporter.process.exitCode !== null) throw new Error(`the exporter has ended: ${exporter.log}`);
      return fetch(`${exporter.url}/-/healthy`).then((a) => a.ok, () => false);
    });
    return exporter;
  }

  path(name) {
    return join(this.folder, name);
  }

  append(name, text) {
    return appendFile(this.path(name), text);
  }

  async ready() {
    await until('the first pass', async () => (await fetch(`${this.url}/-/ready`)).ok);
    return this;
  }

  async status() {
    return (await fetch(`${this.url}/api/v1/status`)).json();
  }

  /** The samples of a scrape: name and labels to value. */
  async scrape() {
    const text = await (await fetch(`${this.url}/metrics`)).text();
    const samples = text.split('\n').filter((line) => line && !line.startsWith('#'));
    return new Map(samples.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
  }

  async stop() {
    this.process.kill();
    await this.ended;
    await rm(this.folder, { recursive: true });
  }
}

/** The labels of a sample such as `name{a="x",b="y"}`. */
export function labelsOf(sample) {
  const pairs = [...sample.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
  return Object.fromEntries(pairs.map(([, name, value]) => [name, value]));
}
