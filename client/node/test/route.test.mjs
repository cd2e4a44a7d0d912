import { Metadata, Server, ServerCredentials, status } from '@grpc/grpc-js';
import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { encode } from '../dist/contract.js';
import { Client } from '../dist/index.js';
import { listens } from '../dist/socket.js';

const root = mkdtempSync(join(tmpdir(), 'seqera-node-'));
after(() => rmSync(root, { recursive: true }));
let count = 0;

function folder(mode = 0o700) {
  const path = join(root, String((count += 1)));
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

/** An agent that answers as it is told. */
async function agent(t, calls) {
  const socket = join(folder(), 'agent.sock');
  const server = new Server();
  const methods = Object.keys(calls).map((path) => [path, { path, requestStream: false, responseStream: false, requestSerialize: (b) => b, requestDeserialize: (b) => b, responseSerialize: (b) => b, responseDeserialize: (b) => b }]);
  server.addService(Object.fromEntries(methods), Object.fromEntries(Object.entries(calls)));
  await new Promise((resolve, reject) => server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => (error ? reject(error) : resolve())));
  t.after(() => server.forceShutdown());
  const client = new Client({ env: { SEQERA_AGENT_SOCK: socket }, deadline: 5, profile: 'work' });
  t.after(() => client.close());
  return client;
}

const GET = '/seqera.agent.v1.Tokens/GetAccessToken';
const COMPLETE = '/seqera.agent.v1.Sessions/CompleteLogin';
const TOKEN = encode('seqera.agent.v1.AccessToken', { accessToken: 'secret', profile: 'work', workspaceId: '9007199254740993' });

function refusal(reason, domain, retry) {
  const any = (type, message) => ({ type_url: `type.googleapis.com/${type}`, value: encode(type, message) });
  const details = [any('google.rpc.ErrorInfo', { reason, domain, metadata: { hint: 'do this' } })];
  if (retry) details.push(any('google.rpc.RetryInfo', { retryDelay: { seconds: '9', nanos: 500_000_000 } }));
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', encode('google.rpc.Status', { code: 14, details }));
  return { code: status.UNAVAILABLE, details: 'why', metadata };
}

test('an id that no number can hold stays whole', async (t) => {
  const client = await agent(t, { [GET]: (_, answer) => answer(null, TOKEN) });
  assert.equal((await client.token()).workspaceId, '9007199254740993');
});

test('a refusal carries its reason, its hint and the time to wait, and is not repeated', async (t) => {
  let asked = 0;
  const client = await agent(t, { [GET]: (_, answer) => { asked += 1; answer(refusal('ISSUER_UNREACHABLE', 'agent.seqera.io', true)); } });
  await assert.rejects(client.token(), { name: 'ProviderUnreachableError', reason: 'ISSUER_UNREACHABLE', hint: 'do this', retryAfter: 9.5, message: 'why' });
  assert.equal(asked, 1);
});

test('a reason of a later agent keeps its name', async (t) => {
  const client = await agent(t, { [GET]: (_, answer) => answer(refusal('MOON_PHASE', 'agent.seqera.io')) });
  await assert.rejects(client.token(), { name: 'RefusedError', reason: 'MOON_PHASE' });
});

test('a lost connection is tried again where that can do no harm, and nowhere else', async (t) => {
  const [asked, lost] = [{ get: 0, complete: 0 }, { code: status.UNAVAILABLE, details: 'gone' }];
  const client = await agent(t, {
    [GET]: (_, answer) => { asked.get += 1; asked.get < 3 ? answer(lost) : answer(null, TOKEN); },
    [COMPLETE]: (_, answer) => { asked.complete += 1; answer(lost); },
  });
  assert.equal((await client.token()).secret, 'secret');
  await assert.rejects(client.completeLogin('work', 'x'), { reason: 'AGENT_UNREACHABLE' });
  assert.deepEqual(asked, { get: 3, complete: 1 });
});

