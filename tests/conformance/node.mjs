// The runner of the Node library: one call a line from standard input, one answer a line on standard output.

import { createInterface } from 'node:readline';
import { AgentError, Client } from '../../client/node/dist/index.js';

const clients = new Map();
const watches = new Map();

/** One client for each set of its arguments, as a program would have. */
function client({ profile, authority, deadline, start_agent: startAgent }) {
  const key = JSON.stringify([profile, authority, deadline, startAgent]);
  if (!clients.has(key)) clients.set(key, new Client({ profile, authority, deadline, startAgent }));
  return clients.get(key);
}

function shownToken(token) {
  return {
    access_token: token.secret,
    token_type: token.tokenType,
    profile: token.profile || null,
    authority: token.authority || null,
    api_url: token.apiUrl || null,
    expires_at: token.expiresAt?.toISOString().replace(/\.\d+Z$/, 'Z') ?? null,
    valid_for: token.validFor ?? null,
    renewal_failing: token.renewalFailing,
    source: token.source ?? null,
  };
}

function wanted({ min_valid: minValid, rejected, timeout: deadline }) {
  return { minValid, rejected, deadline };
}

async function next({ watch: name, timeout }) {
  const watch = watches.get(name);
  watch.pending ??= watch.changes.next();
  const late = Symbol('late');
  const { promise, timer } = after(timeout * 1000, late);
  const found = await Promise.race([watch.pending, promise]).finally(() => clearTimeout(timer));
  if (found === late) throw Object.assign(new Error('nothing changed'), { reason: 'TIMED_OUT' });
  watch.pending = undefined;
  const { value: change } = found;
  if (change.kind === 'signedOut') return { signed_out: change.state };
  return { access_token: change.token.secret, profile: change.token.profile };
}

function after(milliseconds, value) {
  let timer;
  const promise = new Promise((resolve) => { timer = setTimeout(resolve, milliseconds, value); });
  return { promise, timer };
}

const CALLS = {
  token: async (call) => shownToken(await client(call).token(wanted(call))),
  tokens: async (call) => {
    const asked = Array.from({ length: call.count }, () => client(call).token(wanted(call)));
    return [...new Set((await Promise.all(asked)).map((token) => token.secret))].sort();
  },
  status: async (call) => {
    const { profile, state, authority, account } = await client(call).status();
    return { profile, state, authority, account: account?.email ?? null };
  },
  watch: async (call) => {
    const ending = new AbortController();
    const changes = client(call).watch({ signal: ending.signal });
    watches.set(call.watch, { ending, changes, pending: changes.next() });
    // Its failure belongs to the call that asks for the next change.
    watches.get(call.watch).pending.catch(() => undefined);
    return {};
  },
  next,
  end_watch: async (call) => {
    watches.get(call.watch).ending.abort();
    watches.delete(call.watch);
    return {};
  },
  request: async (call) => {
    const response = await client(call).fetch(call.url, { method: call.method ?? 'GET', body: call.body ?? null });
    return { status: response.status, url: response.url, body: await response.text() };
  },
};

function shownFailure(error) {
  if (!(error instanceof AgentError) && error.reason === undefined) console.error(error);
  return {
    reason: error.reason ?? null,
    message: error.message,
    hint: error.hint ?? null,
    type: error.constructor.name,
    retry_after: error.retryAfter ?? null,
  };
}

for await (const line of createInterface({ input: process.stdin })) {
  const call = JSON.parse(line);
  const answer = await CALLS[call.call](call).then((gives) => ({ gives }), (error) => ({ fails: shownFailure(error) }));
  process.stdout.write(`${JSON.stringify({ id: call.id, ...answer })}\n`);
}
process.exit(0);
