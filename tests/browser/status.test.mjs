// The status page in a real browser, served by a real exporter.

import assert from 'node:assert/strict';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { after, before, describe, test } from 'node:test';

import Ajv from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';

import { launch, open } from './browser.mjs';
import { Exporter, labelsOf, lines, until } from './exporter.mjs';

const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const MINUTE = 60_000;
const SECRET = 'sk-never-on-a-page';

const LOG = [
  lines.coded(1112, 'Your account has been locked, please contact customer service to unlock', 90 * MINUTE),
  ...Array.from({ length: 3 }, (_, i) => lines.coded(1113, 'Your account is in arrears, please recharge and try again', i * MINUTE)),
  ...Array.from({ length: 1200 }, () => lines.coded(1302, `High concurrency usage of this API ${SECRET}`)),
  lines.coded(1999, 'Something new', 5 * MINUTE, 400),
  lines.answer(200, 'OK'),
  lines.answer(200, 'OK'),
  lines.end('stop'),
  lines.end('sensitive'),
  lines.coded(1300, 'API call blocked by policy', MINUTE, 400),
].join('');

const number = (text) => Number(text.replaceAll(',', ''));

let browser;
before(async () => {
  browser = await launch();
});
after(() => browser.close());

/** Runs `body` with an exporter that is stopped whatever happens. */
async function withExporter(logs, options, body) {
  const exporter = await Exporter.start(logs, options);
  try {
    await body(exporter);
  } finally {
    await exporter.stop();
  }
}

/** Runs `body` with a page, and finds that nothing went wrong on it. */
async function withPage(url, options, body) {
  const opened = await open(browser, url, options);
  try {
    await body(opened.page, opened);
    assert.deepEqual(opened.faults, []);
  } finally {
    await opened.close();
  }
}

/** What the page says of every error: id of its row to count. */
const countsOf = (page) =>
  page.$$eval('#errors tbody tr[id]', (rows) => rows.map((row) => [row.id, row.querySelector('.count').textContent]));

async function violations(page) {
  await page.evaluate(AXE);
  const found = await page.evaluate(() => globalThis.axe.run({ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'best-practice'] }));
  return found.violations.map((v) => `${v.id}: ${v.help}: ${v.nodes.map((n) => n.html).join(' | ')}`);
}

