import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { givenToken, origins, originsOfGiven } from '../dist/environment.js';

const folder = mkdtempSync(join(tmpdir(), 'seqera-node-'));
after(() => rmSync(folder, { recursive: true }));
const table = JSON.parse(readFileSync(new URL('../../../tests/conformance/belonging.json', import.meta.url)));
const SEQERA = { SEQERA_ACCESS_TOKEN: 't', SEQERA_CLI_CONFIG_DIR: folder };

function goes(env) {
  try {
    const found = originsOfGiven(env, givenToken(env));
    return Object.entries(table.places).filter(([, place]) => found.has(place)).map(([letter]) => letter).join('') || '-';
  } catch (error) {
    assert.equal(error.reason, 'MISCONFIGURED', error);
    return '-';
  }
}

test('a token goes where the command would send it, whatever is set', () => {
  const combinations = table.values.reduce((all, { name, values }) => all.flatMap((set) => values.map((value) => ({ ...set, [name]: value }))), [{}]);
  let top;
  for (const { token, goes: packed } of table.rows) {
    const words = packed.split(' ').flatMap((word) => Array(Number(word.split('*')[1] ?? 1)).fill(word.split('*')[0]));
    assert.equal(words.length, combinations.length);
    const { FILE, ...variables } = token;
    const SEQERA_ACCESS_TOKEN_FILE = FILE && join(folder, 'token');
    if (FILE) writeFileSync(SEQERA_ACCESS_TOKEN_FILE, FILE);
    combinations.forEach(({ authDomain, ...env }, at) => {
      if (top !== authDomain) writeFileSync(join(folder, 'config.json'), JSON.stringify({ authDomain: (top = authDomain) }));
      const found = goes({ ...env, ...variables, SEQERA_ACCESS_TOKEN_FILE, SEQERA_CLI_CONFIG_DIR: folder });
      assert.equal(found, words[at], JSON.stringify([token, env, authDomain]));
    });
  }
});

test('others must not be able to read along, in a session either', () => {
  assert.deepEqual([...origins(['http://a.test/api', 'http://127.0.0.1:8000/api'])], ['http://127.0.0.1:8000']);
  assert.deepEqual([...origins(['https://a.test/api?tenant=1', 'nonsense', ''])], ['https://a.test'], 'recorded before');
});

test('where config.json lies is decided as the command does', () => {
  const at = (...parts) => {
    mkdirSync(join(folder, ...parts), { recursive: true });
    writeFileSync(join(folder, ...parts, 'config.json'), JSON.stringify({ authDomain: 'https://b.test/api' }));
    return join(folder, parts[0]);
  };
  const HOME = at('home', '.config', 'seqera-ai');
  const XDG_CONFIG_HOME = at('xdg', 'seqera-ai');
  const token = { SEQERA_ACCESS_TOKEN: 't' };
  assert.equal(goes({ ...token, HOME }), 'b');
  assert.equal(goes({ ...token, XDG_CONFIG_HOME, HOME: folder }), 'b');
  assert.equal(goes({ ...token, XDG_CONFIG_HOME: 'xdg', HOME }), 'b', 'a relative one does not count');
  assert.equal(goes({ ...token, XDG_CONFIG_HOME: join(folder, 'none'), HOME }), 'c');
  if (process.platform === 'linux') assert.equal(goes({ ...token, USERPROFILE: HOME }), 'c');
  for (const odd of [{ SEQERA_CLI_CONFIG_DIR: 'home', HOME }, { HOME: 'home' }, { SEQERA_CLI_CONFIG_DIR: `${HOME}\nx`, HOME }]) {
    assert.throws(() => originsOfGiven({ ...token, ...odd }, givenToken(token)), { reason: 'MISCONFIGURED' }, JSON.stringify(odd));
  }
});

test('what is no file is neither waited for nor read', { skip: process.platform === 'win32' }, () => {
  const path = join(folder, 'config.json');
  const refused = () => assert.throws(() => originsOfGiven(SEQERA, givenToken(SEQERA)), { reason: 'MISCONFIGURED' });
  rmSync(path, { force: true });
  execFileSync('mkfifo', [path]);
  refused();
  assert.throws(() => givenToken({ SEQERA_ACCESS_TOKEN_FILE: path }), { reason: 'BAD_REQUEST' });
  rmSync(path);
  symlinkSync('/dev/zero', path);
  refused();
  assert.throws(() => givenToken({ SEQERA_ACCESS_TOKEN_FILE: path }), { reason: 'BAD_REQUEST' });
  rmSync(path);
  writeFileSync(path, ' '.repeat((1 << 20) + 1));
  refused();
  rmSync(path);
  writeFileSync(join(folder, 'real'), '{"authDomain": "https://b.test"}');
  symlinkSync('real', path);
  assert.equal(goes(SEQERA), 'b', 'people link it into place');
  rmSync(path);
});

test('what config.json says is read as the command reads it', () => {
  const path = join(folder, 'config.json');
  const domain = '{"authDomain": "https://b.test/api"}';
  const wide = Buffer.from(`\ufeff${domain}`, 'utf16le');
  for (const content of [domain, `\ufeff${domain}\n`, wide, Buffer.from(wide).swap16()]) {
    writeFileSync(path, content);
    assert.equal(goes(SEQERA), 'b');
  }
  for (const content of ['', ' \n', '{}', '{"authDomain": null}', '{"authDomain": " "}', '{"other": 5}']) {
    writeFileSync(path, content);
    assert.equal(goes(SEQERA), 'c', content);
  }
  for (const odd of ['[]', '5', '"https://b.test"', 'null', '{"authDomain": false}', '{"authDomain": 0}', '{"authDomain": ["https://b.test"]}', '{,}', Buffer.from([0xff, 0x41])]) {
    writeFileSync(path, odd);
    assert.throws(() => originsOfGiven(SEQERA, givenToken(SEQERA)), { reason: 'MISCONFIGURED' }, String(odd));
  }
  rmSync(path);
});
