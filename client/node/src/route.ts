// How a call reaches the agent: one connection that is kept, an agent that is started where nobody listens, and a
// call that is repeated only where that is safe.

import { Client, credentials, Metadata, type ClientReadableStream, type ServiceError } from '@grpc/grpc-js';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { decode, encode } from './contract.js';
import { type Environment, variable } from './environment.js';
import { errorOf, errorOfStatus, LostError } from './errors.js';
import { errorOfFailure } from './program.js';
import { listens, meet, type Meeting, silent, start } from './socket.js';

/** How much longer than the agent we wait, so that its answer arrives, which says what took so long. In seconds. */
const GRACE = 0.5;
/** An agent needs milliseconds for what it knows, and a busy machine some seconds. */
const AT_ONCE = 8;
/** The pause before a call is repeated, doubled each time up to the longest. In milliseconds. */
const FIRST_PAUSE = 20;
const LONGEST_PAUSE = 1000;
/** How often one call starts an agent at most. One that was started may be stopped again before the call reaches it, by
 * whoever restarts it again and again. */
const MOST_STARTS = 5;
/** The largest answer of the contract, with room for its frame. */
const LARGEST_ANSWER = (1 << 20) + 1024;

const PACKAGE = 'seqera.agent.v1';

/** A method of the contract. */
export interface Method {
  service: 'Tokens' | 'Sessions' | 'Control';
  name: string;
  request: string;
  answer: string;
}

/** What one call may do. Times in seconds. */
export interface Call {
  deadline: number;
  repeatable?: boolean;
  /** The agent answers from its memory: one that takes long does not answer at all. */
  atOnce?: boolean;
  signal?: AbortSignal | undefined;
}

export interface RouteOptions {
  env: Environment;
  program: string | undefined;
  start: boolean;
  deadline: number;
}

/** How far one call has got in its search for the agent. */
interface Search {
  starts: number;
}

interface Link {
  client: Client;
  meeting: Meeting;
}

// Kept for the process: the variables that decide about places do not change while it runs.
const meetings = new WeakMap<object, Map<string, Promise<Meeting>>>();

export class Route {
  readonly requestId = randomBytes(8).toString('hex');
  #link: Promise<Link> | undefined;
  readonly #options: RouteOptions;

  constructor(options: RouteOptions) {
    this.#options = options;
  }

  /** Where the agent is met; asked once for the process. */
  async meeting(seconds = this.#options.deadline): Promise<Meeting> {
    const { env, program } = this.#options;
    let known = meetings.get(env);
    if (!known) meetings.set(env, (known = new Map()));
    const key = program ?? '';
    let found = known.get(key);
    if (!found) {
      found = meet(env, program, seconds);
      known.set(key, found);
      // A failure may pass: somebody installs the command.
      found.catch(() => known.delete(key));
    }
    return found;
  }

  /** The profile and authority that environment and configuration file name. */
  async named(): Promise<{ profile: string; authority: string }> {
    const { profile, authority, mistake } = await this.meeting();
    if (mistake) throw errorOfFailure(mistake);
    return { profile, authority };
  }

