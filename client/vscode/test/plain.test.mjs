import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fits, labelOf, wishOf } from '../dist/plain/scopes.mjs';
import { holdsToken, variablesOf } from '../dist/plain/terminal-variables.mjs';

const session = {
  profile: 'work', authority: 'https://a.test/api', apiUrl: '', provider: 'platform', workspaceId: '7',
  account: { email: 'ada@a.test' },
};

test('a scope names a profile or an authority, and nothing else', () => {
  assert.ok(fits(session, wishOf([])));
  assert.ok(fits(session, wishOf(['profile:work', 'authority:https://A.test/api/'])));
  assert.ok(!fits(session, wishOf(['profile:home'])));
  assert.ok(!fits(session, wishOf(['authority:https://b.test/api'])));
  for (const scope of ['everything', 'profile:', 'api:read']) assert.throws(() => wishOf([scope]), /no scope/);
});

test('an account is called the same whatever happens to its session, and another one at the same profile is not', () => {
  const cloud = { ...session, authority: 'https://cloud.seqera.io/api' };
  assert.equal(labelOf(cloud), 'ada@a.test (work)');
  assert.equal(labelOf({ ...cloud, authority: 'https://API.cloud.seqera.io/' }), 'ada@a.test (work)');
  assert.equal(labelOf({ ...cloud, account: undefined }), 'work');
  for (const authority of [session.authority, 'https://A.test/api/']) {
    assert.equal(labelOf({ ...session, authority }), 'ada@a.test (work, a.test)');
  }
});

test('terminals get address and workspace, and a token only where that is wanted', () => {
  const without = variablesOf(session, undefined, {});
  assert.equal(without.get('TOWER_API_ENDPOINT'), 'https://a.test/api');
  assert.equal(without.get('TOWER_WORKSPACE_ID'), '7');
  assert.ok(![...without.keys()].some((name) => name.includes('TOKEN')));
  const wanted = variablesOf({ ...session, apiUrl: 'https://api.a.test' }, 'canary', {});
  assert.equal(wanted.get('TOWER_API_ENDPOINT'), 'https://api.a.test');
  assert.equal(wanted.get('TOWER_ACCESS_TOKEN'), 'canary');
  assert.match(wanted.get('SEQERA_EXEC_TOKEN'), /^work:[0-9a-f]{64}$/);
  assert.equal(variablesOf({ ...session, provider: 'scitoolkit' }, 'canary', {}).size, 0);
});

test('backend and audience of another account do not stay beside the token', () => {
  const set = { SEQERA_AI_BACKEND_URL: 'https://ai.b.test', SEQERA_AUTH_AUDIENCE: 'b' };
  const of = (domain) => variablesOf(session, 'canary', { SEQERA_AUTH_DOMAIN: domain, ...set });
  for (const other of [undefined, '', 'https://b.test/api']) {
    for (const name of Object.keys(set)) assert.equal(of(other).get(name), '', name);
  }
  assert.ok(!of('https://A.test/api/').has('SEQERA_AI_BACKEND_URL'));
  assert.ok(!of(undefined).has('SEQERA_AUTH_CLI_CLIENT_ID'), 'what is not there is not set');
});

test('where the environment holds a token nothing is added', () => {
  assert.ok(holdsToken({ TOWER_ACCESS_TOKEN: 't' }) && holdsToken({ SEQERA_ACCESS_TOKEN_FILE: '/f' }));
  assert.ok(!holdsToken({ TOWER_ACCESS_TOKEN: ' ' }) && !holdsToken({}));
});

test('no setting can be set by a workspace, and every command is refused without trust', () => {
  const { contributes, capabilities } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url)));
  const settings = contributes.configuration.properties;
  for (const [name, { scope }] of Object.entries(settings)) assert.equal(scope, 'machine', name);
  assert.deepEqual(capabilities.untrustedWorkspaces.restrictedConfigurations, Object.keys(settings));
  const open = contributes.commands.filter(({ enablement }) => enablement !== 'isWorkspaceTrusted');
  assert.deepEqual(open.map(({ command }) => command), ['seqera.menu']);
});
