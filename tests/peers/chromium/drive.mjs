// A person at a real browser: does the steps of a job in headless Chromium and reports where it ended up.
//
// usage: node drive.mjs '<job>'
//   {"url": …, "shots": <folder>, "steps": [
//     {"fill": <selector>, "with": …}, {"click": <selector>}, {"until": <text of the page>},
//     {"shot": <name>}        screenshots: light and dark, narrow and wide
//   ]}
// Prints one line: {"url", "title", "text", "requests", "problems"}. A problem is an error in the page, or a
// page that is wider than a narrow screen.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

const WIDTHS = { narrow: 360, wide: 1280 };
const SCHEMES = ['light', 'dark'];

const job = JSON.parse(process.argv[2]);
const requests = [];
const problems = [];

async function shoot(page, name) {
  await mkdir(job.shots, { recursive: true });
  for (const [size, width] of Object.entries(WIDTHS)) {
    await page.setViewportSize({ width, height: size === 'narrow' ? 740 : 800 });
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (overflow > 0) problems.push(`${name}: ${overflow} pixels wider than a ${size} screen`);
    for (const colorScheme of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: join(job.shots, `${name}-${size}-${colorScheme}.png`) });
    }
  }
}

async function step(page, { fill, with: value, click, until, shot }) {
  if (fill) await page.locator(fill).fill(value);
  if (click) await page.locator(click).click();
  if (until) await page.getByText(until).first().waitFor();
  if (shot) await shoot(page, shot);
}

const browser = await chromium.launch({
  executablePath: process.env.SEQERA_TEST_CHROMIUM ?? '/usr/bin/chromium',
  chromiumSandbox: false, // it does not work for root, and CI runs as root
  args: [
    '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync',
  ],
});
try {
  const page = await browser.newPage({ locale: 'en-GB' });
  page.setDefaultTimeout(30_000);
  page.on('request', (request) => requests.push(request.url()));
  page.on('pageerror', (error) => problems.push(String(error)));
  await page.goto(job.url);
  for (const one of job.steps) await step(page, one);
  const [title, text] = [await page.title(), await page.locator('body').innerText()];
  console.log(JSON.stringify({ url: page.url(), title, text, requests, problems }));
} finally {
  await browser.close();
}
