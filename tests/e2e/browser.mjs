// SPDX-License-Identifier: Apache-2.0
// A browser for tests/e2e/browser.py: reads one JSON line a step, {code, argument}; runs the code with `page` and
// `argument`; writes {value} or {error} as a line. What the page complained of is in `troubles`.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

const [playwright, folder, width, patience] = process.argv.slice(2);
const { chromium } = createRequire(import.meta.url)(playwright);
const flags = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage'];
const context = await chromium.launchPersistentContext(folder, {
  executablePath: '/usr/bin/chromium', headless: true, args: flags, ignoreHTTPSErrors: true,
  viewport: { width: Number(width), height: 900 }, locale: 'en-GB',
});
const troubles = [];
const page = context.pages()[0] ?? await context.newPage();
page.setDefaultTimeout(Number(patience));
await page.exposeFunction('knarrViolation', (text) => troubles.push(`policy: ${text}`));
await page.addInitScript(() => document.addEventListener('securitypolicyviolation',
  (e) => window.knarrViolation(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`)));
page.on('console', (m) => ['error', 'warning'].includes(m.type()) && troubles.push(`console: ${m.text()} ${m.location().url}`));
page.on('pageerror', (e) => troubles.push(`error: ${e.stack}`));

const AsyncFunction = (async () => {}).constructor;
const run = (code, argument) => new AsyncFunction('page', 'context', 'troubles', 'argument', code)(page, context, troubles, argument);
const answer = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
answer({ value: 'ready' });
for await (const line of createInterface({ input: process.stdin })) {
  const { code, argument } = JSON.parse(line);
  try {
    answer({ value: (await run(code, argument)) ?? null });
  } catch (error) {
    answer({ error: `${error.message}\n${await page.locator('body').innerText({ timeout: 1000 }).catch(() => '')}` });
  }
}
await context.close();
