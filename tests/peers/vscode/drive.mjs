// What a person does in VS Code with the Seqera extension, and what has to come of it.
//
// usage: node drive.mjs '<job>'
//   {"scenario": …, "root": <folder of the test>, "editor": <where it is installed>, "vsix": …, "seqera": …,
//    "authority": <the sandbox's>, "sandbox": <its address>, "shots": <folder>}
// The environment is that of the sealed home. Prints "done" when all was as it should be.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Client } from '../../../client/node/dist/index.js';
import { Editor, until } from './editor.mjs';

const job = JSON.parse(process.argv[2]);
const client = new Client({ program: job.seqera });
const sha256 = (text) => createHash('sha256').update(text).digest('hex');
const host = new URL(job.authority).host;

/** A person at a browser without scripts says yes, and gives the address that the browser ended on. */
async function agree(url, user) {
  const form = new URLSearchParams({ request: new URL(url).search.slice(1), user });
  const answer = await fetch(new URL('consent', url.replace(/\?.*/, '')), { method: 'POST', body: form, redirect: 'manual' });
  assert.ok(answer.headers.has('location'), `the sandbox answered ${answer.status}`);
  return answer.headers.get('location');
}

/** Signs somebody in, as another program of the same user would. */
async function signInElsewhere(profile, user) {
  for await (const event of client.login({ profile, authority: job.authority, force: true })) {
    if (event.kind === 'browser') await fetch(await agree(event.url, user));
  }
}

/** The state of a profile; `undefined` if the agent does not know it. */
async function stateOf(profile) {
  const { sessions } = await client.list();
  return sessions.find((session) => session.profile === profile)?.state;
}

/** The secrets that must be nowhere in the editor: every token, and what the agent has stored. */
function stored() {
  const folder = join(process.env.HOME, '.config/seqera-ai');
  const files = readdirSync(folder).filter((name) => name.startsWith('refresh-token.'));
  return files.flatMap((name) => readFileSync(join(folder, name), 'utf8').match(/[\w.~+/-]{24,}/g) ?? []);
}

