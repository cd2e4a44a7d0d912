import assert from 'node:assert/strict';
import { test } from 'node:test';
import { length, summary } from '../dist/plain/summary.mjs';

const NOW = new Date('2026-01-01T00:00:00Z');
const minutes = (count) => new Date(NOW.getTime() + count * 60_000);

function session(more = {}) {
  return {
    profile: 'default', state: 'SIGNED_IN', fixed: false, authority: 'https://a.test/api', apiUrl: '', provider: 'platform',
    account: { subject: 's', email: 'ada@a.test', userName: 'ada', displayName: '' },
    organization: { id: '1', name: 'acme', fullName: 'Acme Corp' }, workspaceId: '', workspaceName: '',
    accessExpiresAt: minutes(52), sessionExpiresAt: undefined, store: 'keychain', unsaved: false, failure: undefined, notes: [],
    ...more,
  };
}

function shown(sessions, more = {}) {
  return summary({ sessions, defaultProfile: 'default', problem: undefined, trusted: true, ...more }, NOW);
}

test('account, organisation and time left', () => {
  const said = shown([session()]);
  assert.equal(said.text, '$(account) ada · acme · 52 min');
  assert.equal(said.severity, 'none');
  assert.deepEqual(said.rows, [['Profile', 'default'], ['Account', 'ada@a.test'], ['Organization', 'Acme Corp'], ['Server', 'a.test'], ['Session', 'token for 52 min, renewed by itself']]);
});

test('the end of the session comes before that of the token', () => {
  const said = shown([session({ sessionExpiresAt: minutes(60 * 24 * 3 + 5) })]);
  assert.match(said.text, /3 days$/);
  assert.deepEqual(said.rows.at(-1), ['Session', 'ends in 3 days']);
});

test('a token without an end has no time left', () => {
  const said = shown([session({ fixed: true, accessExpiresAt: undefined, organization: undefined })]);
  assert.equal(said.text, '$(account) ada');
  assert.deepEqual(said.rows.at(-1), ['Session', 'access token without an end']);
});

test('with several accounts the bar says which', () => {
  const said = shown([session(), session({ profile: 'work' })], { defaultProfile: 'work' });
  assert.match(said.text, /work: ada/);
  assert.deepEqual(said.rows.at(-1), ['Also signed in', 'default']);
});

test('a long name does not push others out of the bar', () => {
  const said = shown([session({ organization: { id: '1', name: 'x'.repeat(80), fullName: '' } })]);
  assert.ok(said.text.length < 70, said.text);
});

test('each trouble has its remedy', () => {
  const failure = { reason: 'ISSUER_UNREACHABLE', message: 'no answer', at: NOW, retryAt: NOW };
  for (const [given, text, hint] of [
    [session({ failure }), /warning.*ada/, /report/],
    [session({ unsaved: true }), /warning.*ada/, /memory|lost/],
    [session({ state: 'LOGIN_EXPIRED', failure: { ...failure, message: 'the provider refused' } }), /sign in again/, /Sign in/],
    [session({ state: 'OTHER_HOST' }), /sign in again/, /adopt/],
  ]) {
    const said = shown([given]);
    assert.match(said.text, text);
    assert.equal(said.severity, 'warning');
    assert.match(said.problems[0].hint, hint);
    assert.ok(said.actions.length > 0 && said.spoken.length > 0);
  }
});

test('nobody, no agent, and an agent that is in the way', () => {
  assert.equal(shown([]).text, '$(account) Seqera: signed out');
  assert.equal(shown([session({ state: 'SIGNED_OUT' })]).text, '$(account) Seqera: signed out');
  const problem = { reason: 'NO_AGENT', message: 'no agent is running', hint: 'start it' };
  assert.deepEqual([shown([], { problem }).severity, shown([], { problem }).problems], ['none', [problem]]);
  assert.equal(shown([], { problem: { ...problem, reason: 'DISTRUSTED' } }).severity, 'error');
});

test('an untrusted workspace is told so and offered nothing', () => {
  const said = shown([session({ state: 'LOGIN_EXPIRED' })], { trusted: false });
  assert.deepEqual(said.actions, []);
  assert.match(said.rows.at(-1)[1], /not trusted/);
});

test('lengths are in their largest unit', () => {
  assert.deepEqual([0, 59, 60, 7199, 7200, 172_799, 172_800].map(length), ['under a minute', 'under a minute', '1 min', '119 min', '2 h', '47 h', '2 days']);
});