describe('an exporter that has read a log', () => {
  let exporter;
  before(async () => {
    exporter = await (await Exporter.start({ 'app.log': LOG, 'quiet.log': '' })).ready();
  });
  after(() => exporter.stop());

  test('the numbers on the page are those of the scrape', () =>
    withPage(exporter.url, {}, async (page) => {
      const scrape = await exporter.scrape();
      const expected = [...scrape]
        .filter(([name, value]) => name.startsWith('zai_api_errors_total{') && value > 0)
        .map(([name, value]) => [labelsOf(name), value])
        .map(([l, value]) => [`e-${l.category}-${l.code}-${l.condition}`, value]);
      const shown = (await countsOf(page)).map(([id, text]) => [id, number(text)]);
      assert.ok(expected.length >= 5, `too few errors to compare: ${expected}`);
      assert.deepEqual(shown.sort(), expected.sort());
      assert.ok(shown.some(([, value]) => value === 1200));

      for (const [table, metric, label] of [
        ['#answers', 'zai_http_responses_total', 'status'],
        ['#finishes', 'zai_finish_reasons_total', 'finish_reason'],
      ]) {
        const of = [...scrape].filter(([name, value]) => name.startsWith(`${metric}{`) && value > 0);
        const rows = await page.$$eval(`${table} tbody tr`, (all) =>
          all.map((row) => [row.querySelector('th').textContent, row.querySelector('td').textContent]));
        assert.ok(of.length > 0);
        assert.deepEqual(
          rows.map(([name, count]) => [name, number(count)]).sort(),
          of.map(([name, value]) => [labelsOf(name)[label], value]).sort(),
        );
      }

      const seconds = scrape.get(
        'zai_api_error_last_seen_timestamp_seconds{category="account",code="1113",condition="balance_exhausted"}');
      const times = await page.$$eval('#e-account-1113-balance_exhausted time', (all) => all.map((t) => t.dateTime));
      assert.equal(Date.parse(times[0]) / 1000, seconds);
      assert.equal(Date.parse(times[0]) - Date.parse(times[1]), 2 * MINUTE);
    }));

  test('the conditions of the account are told at a glance, with what to do', () =>
    withPage(exporter.url, {}, async (page) => {
      const states = await page.$$eval('.card', (cards) => cards.map((c) => [c.id, c.querySelector('.state').textContent]));
      assert.deepEqual(Object.fromEntries(states), {
        'c-balance': 'Failing', 'c-account': 'Seen earlier', 'c-end_user': 'OK', 'c-plan': 'OK', 'c-authentication': 'OK',
        'c-policy': 'Failing', 'c-api': 'OK',
      });
      assert.equal(await page.textContent('#verdict'), 'Failing: Balance, Policy.');
      const catalogue = (await exporter.status()).errors.find((e) => e.code === '1113');
      assert.ok((await page.textContent('#c-balance')).includes(catalogue.solution));
      assert.equal(await page.textContent('#c-balance [data-count]'), '3');
    }));

  test('nothing of a log line is on the page or in the JSON', async () => {
    for (const path of ['/', '/api/v1/status', '/api/v1/status?include=page']) {
      const text = await (await fetch(exporter.url + path)).text();
      assert.ok(text.includes('1302'));
      assert.ok(!text.includes(SECRET), path);
    }
  });

  test('the JSON is as its schema says', async () => {
    const schema = JSON.parse(await readFile(new URL('../../docs/status-api.schema.json', import.meta.url), 'utf8'));
    const ajv = new Ajv({ allErrors: true, strict: true });
    addFormats(ajv);
    const valid = ajv.compile(schema);
    for (const path of ['/api/v1/status', '/api/v1/status?include=page']) {
      const status = await (await fetch(exporter.url + path)).json();
      assert.ok(valid(status), ajv.errorsText(valid.errors));
      assert.equal('page' in status, path.includes('page'));
    }
  });

  for (const colorScheme of ['light', 'dark']) {
    test(`the accessibility checker finds nothing, ${colorScheme}, wide and narrow, with all opened`, async () => {
      for (const width of [1280, 360]) {
        await withPage(exporter.url, { colorScheme, viewport: { width, height: 800 } }, async (page) => {
          assert.deepEqual(await violations(page), []);
          await page.$$eval('details', (all) => all.forEach((d) => (d.open = true)));
          assert.deepEqual(await violations(page), []);
        });
      }
    });
  }

  test('dark and light are different pages to the eye', async () => {
    const grounds = [];
    for (const colorScheme of ['light', 'dark']) {
      await withPage(exporter.url, { colorScheme }, async (page) => {
        grounds.push(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      });
    }
    const [light, dark] = grounds.map((rgb) => Math.max(...rgb.match(/\d+/g).map(Number)));
    assert.ok(light > 200 && dark < 60, grounds.join(' '));
  });

  test('a phone needs no scrolling to the side', async () => {
    for (const width of [320, 360, 768, 1280]) {
      await withPage(exporter.url, { viewport: { width, height: 640 } }, async (page) => {
        await page.$$eval('details', (all) => all.forEach((d) => (d.open = true)));
        const { wide, inner } = await page.evaluate(() => ({ wide: document.documentElement.scrollWidth, inner: innerWidth }));
        assert.ok(wide <= inner, `${wide} px of content in ${inner} px`);
      });
    }
  });

  test('the keyboard reaches all controls, and one sees where it is', () =>
    withPage(exporter.url, {}, async (page) => {
      const reached = [];
      for (;;) {
        await page.keyboard.press('Tab');
        const at = await page.evaluate(() => {
          const element = document.activeElement;
          const style = getComputedStyle(element);
          const outline = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
          return { name: element.textContent.trim(), tag: element.tagName, outline };
        });
        if (at.tag === 'BODY' || reached.some((r) => r.name === at.name)) break;
        assert.ok(at.outline, `no outline on ${at.tag} ${at.name}`);
        reached.push(at);
      }
      const names = reached.map((r) => r.name.replace(/\d+/, 'N'));
      assert.deepEqual(names, [
        'Skip to the status', 'Metrics', 'JSON', 'Pause updates', 'Documented errors that were not seen (N)',
      ]);
    }));

  test('it all works without scripts', () =>
    withPage(exporter.url, { javaScriptEnabled: false }, async (page) => {
      assert.equal(await page.textContent('#verdict'), 'Failing: Balance, Policy.');
      assert.ok((await page.$$('#errors tbody tr[id]')).length >= 5);
      assert.ok(await page.isVisible('noscript a'), 'no way to reload');
      assert.ok(!(await page.isVisible('#pause')), 'a button that does nothing');
      const before = await page.getAttribute('#as-of time', 'datetime');
      await page.click('noscript a');
      await until('the reload', async () => (await page.getAttribute('#as-of time', 'datetime')) !== before);
      await page.click('#unseen summary');
      assert.ok(await page.isVisible('#unseen li'));
    }));
});

test('an error that is logged appears without a reload, and the reader keeps place, focus and opened details', () =>
  withExporter({ 'app.log': LOG }, {}, async (exporter) => {
    await exporter.ready();
    await withPage(exporter.url, { viewport: { width: 800, height: 500 } }, async (page, { requests }) => {
      await page.evaluate(() => {
        globalThis.same = document.querySelector('#e-account-1113-balance_exhausted');
        globalThis.announced = [];
        new MutationObserver(() => globalThis.announced.push(document.querySelector('#verdict').textContent))
          .observe(document.querySelector('#verdict'), { childList: true, characterData: true, subtree: true });
      });
      await page.click('#unseen summary');
      await page.focus('#unseen summary');
      const top = () => page.evaluate(() => document.querySelector('#unseen').getBoundingClientRect().top);
      const topBefore = await top();

      await exporter.append('app.log', lines.coded(1113, 'Your account is in arrears, please recharge and try again'));
      const count = () => page.textContent('#e-account-1113-balance_exhausted .count');
      await until('the count to grow on the page', async () => (await count()) === '4');

      assert.ok(await page.evaluate(() => globalThis.same === document.querySelector('#e-account-1113-balance_exhausted')),
        'the row was made anew');
      assert.equal(await page.evaluate(() => document.activeElement.closest('details')?.id), 'unseen');
      assert.ok(await page.evaluate(() => document.querySelector('#unseen').open), 'the details were closed');
      assert.deepEqual(await page.evaluate(() => globalThis.announced), [], 'announced though nothing changed for the account');
      // The chart above has come to life: the reader's place moves with the text that was being read.
      assert.ok(Math.abs((await top()) - topBefore) < 2, `the text moved by ${(await top()) - topBefore} px`);
      assert.match(await page.textContent('#h-hour + p'), /^1 error in the last hour/);
      assert.equal((await page.$$('svg.hour .bar')).length, 1);
      assert.equal(requests.filter((r) => r === `${exporter.url}/`).length, 1, 'the page was loaded again');

      await exporter.append('app.log', lines.coded(1221, 'API x has been taken offline', 0, 400));
      await until('the new failure to be announced', async () =>
        (await page.evaluate(() => globalThis.announced)).includes('Failing: Balance, Policy, API.'));
      await until('a row of its own', () => page.$('#e-api_call-1221-api_unavailable'));
      assert.equal((await page.$$('#e-api_call-1221-api_unavailable')).length, 1, 'listed as seen and as not seen');
    });
  }));

test('updates can be paused', () =>
  withExporter({ 'app.log': LOG }, {}, async (exporter) => {
    await exporter.ready();
    await withPage(exporter.url, { clock: true }, async (page, { requests }) => {
      const asked = async () => {
        // Longer than the page waits between two questions, and shorter than it waits for an answer.
        await page.clock.runFor(6_000);
        await page.evaluate(() => 0);
        return requests.filter((r) => r.includes('/api/')).length;
      };
      await until('a refresh', async () => (await asked()) > 0);
      await page.click('#pause');
      assert.equal(await page.getAttribute('#pause', 'aria-pressed'), 'true');
      await exporter.append('app.log', lines.coded(1113, 'Your account is in arrears, please recharge and try again'));
      await until('the exporter to count it', async () =>
        (await exporter.status()).errors.some((e) => e.code === '1113' && e.count === 4));
      const before = await asked();
      assert.equal(await asked(), before, 'asked though updates are paused');
      assert.equal(await page.textContent('#e-account-1113-balance_exhausted .count'), '3');
      await page.click('#pause');
      await until('the count to grow once it goes on', async () =>
        (await page.textContent('#e-account-1113-balance_exhausted .count')) === '4');
    });
  }));

test('when the exporter is gone, the page says so and keeps what it had', async () => {
  const exporter = await (await Exporter.start({ 'app.log': LOG })).ready();
  let stopped = false;
  const opened = await open(browser, exporter.url);
  try {
    await exporter.stop();
    stopped = true;
    await until('the page to notice', async () => /does not answer/.test(await opened.page.textContent('#connection')));
    assert.equal(await opened.page.textContent('#e-account-1113-balance_exhausted .count'), '3');
  } finally {
    await opened.close();
    if (!stopped) await exporter.stop();
  }
});

test('a file that is waited for is told of, and appears', () =>
  withExporter({ 'app.log': LOG }, { names: ['app.log', 'later <b>.log'] }, async (exporter) => {
    await exporter.ready();
    await withPage(exporter.url, {}, async (page) => {
      const row = page.locator('#files tbody tr', { hasText: 'later <b>.log' });
      assert.match(await row.textContent(), /waiting for it to appear/);
      assert.match(await page.textContent('#troubles'), /1 file is not followed/);
      await exporter.append('later <b>.log', lines.answer(200, 'OK'));
      await until('the trouble to pass', async () => !(await page.$('#troubles')));
      assert.doesNotMatch(await row.textContent(), /waiting/);
      assert.equal(await page.$('#files b'), null);
    });
  }));

const CONFIG = 'sources:\n  - paths: ["{folder}/*.log"]\n    labels: {team: "<i>search</i>"}\n';

test('labels tell who is affected; a refused configuration is shown with its mistakes', () =>
  withExporter({ 'app.log': LOG }, { names: [], options: ['--config.file', '{folder}/zai.yaml'], files: { 'zai.yaml': CONFIG } }, async (exporter) => {
    await exporter.ready();
    const config = await readFile(exporter.path('zai.yaml'), 'utf8');
    const swap = async (text) => {
      await writeFile(exporter.path('next.yaml'), text);
      await rename(exporter.path('next.yaml'), exporter.path('zai.yaml'));
    };
    await withPage(exporter.url, {}, async (page) => {
      assert.match(await page.textContent('#c-balance .labels'), /team=<i>search<\/i>/);
      assert.equal(await page.$('main i'), null);
      await page.click('#e-account-1113-balance_exhausted summary');
      assert.match(await page.textContent('#e-account-1113-balance_exhausted .labels'), /team=<i>search<\/i> *\n* *3/);
      assert.deepEqual(await violations(page), []);

      await swap(`${config}nonsense: 1\n`);
      await until('the refusal', () => page.$('#problem'));
      assert.match(await page.textContent('#problem'), /zai\.yaml.*nonsense/s);
      assert.match(await page.textContent('#troubles'), /configuration was not reloaded/);
      assert.ok(await page.evaluate(() => document.querySelector('#e-account-1113-balance_exhausted details').open));
      assert.deepEqual(await violations(page), []);

      await swap(config);
      await until('the problem to go', async () => !(await page.$('#problem')));
    });
  }));

const BUSY = 'The first pass over the logs is not finished; nothing is shown until it is.';

/** A page of an exporter that is busy with its first pass: with as long a log as that takes on this machine. */
async function withBusyPage(body) {
  const chunk = lines.coded(1302, 'High concurrency usage of this API').repeat(50_000);
  for (let chunks = 2; chunks <= 128; chunks *= 2) {
    let busy = false;
    await withExporter({ 'large.log': [...Array(chunks).fill(chunk), LOG] }, {}, (exporter) =>
      withPage(exporter.url, {}, async (page) => {
        busy = (await page.textContent('#verdict')) === BUSY;
        if (busy) await body(page, exporter);
      }));
    if (busy) return;
  }
  throw new Error('over a gigabyte was read before the page was loaded, or the page never said that it was being read');
}

test('before the first pass is done, the page says so', () =>
  withBusyPage(async (page) => {
    const verdict = () => page.textContent('#verdict');
    assert.equal((await page.$$('#errors')).length, 0);
    const states = await page.$$eval('.card .state', (all) => all.map((s) => s.textContent));
    assert.deepEqual(new Set(states), new Set(['Not known yet']));
    await until('the first pass', async () => (await verdict()) !== BUSY);
    assert.equal(await verdict(), 'Failing: Balance, Policy.');
    assert.deepEqual(await violations(page), []);
  }));
