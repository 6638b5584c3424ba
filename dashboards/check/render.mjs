// Draw the dashboards with Grafana's own components in headless Chromium, from what a real Prometheus answers.
//
//   node render.mjs --stack JSON --pictures FOLDER
//
// JSON is the line that tests/stack.py prints. Fails on a JavaScript error, a panel that shows an error or no data, a table
// without a row, text that is cut off, and a request to anywhere else. Leaves a picture of every board in every view.

import { once } from 'node:events';
import { mkdir, readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import esbuild from 'esbuild';
import { chromium } from 'playwright-core';
import sharp from 'sharp';

const HERE = dirname(fileURLToPath(import.meta.url));
const BOARDS = ['zai-overview', 'zai-errors', 'zai-exporter'];

// What the pictures show: two services of a cluster, one of which lost its account. "All" brings every documented code and
// services without any label besides.
const FLEET = { namespace: ['shop', 'support'] };
const VIEWS = [
  // The first view's files have the boards' names alone: they are the pictures of the README.
  { name: '', what: 'two services, wide', choice: FLEET, width: 1920, theme: 'dark' },
  { name: '-narrow', what: 'two services, narrow', choice: FLEET, width: 1280, theme: 'dark' },
  { name: '-every-code', what: 'all services and every code', choice: {}, width: 1920, theme: 'light' },
  { name: '-laptop', what: 'no cluster labels', choice: { job: ['laptop'] }, width: 1280, theme: 'dark' },
];

// Each panel that an alert's link opens, by itself as Grafana shows it then.
async function panelsOfAlerts() {
  const rules = await readFile(join(HERE, '..', '..', 'alerts', 'zai.rules.yaml'), 'utf8');
  const links = [...rules.matchAll(/\/d\/([\w-]+)\?viewPanel=(\d+)&/g)].map(([, uid, id]) => `${uid} ${id}`);
  return [...new Set(links)].sort().map((link) => ({ uid: link.split(' ')[0], id: Number(link.split(' ')[1]) }));
}

// Where Grafana's components look for its fonts, and the packages that have them.
const FONTS = {
  '/public/fonts/inter/Inter-Regular.woff2': 'inter/files/inter-latin-400-normal.woff2',
  '/public/fonts/inter/Inter-Medium.woff2': 'inter/files/inter-latin-500-normal.woff2',
};

const { values: given } = parseArgs({
  options: {
    stack: { type: 'string' },
    pictures: { type: 'string' },
  },
});
const { prometheus, scrapeIntervalSeconds, start } = JSON.parse(given.stack);

const PAGE = `<!doctype html><meta charset="utf-8"><title>board</title>
<style>html,body{margin:0}</style><link rel="stylesheet" href="/main.css"><div id="board"></div><script type="module" src="/main.js"></script>`;

async function bundle() {
  const built = await esbuild.build({
    entryPoints: [join(HERE, 'page', 'main.tsx')],
    bundle: true,
    write: false,
    outdir: 'out',
    format: 'esm',
    jsx: 'automatic',
    target: 'chrome120',
    define: { 'process.env.NODE_ENV': '"production"' },
    loader: { '.svg': 'dataurl', '.png': 'dataurl', '.ttf': 'empty' },
    logLevel: 'error',
  });
  return new Map(built.outputFiles.map((file) => [`/${file.path.split('/').pop()}`, file.contents]));
}

/** Serves the page and passes queries on to Prometheus, so that the page has one origin. */
async function serve(files, request) {
  const server = createServer(async (incoming, outgoing) => {
    const url = new URL(incoming.url, 'http://board');
    const send = (type, body, status = 200) => outgoing.writeHead(status, { 'content-type': type }).end(body);
    if (url.pathname === '/') {
      send('text/html', PAGE);
    } else if (url.pathname === '/request.json') {
      send('application/json', JSON.stringify(request.current));
    } else if (files.has(url.pathname)) {
      send(url.pathname.endsWith('.css') ? 'text/css' : 'text/javascript', files.get(url.pathname));
    } else if (url.pathname.startsWith('/prometheus/')) {
      const answer = await fetch(prometheus + url.pathname.slice('/prometheus'.length) + url.search);
      send('application/json', await answer.text(), answer.status);
    } else if (FONTS[url.pathname]) {
      send('font/woff2', await readFile(join(HERE, 'node_modules', '@fontsource', FONTS[url.pathname])));
    } else if (url.pathname.endsWith('.svg') || url.pathname === '/favicon.ico') {
      // Icons, which Grafana's server has and its packages have not. Nothing on the boards depends on one.
      send('image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>');
    } else {
      send('text/plain', 'not here', 404);
    }
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Titles that do not fit: of panels and of columns. (The words of tiles are made as small as they must be.) */
function cutOff() {
  const cut = [];
  for (const panel of document.querySelectorAll('[data-panel]')) {
    for (const element of panel.querySelectorAll('h2')) {
      if (element.scrollWidth > element.clientWidth + 1) {
        cut.push(`panel ${panel.dataset.panel}: "${element.textContent}" is cut off`);
      }
    }
    for (const button of panel.querySelectorAll('[role="columnheader"] button')) {
      const words = document.createRange();
      words.selectNodeContents(button);
      const { left, right } = button.closest('[role="columnheader"]').getBoundingClientRect();
      const text = words.getBoundingClientRect();
      if (text.left < left || text.right > right) {
        cut.push(`panel ${panel.dataset.panel}: the column "${button.textContent}" is too narrow for its title`);
      }
    }
  }
  return cut;
}

/** Tables that have a header and nothing below it: data that came, and was lost on the way to the eye. */
function tablesWithoutRows() {
  const tables = [...document.querySelectorAll('[data-panel] [role="grid"]')];
  return tables
    .filter((table) => ![...table.querySelectorAll('[role="gridcell"]')].some((cell) => cell.offsetHeight > 0 && cell.textContent.trim()))
    .map((table) => `panel ${table.closest('[data-panel]').dataset.panel}: the table shows no row`);
}

async function draw(browser, server, request, view, board) {
  const complaints = [];
  // As high as the board: Grafana's tables draw no row that is out of sight.
  const height = 120 + 38 * Math.max(...board.panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const context = await browser.newContext({ viewport: { width: view.width, height }, timezoneId: 'UTC' });
  const page = await context.newPage();
  const origin = `http://127.0.0.1:${server.address().port}`;
  page.on('pageerror', (error) => complaints.push(`JavaScript error: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error') {
      complaints.push(`console error: ${message.text()}`);
    }
  });
  page.on('request', (sent) => {
    if (!sent.url().startsWith(origin) && !/^(data|blob):/.test(sent.url())) {
      complaints.push(`request to ${sent.url()}`);
    }
  });
  request.current = { board, choice: view.choice, from: start * 1000, to: Date.now(), scrapeIntervalSeconds, theme: view.theme };
  try {
    await page.goto(origin);
    await page.waitForFunction(() => window.boardIsDrawn, undefined, { timeout: 60_000 });
    const findings = (await page.evaluate(() => window.findings)) ?? [];
    for (const { id, title, problem } of findings) {
      if (problem) {
        complaints.push(`panel ${id} (${title}): ${problem}`);
      }
    }
    if (!findings.length) {
      complaints.push('no panel was drawn');
    }
    complaints.push(...(await page.evaluate(cutOff)), ...(await page.evaluate(tablesWithoutRows)));
    const picture = await page.locator('#board').screenshot();
    // 256 colours are enough for a board, and make the file half as large.
    await sharp(picture).png({ palette: true, colours: 256, dither: 0, effort: 10 }).toFile(join(given.pictures, `${board.uid}${view.name}.png`));
    return { panels: findings.length, queries: findings.reduce((sum, { queries }) => sum + queries, 0), complaints };
  } finally {
    await context.close();
  }
}

// Ways to break a panel that must not pass, and what has to be said of each.
const BREAKAGES = [
  { name: 'a metric that does not exist', change: (panel) => (panel.targets[0].expr = 'sum(zai_no_such_metric{job=~"$job"})'), says: 'No data' },
  { name: 'an expression that is none', change: (panel) => (panel.targets[0].expr = 'sum('), says: 'Prometheus refused' },
  { name: 'a variable that is none', change: (panel) => (panel.targets[0].expr = 'up{job=~"$jobs"}'), says: 'is no variable' },
  { name: 'a kind of panel that is none', change: (panel) => (panel.type = 'stats'), says: 'drawing failed' },
  { name: 'a field option that is none', change: (panel) => panel.fieldConfig.overrides.push({ matcher: { id: 'byName', options: 'Value' }, properties: [{ id: 'colour', value: 'red' }] }), says: 'no option of a field' },
  { name: 'a title that does not fit', change: (panel) => (panel.title = 'A title that does not fit into three columns of the grid'), says: 'cut off' },
];

/** What passes the broken boards would pass anything. */
async function complainsOfBrokenBoards(browser, server, request, sound) {
  const board = structuredClone(sound);
  board.panels = BREAKAGES.map(({ change }, index) => {
    const panel = structuredClone(sound.panels[0]);
    Object.assign(panel, { id: 1000 + index, gridPos: { x: 3 * index, y: 0, w: 3, h: 4 } });
    change(panel);
    return panel;
  });
  const { complaints } = await draw(browser, server, request, { name: '-broken', choice: {}, width: 1280, theme: 'dark' }, board);
  const missed = BREAKAGES.filter(({ says }, index) => !complaints.some((each) => each.startsWith(`panel ${1000 + index}`) && each.includes(says)));
  missed.forEach(({ name }) => console.log(`FAIL the check does not complain of ${name}; it says: ${complaints.join('; ')}`));
  return missed.length === 0;
}

/** The board with this panel alone, as large as the page. */
function alone(board, id) {
  const panels = board.panels.filter((panel) => panel.id === id);
  return { ...board, panels: panels.map((panel) => ({ ...panel, gridPos: { x: 0, y: 0, w: 24, h: 18 } })) };
}

async function main() {
  const files = await bundle();
  const request = {};
  const server = await serve(files, request);
  await mkdir(given.pictures, { recursive: true });
  // Starts with a profile of its own, empty, and removes it at the end.
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
  let failures = 0;
  let total = 0;
  try {
    const sound = JSON.parse(await readFile(join(HERE, '..', `${BOARDS[0]}.json`), 'utf8'));
    const complains = await complainsOfBrokenBoards(browser, server, request, sound);
    console.log(`${complains ? 'ok  ' : 'FAIL'} a broken board in ${BREAKAGES.length} ways is complained of`);
    failures += complains ? 0 : 1;
    total += 1;
    const boards = new Map(await Promise.all(BOARDS.map(async (uid) => [uid, JSON.parse(await readFile(join(HERE, '..', `${uid}.json`), 'utf8'))])));
    const drawings = VIEWS.flatMap((view) => BOARDS.map((uid) => ({ view, what: uid, board: boards.get(uid) })));
    for (const { uid, id } of await panelsOfAlerts()) {
      const board = alone(boards.get(uid), id);
      drawings.push({ view: { name: `-panel-${id}`, what: 'opened by an alert', choice: {}, width: 1280, theme: 'dark' }, what: `${uid} panel ${id}`, board });
    }
    for (const { view, what, board } of drawings) {
      const { panels, queries, complaints } = await draw(browser, server, request, view, board);
      console.log(`${complaints.length ? 'FAIL' : 'ok  '} ${what} (${view.what}; ${view.width} pixels, ${view.theme}): ${panels} panels, ${queries} queries`);
      complaints.forEach((complaint) => console.log(`       ${complaint}`));
      failures += complaints.length ? 1 : 0;
      total += 1;
    }
  } finally {
    await browser.close();
    server.close();
  }
  console.log(`${total - failures} passed, ${failures} failed`);
  process.exitCode = failures ? 1 : 0;
}

await main();
