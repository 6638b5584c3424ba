// Debian's Chromium, and pages that take note of all that must not happen.

import { chromium } from 'playwright-core';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

export function launch(...more) {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: [...FLAGS, ...more] });
}

/**
 * A page in a context of its own. `faults` collects console messages, errors of scripts, violations of the policy, failed
 * requests and requests to anywhere but the exporter's two addresses.
 */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults = [];
  const requests = [];
  page.on('console', (message) => faults.push(`console ${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => faults.push(`script: ${error.message}`));
  page.on('requestfailed', (request) => faults.push(`failed: ${request.url()}`));
  page.on('request', (request) => {
    if (request.url().startsWith('data:')) return;
    requests.push(request.url());
    const allowed = [`${url}/`, `${url}/api/v1/status?include=page`];
    if (!allowed.includes(request.url())) faults.push(`request to ${request.url()}`);
  });
  if (options.javaScriptEnabled !== false) {
    await page.exposeFunction('noteViolation', (what) => faults.push(`policy: ${what}`));
    await page.addInitScript(() => {
      addEventListener('securitypolicyviolation', (e) => globalThis.noteViolation(`${e.violatedDirective} ${e.blockedURI}`));
    });
  }
  // With a clock of its own, the page's time passes only when the test says so.
  if (options.clock) await page.clock.install();
  await page.goto(`${url}/`);
  return { page, faults, requests, close: () => context.close() };
}
