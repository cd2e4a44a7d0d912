import assert from 'node:assert/strict';
import { chmodSync, chownSync, lchownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { inspect } from 'node:util';
import { Client, findProgram } from '../dist/index.js';
import { givenToken, originsOfGiven, profileOfExec, sha256 } from '../dist/environment.js';

const folder = mkdtempSync(join(tmpdir(), 'seqera-node-'));
after(() => rmSync(folder, { recursive: true }));

function file(name, text, mode = 0o600) {
  const path = join(folder, name);
  writeFileSync(path, text);
  chmodSync(path, mode);
  return path;
}

test('the file comes before the variables, and each before the next', () => {
  const SEQERA_ACCESS_TOKEN_FILE = file('plain', 'of-file\n');
  const all = { SEQERA_ACCESS_TOKEN_FILE, SEQERA_ACCESS_TOKEN: 'of-seqera', TOWER_ACCESS_TOKEN: 'of-tower' };
  assert.equal(givenToken(all).secret, 'of-file');
  assert.equal(givenToken({ ...all, SEQERA_ACCESS_TOKEN_FILE: ' ' }).secret, 'of-seqera');
  assert.equal(givenToken({ TOWER_ACCESS_TOKEN: 'of-tower' }).secret, 'of-tower');
  assert.equal(givenToken({}), undefined);
});

test('what stands beside the token in its file beats the environment', () => {
  const text = 'secret\n# seqera token file, kept\nauthority=https://a.test/api\napi=https://api.a.test\nworkspace=7\nprofile=work\nexpires=2100-01-01T00:00:00Z\nmoon=full\n';
  const env = { SEQERA_ACCESS_TOKEN_FILE: file('marked', text), TOWER_API_ENDPOINT: 'https://other.test' };
  const given = givenToken(env);
  assert.deepEqual([given.secret, given.workspaceId, given.profile], ['secret', '7', 'work']);
  assert.deepEqual([...originsOfGiven(env, given)].sort(), ['https://a.test', 'https://api.a.test']);
});

test('a file that is not there or holds no token is an error that names it', () => {
  for (const path of [join(folder, 'nowhere'), file('empty', '\n'), file('odd', 'canary canary'), file('large', 'x'.repeat(70_000)), folder]) {
    assert.throws(() => givenToken({ SEQERA_ACCESS_TOKEN_FILE: path }), (error) => {
      assert.equal(error.reason, 'BAD_REQUEST');
      assert.ok(error.message.includes(path) && !error.message.includes('canary') && error.hint, error.message);
      return true;
    });
  }
});

test('a token of the environment goes to the address beside it, and to Cloud where none is named', () => {
  const at = (env) => [...originsOfGiven(env, givenToken({ TOWER_ACCESS_TOKEN: 't', ...env }))].sort();
  assert.deepEqual(at({}), ['https://api.cloud.seqera.io', 'https://cloud.seqera.io']);
  assert.deepEqual(at({ TOWER_API_ENDPOINT: 'https://x.test/api' }), ['https://x.test']);
  assert.deepEqual(at({ SEQERA_AUTH_DOMAIN: 'https://cloud.seqera.io/api' }), ['https://api.cloud.seqera.io', 'https://cloud.seqera.io']);
});

test('a token goes to its own Platform, and where two are named to neither', () => {
  const [A, B] = ['https://a.test', 'https://b.test'];
  const at = (env, top = '') => {
    const path = file('config.json', JSON.stringify({ authDomain: top }));
    const all = { SEQERA_CLI_CONFIG_DIR: dirname(path), ...env };
    return [...originsOfGiven(all, givenToken(all))].sort();
  };
  const [tower, seqera] = [{ TOWER_ACCESS_TOKEN: 't' }, { SEQERA_ACCESS_TOKEN: 't' }];
  for (const [env, top, own] of [
    [{ ...tower, TOWER_API_ENDPOINT: B }, A, [B]],
    [{ ...seqera, TOWER_API_ENDPOINT: B }, '', [B]],
    [seqera, A, [A]],
    [{ ...seqera, SEQERA_AUTH_DOMAIN: A }, B, [A]],
    [{ ...seqera, SEQERA_AUTH_DOMAIN: A, TOWER_API_ENDPOINT: B }, '', [A]],
    [{ ...tower, SEQERA_AUTH_DOMAIN: A, TOWER_API_ENDPOINT: B }, '', []],
    [{ ...seqera, SEQERA_AUTH_DOMAIN: A, SEQERA_API_ENDPOINT: B }, '', []],
    [{ ...seqera, TOWER_API_ENDPOINT: B }, A, []],
    [{ ...seqera, TOWER_API_ENDPOINT: B, TOWER_ACCESS_TOKEN: 'another' }, '', []],
  ]) assert.deepEqual(at(env, top), own, JSON.stringify([env, top]));
  const broken = { SEQERA_CLI_CONFIG_DIR: dirname(file('config.json', '{')), ...seqera };
  assert.throws(() => originsOfGiven(broken, givenToken(broken)), { reason: 'MISCONFIGURED' });
});

test('a configuration that everybody can change says nothing about a token', () => {
  const path = file('config.json', JSON.stringify({ authDomain: 'https://a.test' }), 0o664);
  const env = { SEQERA_ACCESS_TOKEN: 't', SEQERA_CLI_CONFIG_DIR: dirname(path) };
  assert.deepEqual([...originsOfGiven(env, givenToken(env))], ['https://a.test']);
  chmodSync(path, 0o666);
  assert.throws(() => originsOfGiven(env, givenToken(env)), { reason: 'MISCONFIGURED' });
  chmodSync(path, 0o600);
});

test('a token that exec has set means its profile, and another one does not', () => {
  const env = { SEQERA_ACCESS_TOKEN: 't', SEQERA_EXEC_TOKEN: `work:${sha256('t')}` };
  assert.equal(profileOfExec(env, givenToken(env)), 'work');
  assert.equal(profileOfExec({ ...env, SEQERA_EXEC_TOKEN: `work:${sha256('u')}` }, givenToken(env)), undefined);
});

test('a token shows its secret only when asked', async () => {
  const token = await new Client({ env: { TOWER_ACCESS_TOKEN: 'canary' } }).token();
  for (const shown of [inspect(token, { depth: 9, showHidden: true }), `${token}`, JSON.stringify(token), String(Object.values(token))]) {
    assert.ok(!shown.includes('canary'), shown);
  }
  assert.deepEqual([token.secret, token.header, token.source], ['canary', 'Bearer canary', 'TOWER_ACCESS_TOKEN']);
});

test('a program that everybody can change is not started, and a relative folder is passed over', () => {
  const path = file('seqera', '#!/bin/sh\n', 0o777);
  assert.throws(() => findProgram({ PATH: folder }), { reason: 'DISTRUSTED' });
  chmodSync(path, 0o755);
  assert.equal(findProgram({ PATH: `.:relative:${folder}` }), path);
  assert.equal(findProgram({ PATH: '.:relative' }), undefined);
  assert.throws(() => findProgram({}, 'seqera'), { reason: 'BAD_REQUEST' });
  assert.throws(() => findProgram({}, join(folder, 'nowhere')), { reason: 'NO_AGENT' });
});

test('a token that anybody could have put there is not used', { skip: process.getuid() !== 0 && 'needs root, to play a second user' }, () => {
  const [shared, apart] = ['of-all', 'apart'].map((name) => join(folder, name));
  for (const of of [shared, apart]) {
    mkdirSync(of);
    writeFileSync(join(of, 'token'), 'theirs');
    chownSync(join(of, 'token'), 65534, 65534);
  }
  chmodSync(shared, 0o1777);
  symlinkSync(join(shared, 'token'), join(folder, 'to-shared'));
  symlinkSync(join(apart, 'token'), join(shared, 'link'));
  lchownSync(join(shared, 'link'), 65534, 65534);
  for (const path of [join(shared, 'token'), join(folder, 'to-shared'), join(shared, 'link')]) {
    const refused = { reason: 'BAD_REQUEST', message: /put there by uid 65534/ };
    assert.throws(() => givenToken({ SEQERA_ACCESS_TOKEN_FILE: path }), refused);
  }
  // In a container its owner has another number.
  assert.equal(givenToken({ SEQERA_ACCESS_TOKEN_FILE: join(apart, 'token') }).secret, 'theirs');
});

test('a folder of PATH that cannot be looked into is passed over', { skip: process.getuid() !== 0 && 'needs root, to become a second user' }, () => {
  const closed = join(folder, 'closed');
  mkdirSync(closed, { mode: 0o700 });
  process.seteuid(65534);
  try {
    assert.equal(findProgram({ PATH: closed }), undefined);
  } finally {
    process.seteuid(0);
  }
});

test('what leads to a program is its owners\' as well', () => {
  const base = realpathSync(folder);
  const [open, bin, links] = [join(base, 'open'), join(base, 'open/bin'), join(base, 'links')];
  mkdirSync(bin, { recursive: true });
  mkdirSync(links);
  writeFileSync(join(bin, 'seqera'), '#!/bin/sh\n');
  chmodSync(join(bin, 'seqera'), 0o755);
  symlinkSync('../open/bin/../bin/seqera', join(links, 'seqera'));
  for (const [mode, isSafe] of [[0o755, true], [0o1777, true], [0o777, false]]) {
    chmodSync(open, mode);
    for (const PATH of [bin, links]) {
      if (isSafe) assert.equal(findProgram({ PATH }), join(bin, 'seqera'));
      else assert.throws(() => findProgram({ PATH }), { message: `${open} is not safe to use: everybody may write to it (mode 0777)` });
    }
  }
});

test('the command looks for its interpreter in no folder that could be anybody\'s', async () => {
  const [bin, open] = [join(folder, 'bin'), join(folder, 'shared')];
  for (const made of [bin, open]) mkdirSync(made);
  chmodSync(open, 0o1777);
  const teller = `#!/usr/bin/env sh\nprintf '{"error":{"reason":"MISCONFIGURED","message":"%s"}}\\n' "$PATH" >&2\nexit 2\n`;
  const program = join(bin, 'teller');
  writeFileSync(program, teller);
  chmodSync(program, 0o755);
  const PATH = [`.`, '', open, 'bin', '/usr/bin', '/bin'].join(':');
  await assert.rejects(new Client({ program, env: { PATH } }).token(), { message: '/usr/bin:/bin' });
});

test('what the command prints as an error is the error', async () => {
  const failing = file('failing', `#!/bin/sh\necho 'note: x' >&2\necho '{"error":{"reason":"MISCONFIGURED","message":"wrong","hint":"right"}}' >&2\nexit 2\n`, 0o755);
  await assert.rejects(new Client({ program: failing, env: {} }).token(), { name: 'ConfigurationError', reason: 'MISCONFIGURED', message: 'wrong', hint: 'right' });
  const mute = file('mute', '#!/bin/sh\nexit 7\n', 0o755);
  await assert.rejects(new Client({ program: mute, env: {} }).token(), { reason: 'NO_AGENT' });
  const odd = file('odd-answer', '#!/bin/sh\necho hello\n', 0o755);
  await assert.rejects(new Client({ program: odd, env: {} }).token(), { reason: 'AGENT_NOT_UNDERSTOOD' });
});
