// `fetch` with a token. Redirects are followed here and not by Node, so that each hop is looked at: the token is sent
// to the profile's own origins and nowhere else.

import { errorOf } from './errors.js';
import { type Token } from './token.js';

interface HandedOut {
  token: Token;
  origins: Set<string>;
}

type HandOut = (want: { rejected?: string; signal?: AbortSignal }) => Promise<HandedOut>;

const REDIRECTS = new Set([301, 302, 303, 307, 308]);
/** As many as the Fetch standard follows. */
const MOST_REDIRECTS = 20;
/** What the Fetch standard takes off on the way to another origin, and what describes a body that is dropped. */
const OF_ORIGIN = ['authorization', 'cookie', 'host', 'proxy-authorization'];
const OF_BODY = ['content-encoding', 'content-language', 'content-length', 'content-location', 'content-type'];

/** One hop of a request. */
interface Hop {
  url: URL;
  method: string;
  headers: Headers;
  body: RequestInit['body'];
}

/** Makes a request as `fetch` does, with a token where it belongs. */
export async function authorizedFetch(
  handOut: HandOut,
  input: string | URL | Request,
  init: RequestInit = {},
): Promise<Response> {
  const { hop, once, mode, signal, rest } = understood(input, init);
  const wish = signal ? { signal } : {};
  let given = await handOut(wish);
  let mayRenew = !once;
  for (let hops = 0; ; hops += 1) {
    const mine = !hop.headers.has('authorization') && given.origins.has(hop.url.origin);
    if (mine) checkWay(hop.url);
    let response = await send(hop, mine ? given.token : undefined, rest);
    if (mine && mayRenew && isRefused(response, given.token)) {
      mayRenew = false;
      const fresh = await renewed(handOut, { ...wish, rejected: given.token.secret });
      if (fresh?.origins.has(hop.url.origin)) {
        await response.body?.cancel();
        given = fresh;
        response = await send(hop, given.token, rest);
      }
    }
    const location = REDIRECTS.has(response.status) ? response.headers.get('location') : null;
    if (location === null || mode === 'manual') return hops > 0 ? redirected(response) : response;
    if (mode === 'error') throw new TypeError('fetch failed: a redirect, which the request does not allow');
    if (hops === MOST_REDIRECTS) throw new TypeError(`fetch failed: more than ${MOST_REDIRECTS} redirects`);
    follow(hop, response.status, location, once);
    await response.body?.cancel();
  }
}

/** The request in its parts. A body that is read only once is not sent twice. */
function understood(input: string | URL | Request, init: RequestInit) {
  const request = input instanceof Request ? input : undefined;
  const { redirect, headers, method, body, signal: given, ...rest } = init;
  const content = body ?? request?.body;
  const once = content instanceof ReadableStream || isAsync(content);
  const signal = given ?? request?.signal;
  const hop: Hop = {
    url: new URL(request?.url ?? input.toString()),
    method: (method ?? request?.method ?? 'GET').toUpperCase(),
    headers: new Headers(headers ?? request?.headers),
    body: content,
  };
  const more: RequestInit = signal ? { ...rest, signal } : rest;
  const mode = redirect ?? request?.redirect ?? 'follow';
  return { hop, once, mode, signal, rest: once ? ({ ...more, duplex: 'half' } as RequestInit) : more };
}

function isAsync(body: unknown): boolean {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body && !(body instanceof Blob);
}

async function send(hop: Hop, token: Token | undefined, rest: RequestInit): Promise<Response> {
  const headers = new Headers(hop.headers);
  if (token) headers.set('authorization', token.header);
  const body = hop.method === 'GET' || hop.method === 'HEAD' ? null : (hop.body ?? null);
  return fetch(hop.url, { ...rest, method: hop.method, headers, body, redirect: 'manual' });
}

/** Refuses to send a token to this machine by a proxy, which would get it in the clear. Node goes by the variables for
 * proxies only where it is told to. */
function checkWay(url: URL): void {
  const { env, execArgv } = process;
  const told = env['NODE_USE_ENV_PROXY'] === '1' || [...execArgv, env['NODE_OPTIONS'] ?? ''].some((words) => words.includes('--use-env-proxy'));
  const proxy = env['http_proxy'] || env['HTTP_PROXY'];
  const apart = (env['no_proxy'] || env['NO_PROXY'] || '').split(/[\s,]+/);
  const bare = url.hostname.replace(/^\[|\]$/g, '');
  if (url.protocol !== 'http:' || !told || !proxy || apart.some((name) => ['*', bare, url.hostname, url.host].includes(name))) return;
  const message = 'a token for this machine is not sent by way of a proxy, which would get it unencrypted';
  throw errorOf('MISCONFIGURED', message, { hint: 'set NO_PROXY=localhost,127.0.0.1,::1' });
}

/** 401 says that the token is no good. 403 says so only once the token has expired by the server's own clock:
 * otherwise it means that this person may not. */
function isRefused(response: Response, token: Token): boolean {
  if (response.status !== 403 || token.expiresAt === undefined) return response.status === 401;
  return Date.parse(response.headers.get('date') ?? '') >= token.expiresAt.getTime();
}

/** A new token, if there is one; where there is none the server's answer stands. */
async function renewed(handOut: HandOut, want: { rejected: string; signal?: AbortSignal }): Promise<HandedOut | undefined> {
  try {
    const fresh = await handOut(want);
    return fresh.token.secret === want.rejected ? undefined : fresh;
  } catch {
    want.signal?.throwIfAborted();
    return undefined;
  }
}

/** Turns a hop into the one after it (Fetch standard, HTTP-redirect fetch). */
function follow(hop: Hop, status: number, location: string, once: boolean): void {
  const next = new URL(location, hop.url);
  if (next.protocol !== 'https:' && next.protocol !== 'http:') {
    throw new TypeError(`fetch failed: a redirect to ${next.protocol}`);
  }
  const becomesGet = status === 303 ? !['GET', 'HEAD'].includes(hop.method) : status <= 302 && hop.method === 'POST';
  if (becomesGet) {
    hop.method = 'GET';
    hop.body = null;
    OF_BODY.forEach((name) => hop.headers.delete(name));
  } else if (once && hop.body) {
    throw new TypeError('fetch failed: a redirect of a body that can be read only once');
  }
  if (next.origin !== hop.url.origin) OF_ORIGIN.forEach((name) => hop.headers.delete(name));
  hop.url = next;
}

function redirected(response: Response): Response {
  return Object.defineProperty(response, 'redirected', { value: true });
}
