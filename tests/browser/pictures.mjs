// Pictures of the page for the README and the documentation: node pictures.mjs FOLDER [--whole] [--minutes N]
//
// The chart of the last hour shows what was read since the exporter started: with minutes, errors are logged for as long.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { launch, open } from './browser.mjs';
import { Exporter, lines, until } from './exporter.mjs';

const folder = process.argv[2] ?? '../../docs/pictures';
const whole = process.argv.includes('--whole');
const MINUTE = 60_000;
const VIEWS = [
  { name: 'status-light', colorScheme: 'light', width: 1120, height: 1200 },
  { name: 'status-dark', colorScheme: 'dark', width: 1120, height: 1200 },
  { name: 'status-phone', colorScheme: 'light', width: 360, height: 1400 },
];

const locked = 'Your account has been locked, please contact customer service to unlock';
const arrears = 'Your account is in arrears, please recharge and try again';
const concurrency = 'High concurrency usage of this API, please reduce concurrency or contact customer service to increase limits';

const before = [
  lines.coded(1112, locked, 190 * MINUTE),
  ...Array.from({ length: 1300 }, () => lines.answer(200, 'OK', 80 * MINUTE)),
  ...Array.from({ length: 48 }, (_, i) => lines.coded(1302, concurrency, (80 - i) * MINUTE)),
  ...Array.from({ length: 900 }, () => lines.end('stop')),
  ...Array.from({ length: 12 }, () => lines.end('length')),
  ...Array.from({ length: 3 }, () => lines.end('sensitive')),
  lines.coded(1301, 'System detected potentially unsafe or sensitive content in input or generation', 31 * MINUTE, 400),
].join('');

const CONFIG = `sources:
  - {paths: ["{folder}/search.log"], labels: {team: search}}
  - {paths: ["{folder}/assistant.log", "{folder}/batch.log"], labels: {team: assistant}}
`;

const exporter = await Exporter.start(
  { 'search.log': before, 'assistant.log': before.slice(0, 20_000) },
  { names: [], options: ['--config.file', '{folder}/zai.yaml', '--state.dir', '{folder}'], files: { 'zai.yaml': CONFIG } },
);
// Without coloured edges of letters, pictures are smaller.
const browser = await launch('--disable-lcd-text');
try {
  await exporter.ready();
  await mkdir(folder, { recursive: true });
  const minutes = Number(process.argv[process.argv.indexOf('--minutes') + 1]) || 0;
  for (let second = 0; second < minutes * 60; second++) {
    const minute = Math.floor(second / 60);
    if (second % (3 + ((minute * 5) % 11)) === 0) await exporter.append('search.log', lines.coded(1302, concurrency) + lines.answer(200, 'OK'));
    if (second % (20 + ((minute * 3) % 17)) === 0) await exporter.append('assistant.log', lines.answer(503, 'Service Unavailable'));
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  for (let i = 0; i < 7; i++) await exporter.append('search.log', lines.coded(1113, arrears, (7 - i) * 20_000));
  await exporter.append('assistant.log', lines.coded(1302, concurrency) + lines.coded(1234, 'Network error, error id: 5, please contact customer service', 0, 500));
  await until('the errors', async () => (await exporter.status()).errors.some((e) => e.code === '1113' && e.count === 7));
  for (const { name, colorScheme, width, height } of VIEWS) {
    const { page, close } = await open(browser, exporter.url, { colorScheme, viewport: { width, height } });
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: whole });
    await close();
  }
} finally {
  await browser.close();
  await exporter.stop();
}