test('a refusal of somebody else is not taken for the agent’s', async (t) => {
  const client = await agent(t, { [GET]: (_, answer) => answer({ ...refusal('SIGNED_OUT', 'example.org'), code: status.INTERNAL }) });
  await assert.rejects(client.token(), { name: 'NotUnderstoodError' });
});

test('an agent of another version is said to be one', async (t) => {
  const client = await agent(t, { [COMPLETE]: (_, answer) => answer(null, Buffer.alloc(0)) });
  await assert.rejects(client.token(), ({ reason, hint }) => reason === 'AGENT_NOT_UNDERSTOOD' && hint.includes('versions'));
});

test('an answer that is no message of the contract is an error and not a token', async (t) => {
  const client = await agent(t, { [GET]: (_, answer) => answer(null, Buffer.from([0xff, 0xff, 0xff])) });
  await assert.rejects(client.token(), { name: 'NotUnderstoodError' });
});

test('one that says nothing is silent, within the deadline', async (t) => {
  const socket = join(folder(), 'agent.sock');
  const connections = new Set();
  const server = createServer((connection) => connections.add(connection));
  await new Promise((resolve) => server.listen(socket, resolve));
  t.after(() => {
    connections.forEach((connection) => connection.destroy());
    server.close();
  });
  const client = new Client({ env: { SEQERA_AGENT_SOCK: socket }, deadline: 0.3, profile: 'work' });
  t.after(() => client.close());
  await assert.rejects(client.token(), ({ reason, hint }) => ['AGENT_SILENT', 'AGENT_UNREACHABLE'].includes(reason) && hint !== undefined);
});

test('a signal ends a call with its reason', async (t) => {
  const client = await agent(t, { [GET]: () => undefined });
  const ending = new AbortController();
  const asked = client.token({ signal: ending.signal });
  setTimeout(() => ending.abort(new Error('enough')), 50);
  await assert.rejects(asked, { message: 'enough' });
});

test('a folder that others may write to, that is a link or that is another user’s is not trusted', async () => {
  const open = folder(0o777);
  await assert.rejects(listens(join(open, 's'), 1), { reason: 'DISTRUSTED' });
  const link = join(root, 'link');
  symlinkSync(folder(), link);
  await assert.rejects(listens(join(link, 's'), 1), { reason: 'DISTRUSTED' });
  if (process.getuid() === 0) {
    const theirs = folder();
    chownSync(theirs, 12345, 12345);
    await assert.rejects(listens(join(theirs, 's'), 1), { reason: 'DISTRUSTED', message: /uid 12345/ });
  }
});

test('a socket of another user in a folder of ours is not trusted', async (t) => {
  if (process.getuid() !== 0) return t.skip('needs root to give a file away');
  const socket = join(folder(), 's');
  const server = createServer();
  await new Promise((resolve) => server.listen(socket, resolve));
  t.after(() => server.close());
  chownSync(socket, 12345, 12345);
  await assert.rejects(listens(socket, 1), { reason: 'DISTRUSTED' });
});

test('where nothing is or nobody listens there is nobody', async (t) => {
  const path = folder();
  assert.equal(await listens(join(path, 'none'), 1), false);
  assert.equal(await listens(join(path, 'none/deeper'), 1), false);
  const client = new Client({ env: { SEQERA_AGENT_SOCK: join(path, 'none') }, profile: 'work' });
  await assert.rejects(client.token(), ({ reason, message, hint }) => reason === 'NO_AGENT' && message.includes(path) && hint.includes('SEQERA_AGENT_SOCK'));
  await assert.rejects(new Client({ env: { SEQERA_AGENT_SOCK: 'agent.sock' }, profile: 'work' }).token(), { reason: 'MISCONFIGURED', message: /SEQERA_AGENT_SOCK/ });
  await assert.rejects(new Client({ env: {}, profile: 'work' }).token(), ({ reason, hint }) => reason === 'NO_AGENT' && hint.includes('install'));
});
