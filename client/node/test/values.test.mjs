import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isInTheClear, OddValue, originOf, readToken } from '../dist/values.js';

const table = JSON.parse(readFileSync(new URL('../../../tests/conformance/belonging.json', import.meta.url)));

test('a token is found in what people keep around it', () => {
  for (const text of [
    'eyJ.a-b_c==',
    '\n\n  eyJ.a-b_c==  \r\n\r\n',
    '\ufeffeyJ.a-b_c==\n',
    '\x85eyJ.a-b_c==\x85',
    '"eyJ.a-b_c=="',
    '\u201ceyJ.a-b_c==\u201d',
    'export TOWER_ACCESS_TOKEN=eyJ.a-b_c==',
    "export TOWER_ACCESS_TOKEN='eyJ.a-b_c==';",
    'TOWER_ACCESS_TOKEN = eyJ.a-b_c==',
    'setenv TOWER_ACCESS_TOKEN eyJ.a-b_c==',
    '$env:TOWER_ACCESS_TOKEN = "eyJ.a-b_c=="',
    'Authorization: Bearer eyJ.a-b_c==\r\n',
    '"Authorization: Bearer eyJ.a-b_c=="',
    '# my token\nTOWER_API_ENDPOINT=https://a.test/api\nTOWER_ACCESS_TOKEN=eyJ.a-b_c==\n',
  ]) {
    assert.equal(readToken(text), 'eyJ.a-b_c==', JSON.stringify(text));
  }
  for (const token of ['eyJ0aWQiOiAxfQ==', 'a=', 'token==', 'abctoken=', 'a=b']) assert.equal(readToken(token), token);
});

test('nothing but blanks is nothing', () => {
  for (const text of ['', ' \r\n\t', '\ufeff\n', '\0']) assert.equal(readToken(text), undefined);
});

test('what is in doubt is refused with what is odd and nothing of it', () => {
  for (const [text, odd] of [
    ['canary canary', '2 words'],
    ['canary\ncanary\n', '2 lines'],
    ['A_TOKEN=canary\nB_TOKEN=canary2\n', '2 lines'],
    ['# canary\n', 'comments'],
    ['can\x07ary', 'control character'],
    ['can\u200bary', 'U+200B'],
    ['"canary', 'quotation mark'],
    ['$(canary)', "begins with '$'"],
    ['{"canary":1}', "begins with '{'"],
    ['Bearer', 'Bearer'],
    ['Bearer\tcanary', '2 words'],
    ['x'.repeat(48 * 1024 + 1), 'too long'],
  ]) {
    assert.throws(() => readToken(text), (error) => error.message.includes(odd) && !error.message.includes('canary'), text.slice(0, 20));
  }
});

test('an origin is that of an address, whatever its spelling', () => {
  const { read, refused } = table.addresses;
  for (const [typed, origin] of Object.entries(read)) assert.equal(originOf(typed), origin, typed);
  for (const odd of refused) assert.throws(() => originOf(odd), OddValue, odd);
  assert.throws(() => originOf('https://ada:canary@a.test'), (error) => !error.message.includes('canary'));
});

test('others can read along on the way to all but this machine, unless by TLS', () => {
  for (const safe of ['https://a.test', 'http://127.0.0.1:1', 'http://127.8.9.10', 'http://[::1]:8000', 'http://localhost']) {
    assert.ok(!isInTheClear(safe), safe);
  }
  for (const open of ['http://a.test', 'http://127.0.0.1.a.test', 'http://localhost.a.test', 'http://10.0.0.1', 'http://[::2]']) {
    assert.ok(isInTheClear(open), open);
  }
});
