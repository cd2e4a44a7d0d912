import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, beforeEach, test } from 'node:test';
import { authorizedFetch } from '../dist/fetch.js';

let [own, other] = [];
let seen = [];
let [answers, count] = [{}, 0];

async function server(name) {
  const made = createServer(async (request, response) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method, url, headers } = request;
    seen.push({ at: name, method, url, authorization: headers.authorization, cookie: headers.cookie, body: Buffer.concat(chunks).toString() });
    const answer = answers[`${name}${url}`] ?? { status: 200 };
    const { status, ...more } = typeof answer === 'function' ? answer(headers) : answer;
    response.writeHead(status, more).end('body');
  });
  await new Promise((resolve) => made.listen(0, '127.0.0.1', resolve));
  return Object.assign(made, { url: `http://127.0.0.1:${made.address().port}` });
}

before(async () => {
  [own, other] = [await server('own'), await server('other')];
});
after(() => [own, other].forEach((one) => one.close()));
beforeEach(() => ([seen, answers, count] = [[], {}, 0]));

/** The first token is t1, and the one after a refusal t2. */
async function handOut({ rejected } = {}) {
  count += 1;
  const name = rejected ? 't2' : 't1';
  const token = { secret: name, header: `Bearer ${name}`, expiresAt: new Date('2030-01-01') };
  return { token, origins: new Set([own.url]) };
}

const get = (url, init) => authorizedFetch(handOut, url, init);

test('a cookie and the token stay behind on the way to another origin', async () => {
  answers['own/a'] = { status: 302, location: `${other.url}/b` };
  const response = await get(`${own.url}/a`, { headers: { cookie: 'c=1' } });
  assert.deepEqual(seen.map(({ at, authorization, cookie }) => [at, authorization, cookie]), [['own', 'Bearer t1', 'c=1'], ['other', undefined, undefined]]);
  assert.equal(response.redirected, true);
});

test('a request with its own authorization keeps it, and is not renewed', async () => {
  answers['own/'] = { status: 401 };
  const response = await get(`${own.url}/`, { headers: { authorization: 'Basic x' } });
  assert.equal(response.status, 401);
  assert.deepEqual(seen.map(({ authorization }) => authorization), ['Basic x']);
});

test('what a redirect does to method and body is as the standard says', async () => {
  for (const [status, method, expected, body] of [[302, 'POST', 'GET', ''], [303, 'PUT', 'GET', ''], [307, 'POST', 'POST', 'x'], [308, 'PUT', 'PUT', 'x'], [302, 'PUT', 'PUT', 'x']]) {
    [seen, answers] = [[], { 'own/a': { status, location: '/b' } }];
    await get(`${own.url}/a`, { method, body: 'x' });
    assert.deepEqual([seen[1].method, seen[1].body, seen[1].authorization], [expected, body, 'Bearer t1'], `${status} ${method}`);
  }
});

test('a body that can be read only once is not sent twice', async () => {
  answers['own/'] = { status: 401 };
  const body = new ReadableStream({ start: (controller) => { controller.enqueue(Buffer.from('x')); controller.close(); } });
  const response = await get(`${own.url}/`, { method: 'POST', body, duplex: 'half' });
  assert.deepEqual([response.status, seen.length, count], [401, 1, 1]);
});

test('a request object is taken as it is', async () => {
  answers['own/'] = ({ authorization }) => ({ status: authorization === 'Bearer t1' ? 401 : 200 });
  const response = await get(new Request(`${own.url}/`, { headers: { 'x-a': '1' } }));
  assert.deepEqual([response.status, seen.length], [200, 2]);
});

test('a loop ends, a redirect that is not allowed fails, and one that is to be shown is shown', async () => {
  answers['own/loop'] = { status: 302, location: '/loop' };
  await assert.rejects(get(`${own.url}/loop`), TypeError);
  assert.equal(seen.length, 21);
  await assert.rejects(get(`${own.url}/loop`, { redirect: 'error' }), TypeError);
  assert.equal((await get(`${own.url}/loop`, { redirect: 'manual' })).status, 302);
  answers['own/file'] = { status: 302, location: 'file:///etc/passwd' };
  await assert.rejects(get(`${own.url}/file`), TypeError);
});

test('403 with a date before the end of the token is an answer, and one after it is not', async () => {
  answers['own/'] = { status: 403, date: 'Mon, 31 Dec 2029 23:59:59 GMT' };
  assert.equal((await get(`${own.url}/`)).status, 403);
  assert.equal(seen.length, 1);
  answers['own/'] = { status: 403, date: 'Tue, 01 Jan 2030 00:00:00 GMT' };
  await get(`${own.url}/`);
  assert.equal(seen.length, 3);
});

test('a signal ends the request with its reason', async () => {
  const reason = new Error('enough');
  await assert.rejects(get(`${own.url}/`, { signal: AbortSignal.abort(reason) }), reason);
});

test('a token for this machine goes by no proxy', async (context) => {
  const set = { NODE_USE_ENV_PROXY: '1', HTTP_PROXY: other.url, NO_PROXY: 'a.test' };
  const before = Object.fromEntries(Object.keys(set).map((name) => [name, process.env[name]]));
  context.after(() => Object.entries(before).forEach(([name, value]) => {
    if (value === undefined) delete process.env[name];
    else process.env[name] = value;
  }));
  Object.assign(process.env, set);
  await assert.rejects(get(`${own.url}/`), { reason: 'MISCONFIGURED' });
  assert.deepEqual(seen, []);
  process.env.NO_PROXY = 'a.test, 127.0.0.1';
  assert.equal((await get(`${own.url}/`)).status, 200);
});