  /** Makes a call with one answer. */
  async ask<T>(method: Method, message: object, call: Call): Promise<T> {
    const until = Date.now() + call.deadline * 1000;
    const bytes = encode(`${PACKAGE}.${method.request}`, message);
    const search = { starts: 0 };
    return this.#repeating(call, until, async () => {
      const left = Math.max(0, until - Date.now()) / 1000;
      const link = await this.#connected(left, call.signal, search);
      const limit = call.atOnce ? Math.min(left, AT_ONCE) : left;
      const answer = await unary(link.client, method, bytes, this.#metadata(link.meeting, limit), limit, call.signal);
      return understood<T>(method, answer);
    });
  }

  /** Makes a call with a stream of answers, which may last as long as it likes. */
  async *stream<T>(method: Method, message: object, call: Call): AsyncGenerator<T, void, undefined> {
    const bytes = encode(`${PACKAGE}.${method.request}`, message);
    const link = await this.#connected(call.deadline, call.signal, { starts: 0 });
    const metadata = this.#metadata(link.meeting);
    const opened = link.client.makeServerStreamRequest(path(method), (b: Buffer) => b, (b: Buffer) => b, bytes, metadata);
    const stop = (): void => opened.cancel();
    call.signal?.addEventListener('abort', stop, { once: true });
    try {
      if (call.signal?.aborted) stop();
      for await (const answer of answersOf(opened)) yield understood<T>(method, answer);
    } catch (error) {
      call.signal?.throwIfAborted();
      if (error instanceof LostError) this.#forget(link);
      throw error;
    } finally {
      call.signal?.removeEventListener('abort', stop);
      opened.cancel();
    }
  }

  /** Closes the connection. The next call opens another one. */
  close(): void {
    const link = this.#link;
    this.#link = undefined;
    link?.then(({ client }) => client.close()).catch(() => undefined);
  }

  async #repeating<T>(call: Call, until: number, attempt: () => Promise<T>): Promise<T> {
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      const used = this.#link;
      try {
        return await attempt();
      } catch (error) {
        call.signal?.throwIfAborted();
        if (!(error instanceof LostError)) throw error;
        // Only the connection that was lost: another call may have opened the next one meanwhile.
        if (this.#link === used || used === undefined) this.close();
        if (!call.repeatable || Date.now() + pause >= until) throw error;
        await sleep(pause, undefined, call.signal ? { signal: call.signal } : {});
      }
    }
  }

  #forget(link: Link): void {
    const current = this.#link;
    current?.then((found) => { if (found === link && this.#link === current) this.close(); }).catch(() => undefined);
  }

  /** The open connection, or a new one. Many calls at once share the way to it, and the start of an agent. */
  async #connected(seconds: number, signal: AbortSignal | undefined, search: Search): Promise<Link> {
    signal?.throwIfAborted();
    const link = (this.#link ??= this.#open(seconds, search));
    try {
      return await link;
    } catch (error) {
      if (this.#link === link) this.#link = undefined;
      throw error;
    }
  }

  async #open(seconds: number, search: Search): Promise<Link> {
    const until = Date.now() + seconds * 1000;
    const left = (): number => Math.max(0.1, (until - Date.now()) / 1000);
    let meeting = await this.meeting(left());
    for (let asked = false; !(await listens(meeting.socket, left())); asked = true) {
      const { env, program, start: mayStart } = this.#options;
      if (meeting.chosen) throw nobodyAt(meeting.socket);
      if (mayStart ? search.starts === MOST_STARTS : asked) throw nobody();
      if (mayStart) {
        search.starts += 1;
        meeting = { ...meeting, socket: await start(env, program, left()) };
        meetings.get(env)?.set(program ?? '', Promise.resolve(meeting));
      } else {
        // It may have moved: its runtime folder can go while it runs.
        meetings.get(env)?.delete(program ?? '');
        meeting = await this.meeting(left());
      }
    }
    return { client: new Client(`unix:${meeting.socket}`, credentials.createInsecure(), CHANNEL), meeting };
  }

  #metadata(meeting: Meeting, seconds?: number): Metadata {
    const metadata = new Metadata();
    const store = variable(this.#options.env, 'SEQERA_CREDENTIAL_STORE');
    // Written by hand, since grpc-js would hang up at the same moment, and the agent's answer says more than that.
    if (seconds !== undefined) metadata.set('grpc-timeout', `${Math.max(1, Math.round(seconds * 1000))}m`);
    if (meeting.tag !== undefined) metadata.set('seqera-config-dir', meeting.tag);
    if (store !== undefined && /^[\x20-\x7e]+$/.test(store)) metadata.set('seqera-credential-store', store);
    metadata.set('seqera-request-id', this.requestId);
    return metadata;
  }
}

const CHANNEL = {
  // A socket's path is no authority of HTTP/2.
  'grpc.default_authority': 'localhost',
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  // A pool that is shared would also share the pause after a lost connection.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': LARGEST_ANSWER,
} as const;

function path(method: Method): string {
  return `/${PACKAGE}.${method.service}/${method.name}`;
}

function understood<T>(method: Method, answer: Buffer): T {
  try {
    return decode<T>(`${PACKAGE}.${method.answer}`, answer);
  } catch (cause) {
    throw errorOf('AGENT_NOT_UNDERSTOOD', "the agent's answer is no message of the contract", {
      hint: "agent and library are of different versions: run 'seqera agent restart'",
      cause,
    });
  }
}

function nobody(): Error {
  return errorOf('NO_AGENT', 'no agent is running', { hint: "run 'seqera agent start'" });
}

function nobodyAt(socket: string): Error {
  return errorOf('NO_AGENT', `no agent listens at ${socket}`, {
    hint: 'SEQERA_AGENT_SOCK names it: start that agent, or unset the variable',
  });
}

async function unary(
  client: Client,
  method: Method,
  bytes: Buffer,
  metadata: Metadata,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    let late = false;
    const call = client.makeUnaryRequest(path(method), (b: Buffer) => b, (b: Buffer) => b, bytes, metadata, (error, answer) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stop);
      if (error) reject(signal?.aborted ? signal.reason : late ? silent() : errorOfStatus(error));
      else if (answer === undefined) reject(errorOf('AGENT_NOT_UNDERSTOOD', 'an answer without a message'));
      else resolve(answer);
    });
    const stop = (): void => call.cancel();
    const timer = setTimeout(() => { late = true; stop(); }, (limit + GRACE) * 1000);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

async function* answersOf(opened: ClientReadableStream<Buffer>): AsyncGenerator<Buffer, void, undefined> {
  try {
    for await (const answer of opened) yield answer as Buffer;
  } catch (error) {
    throw isStatus(error) ? errorOfStatus(error) : error;
  }
}

function isStatus(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'details' in error;
}
