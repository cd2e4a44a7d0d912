// A real VS Code with somebody in front of it: the server that code-server brings, and Chromium.

import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from '../chromium/node_modules/playwright-core/index.mjs';

const SERVER = 'lib/vscode/out/server-main.js';
/** A busy machine needs a while for what an editor does at its start. */
const PATIENCE = 90_000;
const ITEM = '[id="seqera.seqera-agent.seqera.status"]';

/** Waits until `look` gives something, and says what was waited for if it never does. */
export async function until(what, look, limit = PATIENCE) {
  const end = Date.now() + limit;
  for (;;) {
    const found = await look();
    if (found) return found;
    if (Date.now() > end) throw new Error(`this never came: ${what}`);
    await sleep(100);
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class Editor {
  #server;
  #context;
  #job;
  log = '';

  /** Installs the extension from its package, starts the server and opens the folder. */
  static async open(job, { trusted = true, settings = {}, files = {} } = {}) {
    const editor = new Editor();
    editor.#job = job;
    editor.root = join(job.root, 'editor');
    editor.folder = join(editor.root, 'folder');
    mkdirSync(editor.folder, { recursive: true });
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(editor.folder, name, '..'), { recursive: true });
      writeFileSync(join(editor.folder, name), text, { mode: 0o755 });
    }
    editor.#install(settings);
    try {
      await editor.#start(trusted);
    } catch (error) {
      await editor.failed();
      await editor.close();
      throw error;
    }
    return editor;
  }

  #install(settings) {
    const { editor, vsix } = this.#job;
    this.places = ['extensions', 'user', 'server'].map((name) => join(this.root, name));
    const [extensions, user, server] = this.places;
    this.#command = [
      join(editor, SERVER), `--extensions-dir=${extensions}`, `--user-data-dir=${user}`, `--server-data-dir=${server}`,
      '--accept-server-license-terms',
    ];
    const install = [...this.#command, '--install-extension', vsix];
    const installed = spawnSync('node', install, { env: this.#env(), encoding: 'utf8' });
    if (installed.status !== 0) throw new Error(`the package cannot be installed: ${installed.stdout}${installed.stderr}`);
    const consumer = fileURLToPath(new URL('consumer', import.meta.url));
    cpSync(consumer, join(extensions, 'tests.consumer-0.1.0'), { recursive: true });
    // The server reads the folder itself where there is no list.
    spawnSync('rm', [join(extensions, 'extensions.json')]);
    for (const scope of ['Machine', 'User']) mkdirSync(join(user, scope), { recursive: true });
    const calm = {
      'extensions.autoCheckUpdates': false,
      'security.workspace.trust.startupPrompt': 'never',
      'terminal.integrated.shellIntegration.enabled': false,
      'window.autoDetectColorScheme': true,
      'window.commandCenter': false,
      'workbench.startupEditor': 'none',
      'workbench.tips.enabled': false,
    };
    writeFileSync(join(user, 'User/settings.json'), JSON.stringify(calm));
    const machine = { 'remote.autoForwardPorts': false, 'seqera.program': this.#job.seqera, ...settings };
    writeFileSync(join(user, 'Machine/settings.json'), JSON.stringify(machine));
  }

  #command = [];

  #env() {
    // Nothing is asked of a real gallery.
    // The proxy of code-server would take addresses of this machine over, and lose their paths.
    const log = join(this.root, 'consumer.log');
    return { ...process.env, EXTENSIONS_GALLERY: '{}', VSCODE_PROXY_URI: '', CONSUMER_LOG: log, SHELL: '/bin/sh' };
  }

  async #start(trusted) {
    const port = await freePort();
    const more = ['--host=127.0.0.1', `--port=${port}`, '--without-connection-token', '--telemetry-level=off'];
    if (trusted) more.push('--disable-workspace-trust');
    this.#server = spawn('node', [...this.#command, ...more], { env: this.#env(), stdio: ['ignore', 'pipe', 'pipe'] });
    process.once('exit', () => this.#server.kill());
    for (const stream of [this.#server.stdout, this.#server.stderr]) stream.on('data', (text) => { this.log += text; });
    await until('the server', () => this.log.includes('Extension host agent started'));
    this.#context = await chromium.launchPersistentContext(join(this.root, 'browser'), {
      executablePath: process.env.SEQERA_TEST_CHROMIUM ?? '/usr/bin/chromium',
      chromiumSandbox: false, // it does not work for root, and CI runs as root
      args: ['--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
      locale: 'en-GB',
      viewport: { width: 1280, height: 800 },
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    this.#context.setDefaultTimeout(PATIENCE);
    this.page = this.#context.pages()[0] ?? (await this.#context.newPage());
    await this.page.goto(`http://127.0.0.1:${port}/?folder=${encodeURIComponent(this.folder)}`);
    await this.page.locator(ITEM).waitFor();
    await until('the other extension', () => this.consumer('ready').length > 0);
  }

  /** For whoever has to find out what went wrong. */
  async failed() {
    for (const [index, page] of (this.#context?.pages() ?? []).entries()) {
      console.error(`page ${index}: ${page.url()}`);
      await page.screenshot({ path: join(this.#job.shots, `failed-${this.#job.scenario}-${index}.png`) }).catch(() => undefined);
    }
    console.error(this.log.slice(-2000));
  }

  async close() {
    await this.#context?.close();
    this.#server?.kill();
  }

  /** What the other extension has written under this name. */
  consumer(what) {
    try {
      const lines = readFileSync(join(this.root, 'consumer.log'), 'utf8').trim().split('\n');
      return lines.map((line) => JSON.parse(line)).filter((line) => line.what === what);
    } catch {
      return [];
    }
  }

  /** Runs a command of the other extension, and gives what it wrote. */
  async ask(what, title, meanwhile = async () => undefined) {
    const before = this.consumer(what).length;
    await this.command(title);
    await meanwhile();
    return until(`an answer to ${what}`, () => this.consumer(what)[before]);
  }

  /** Chooses a command from the palette. */
  async command(title) {
    await this.page.keyboard.press('F1');
    const input = this.page.locator('.quick-input-widget:visible input[type=text], .quick-input-widget:visible input.input').first();
    await input.fill(`>${title}`);
    await this.row(title).click();
  }

  /** True if the palette offers the command. */
  async offers(title) {
    await this.page.keyboard.press('F1');
    await this.page.locator('.quick-input-widget:visible input').first().fill(`>${title}`);
    const found = await until('an answer of the palette', async () => {
      const rows = await this.page.locator('.quick-input-list .monaco-list-row').allInnerTexts();
      return rows.length > 0 && rows;
    });
    await this.page.keyboard.press('Escape');
    return found.some((row) => row.includes(title));
  }

  row(text) {
    return this.page.locator('.quick-input-list .monaco-list-row', { hasText: text }).first();
  }

  /** Picks a line of the list that is open. */
  async pick(text) {
    await this.row(text).click();
  }

  /** Closes the list with this line, once it is open. */
  async leave(text) {
    await this.row(text).waitFor();
    await this.page.keyboard.press('Escape');
    await this.row(text).waitFor({ state: 'hidden' });
  }

  /** Writes into the box that is open. */
  async type(text) {
    await this.page.locator('.quick-input-widget:visible input').first().fill(text);
    await this.page.keyboard.press('Enter');
  }

  async button(name) {
    await this.page.getByRole('button', { name, exact: true }).first().click();
  }

  /** The page that `does` opens in the browser. */
  async opened(does) {
    const [page] = await Promise.all([this.#context.waitForEvent('page'), does()]);
    await page.waitForLoadState();
    return page;
  }

  async clipboard() {
    return this.page.evaluate(() => navigator.clipboard.readText());
  }

  async status(expected) {
    const item = this.page.locator(ITEM);
    return until(`'${expected}' in the status bar`, async () => {
      const text = (await item.innerText()).trim();
      return expected instanceof RegExp ? expected.test(text) && text : text.includes(expected) && text;
    }).catch(async (error) => {
      throw new Error(`${error.message}; it says '${await item.innerText()}'`);
    });
  }

  /** What is shown when the mouse rests on the item. */
  async tooltip() {
    await this.page.mouse.move(600, 300);
    await this.page.locator(ITEM).hover();
    const hover = this.page.locator('.workbench-hover-container .monaco-hover-content, .workbench-hover').last();
    await hover.waitFor();
    return (await hover.innerText()).replaceAll('\u00a0', ' ');
  }

  /** Screenshots for people to look at: light and dark, narrow and wide. */
  async shot(name, keep = false) {
    mkdirSync(this.#job.shots, { recursive: true });
    for (const [size, width] of [['wide', 1280], ['narrow', 420]]) {
      await this.page.setViewportSize({ width, height: 700 });
      if (keep) await this.tooltip();
      for (const scheme of ['light', 'dark']) {
        await this.page.emulateMedia({ colorScheme: scheme });
        await this.page.locator(`.monaco-workbench.vs${scheme === 'dark' ? '-dark' : ''}`).first().waitFor();
        await this.page.screenshot({ animations: 'disabled', path: join(this.#job.shots, `vscode-${name}-${size}-${scheme}.png`) });
      }
    }
    await this.page.setViewportSize({ width: 1280, height: 800 });
  }

  /** Runs a line in a new terminal, and gives what it wrote into the file. */
  async terminal(name, line) {
    const file = join(this.root, name);
    await this.command('Terminal: Create New Terminal');
    await this.page.locator('.terminal-wrapper.active .xterm-helper-textarea').focus();
    await this.page.keyboard.type(`${line} > ${file}.new; mv ${file}.new ${file}`);
    await this.page.keyboard.press('Enter');
    return until(`what ${line} writes`, () => {
      try {
        return readFileSync(file, 'utf8') || '\n';
      } catch {
        return undefined;
      }
    });
  }

  /** Every file of the editor and of the browser that holds one of these texts. */
  holding(secrets) {
    const patterns = secrets.flatMap((secret) => ['-e', secret]);
    const found = spawnSync('grep', ['-rlaF', ...patterns, this.root], { encoding: 'utf8' });
    return found.stdout.split('\n').filter(Boolean);
  }
}