const SCENARIOS = {
  /** From nobody to two accounts and back, with another extension beside it. */
  async accounts() {
    const tokens = new Set();
    const editor = await Editor.open(job, { settings: { 'seqera.authority': job.authority } });
    try {
      await editor.status('Seqera: signed out');
      await editor.shot('signed-out');
      assert.deepEqual((await editor.ask('silent', 'Consumer: Who Is Signed In')).session, null);

      await editor.command('Seqera: Sign In');
      await editor.pick(host);
      const page = await editor.opened(() => editor.pick('In the browser'));
      await editor.shot('signing-in');
      await page.locator('button:has-text("ada@sandbox.test")').click();
      await page.getByText('Signed in').first().waitFor();
      await page.close();
      await editor.status(/ada/);
      await editor.shot('signed-in', true);
      const tooltip = await editor.tooltip();
      for (const part of ['ada@sandbox.test', host, 'renewed by itself']) assert.ok(tooltip.includes(part), `${part} in ${tooltip}`);

      const asked = await editor.ask('ask', 'Consumer: Get a Session', async () => {
        await editor.button('Allow');
        await editor.shot('consent');
        await editor.pick('ada@sandbox.test');
      });
      const first = (await client.token({ profile: 'default' })).secret;
      tokens.add(first);
      assert.equal(asked.session.sha256, sha256(first));
      assert.deepEqual(asked.session.account, { id: 'default', label: `ada@sandbox.test (default, ${host})` });
      const odd = await editor.ask('odd', 'Consumer: Ask for a Scope');
      assert.match(odd.error ?? '', /everything/);

      const changes = editor.consumer('changed').length;
      const second = (await client.token({ profile: 'default', rejected: first })).secret;
      tokens.add(second);
      await until('the word of a new token', () => editor.consumer('changed').length > changes);
      const silent = await editor.ask('silent', 'Consumer: Who Is Signed In');
      assert.equal(silent.session.sha256, sha256(second));

      await SCENARIOS.inTerminal(editor, tokens);
      await SCENARIOS.choices(editor);

      await signInElsewhere('work', 'grace@sandbox.test');
      await until('the second account', async () => (await editor.ask('accounts', 'Consumer: List the Accounts')).accounts.length === 2);
      await editor.command('Seqera: Switch Profile');
      await editor.pick('work');
      await editor.status(/work: grace/);
      tokens.add((await client.token({ profile: 'work' })).secret);

      const secrets = [...tokens, ...stored()];
      assert.ok(secrets.length > 3, 'there is something to look for');
      await editor.command('Seqera: Sign Out');
      await editor.pick('grace@sandbox.test');
      await until('the sign-out', async () => (await stateOf('work')) === 'SIGNED_OUT');
      await until('one account', async () => (await editor.ask('accounts', 'Consumer: List the Accounts')).accounts.length === 1);
      await editor.close();
      assert.deepEqual(editor.holding(secrets), [], 'no secret is in any file of the editor or the browser');
      secrets.forEach((secret) => assert.ok(!editor.log.includes(secret), 'nor in what the server prints'));
    } catch (error) {
      await editor.failed();
      throw error;
    } finally {
      await editor.close();
    }
  },

  /** New terminals get the address and no token. */
  async inTerminal(editor, tokens) {
    const lines = await until('the address in a new terminal', async () => {
      const found = await editor.terminal(`env-${Date.now()}`, 'env');
      return found.includes('TOWER_API_ENDPOINT=') && found;
    });
    assert.ok(lines.includes(`TOWER_API_ENDPOINT=${job.authority}`), lines);
    assert.ok(!/ACCESS_TOKEN=/.test(lines), 'no token by default');
    tokens.forEach((token) => assert.ok(!lines.includes(token)));
    await editor.command('Terminal: Kill All Terminals').catch(() => undefined);
  },

  /** Organisation, workspace and the report. */
  async choices(editor) {
    const { organizations } = await client.organizations('default');
    const other = organizations.at(-1);
    await editor.command('Seqera: Switch Organization');
    await editor.pick(other.fullName || other.name);
    await editor.status(other.name);
    assert.equal((await client.status({ profile: 'default' })).organization?.id, other.id);
    await editor.page.locator('[id="seqera.seqera-agent.seqera.status"]').click();
    await editor.row("Show the doctor's report").waitFor();
    await editor.shot('menu');
    await editor.leave("Show the doctor's report");
    await editor.command("Seqera: Show the Doctor's Report");
    await editor.page.locator('.view-lines', { hasText: /agent/i }).first().waitFor();
    await editor.shot('report');
  },

  /** Ways to sign in without a browser that comes back; what is shown when something is wrong. */
  async otherWays() {
    const editor = await Editor.open(job, { settings: { 'seqera.authority': job.authority } });
    try {
      await editor.command('Seqera: Sign In');
      await editor.pick(host);
      await editor.pick('On another device');
      await editor.page.getByText('Copy the code', { exact: true }).first().waitFor();
      await editor.shot('device-code');
      const page = await editor.opened(() => editor.pick('Copy the code and open the page'));
      const code = await editor.clipboard();
      assert.match(code, /^[\w-]{6,}$/);
      assert.ok(page.url().includes(code), page.url());
      await page.locator('button:has-text("ada@sandbox.test")').click();
      await page.getByText('go back to your terminal').first().waitFor();
      await page.close();
      await editor.status(/ada/);

      await editor.command('Seqera: Sign In');
      await editor.pick(host);
      await editor.type('lab');
      const opened = await editor.opened(() => editor.pick('In the browser'));
      const url = opened.url();
      await opened.close();
      await editor.type('http://127.0.0.1:1/callback?code=wrong&state=wrong');
      await editor.page.locator('.quick-input-message', { hasText: /./ }).first().waitFor();
      await editor.shot('pasted-wrong');
      await editor.type(await agree(url, 'grace@sandbox.test'));
      await until('the pasted sign-in', async () => (await stateOf('lab')) === 'SIGNED_IN');

      await SCENARIOS.trouble(editor);
    } catch (error) {
      await editor.failed();
      throw error;
    } finally {
      await editor.close();
    }
  },

  /** A session that its provider has ended, and an agent that comes back. */
  async trouble(editor) {
    const token = (await client.token({ profile: 'default' })).secret;
    await fetch(`${job.sandbox}/_sandbox/expire`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"refresh": "all"}' });
    await client.token({ profile: 'default', rejected: token }).then(() => assert.fail('the session has ended'), () => undefined);
    await editor.status('sign in again');
    await editor.shot('ended', true);
    const tooltip = await editor.tooltip();
    assert.ok(/Sign in/.test(tooltip), tooltip);

    const { pid } = await client.info();
    process.kill(pid, 'SIGKILL');
    await editor.command('Seqera: Show Account');
    await editor.leave("Show the doctor's report");
    await editor.status(/Seqera/);
    const { accounts } = await editor.ask('accounts', 'Consumer: List the Accounts');
    assert.ok(Array.isArray(accounts), 'the next question starts an agent');
    assert.notEqual((await client.info()).pid, pid);
  },

  /** Opening somebody's repository runs nothing, redirects nothing and gives nothing away. */
  async untrusted() {
    await signInElsewhere('default', 'ada@sandbox.test');
    const mark = join(job.root, 'ran');
    const evil = JSON.stringify({
      'seqera.program': '${workspaceFolder}/seqera',
      'seqera.agentSocket': '/tmp/nobody/agent.sock',
      'seqera.authority': 'https://evil.test/api',
      'seqera.terminal.environment': 'token',
    }).replace('${workspaceFolder}', join(job.root, 'editor/folder'));
    const files = { '.vscode/settings.json': evil, seqera: `#!/bin/sh\ntouch ${mark}\n`, 'seqera-agent': `#!/bin/sh\ntouch ${mark}\n` };
    const editor = await Editor.open(job, { trusted: false, files });
    try {
      await editor.status(/ada/);
      await editor.shot('untrusted', true);
      const tooltip = await editor.tooltip();
      assert.ok(tooltip.includes('not trusted'), tooltip);
      assert.equal(await editor.offers('Seqera: Sign In'), false);
      assert.equal((await editor.ask('accounts', 'Consumer: List the Accounts')).accounts.length, 0);
      assert.equal((await editor.ask('silent', 'Consumer: Who Is Signed In')).session, null);

      await editor.command('Workspaces: Manage Workspace Trust');
      await editor.button('Trust');
      await until('the account, once trusted', async () => (await editor.ask('accounts', 'Consumer: List the Accounts')).accounts.length === 1);
      await editor.command('Seqera: Sign In');
      await editor.row('Seqera Cloud').waitFor();
      assert.equal(await editor.row('evil.test').count(), 0, 'a workspace names no server');
      await editor.leave('Seqera Cloud');
      const lines = await editor.terminal('env', 'env');
      assert.ok(!/ACCESS_TOKEN=/.test(lines), 'a workspace asks for no token');
      assert.equal(existsSync(mark), false, 'nothing of the workspace was run');
    } catch (error) {
      await editor.failed();
      throw error;
    } finally {
      await editor.close();
    }
  },
};

await SCENARIOS[job.scenario]();
client.close();
console.log('done');
