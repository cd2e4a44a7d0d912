// What is known about the user's accounts, kept up to date: a list now and then, and a watch of each profile, through
// which the agent reports each new token and each sign-out at once.

import * as vscode from 'vscode';
import { AgentError, Client, type Session } from '@seqera/agent';
import { settings } from './settings.js';
import { isSignedIn, type Problem, type Snapshot } from './summary.js';

/** Between two looks, in milliseconds: what no watch reports, such as a new profile or another default one. */
const LOOK = 30_000;
/** An agent that has just been asked needs no second look for this long. */
const SETTLE = 150;

/** Which profiles changed, since the last time anybody was told. */
export interface Changed {
  added: Session[];
  changed: Session[];
  removed: Session[];
}

export class Accounts implements vscode.Disposable {
  readonly #log: vscode.LogOutputChannel;
  readonly #seen = new vscode.EventEmitter<Snapshot>();
  readonly #moved = new vscode.EventEmitter<Changed>();
  readonly #watches = new Map<string, AbortController>();
  readonly #renewed = new Set<string>();
  #asking!: Client;
  #starting!: Client;
  #timer: NodeJS.Timeout | undefined;
  #look: Promise<void> | undefined;
  #again = false;
  #startNext = false;
  #closed = false;
  #snapshot: Snapshot | undefined;

  /** After each look. */
  readonly onDidLook = this.#seen.event;
  /** When somebody has signed in or out, or a token has been renewed. */
  readonly onDidMove = this.#moved.event;

  constructor(log: vscode.LogOutputChannel) {
    this.#log = log;
    this.connect();
  }

  /** Takes the settings as they are now. */
  connect(): void {
    this.#watches.forEach((ending) => ending.abort());
    this.#watches.clear();
    this.#asking?.close();
    this.#starting?.close();
    const { program, env } = settings();
    this.#asking = new Client({ program, env, startAgent: false });
    this.#starting = new Client({ program, env });
  }

  /** As if nobody had been seen: who is signed in is then reported to everybody. */
  forget(): void {
    this.#snapshot = undefined;
  }

  /** For what a person or an extension asks for: it starts an agent where none runs. */
  get client(): Client {
    if (!vscode.workspace.isTrusted) {
      throw new Error('Seqera: this workspace is not trusted. Trust it to sign in or to get a token.');
    }
    return this.#starting;
  }

  get snapshot(): Snapshot | undefined {
    return this.#snapshot;
  }

  /** Looks now, and then every half minute. With `start`, an agent is started where none runs. */
  async refresh(start = false): Promise<void> {
    this.#startNext ||= start;
    if (this.#look) {
      this.#again = true;
      return this.#look;
    }
    this.#look = this.#once(this.#startNext && vscode.workspace.isTrusted);
    this.#startNext = false;
    try {
      await this.#look;
    } finally {
      this.#look = undefined;
      const pause = this.#again ? SETTLE : LOOK;
      this.#again = false;
      clearTimeout(this.#timer);
      if (!this.#closed) this.#timer = setTimeout(() => void this.refresh(), pause);
    }
  }

  dispose(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watches.forEach((ending) => ending.abort());
    this.#asking.close();
    this.#starting.close();
    this.#seen.dispose();
    this.#moved.dispose();
  }

  async #once(start: boolean): Promise<void> {
    const trusted = vscode.workspace.isTrusted;
    try {
      const { sessions, defaultProfile } = await (start ? this.#starting : this.#asking).list();
      if (this.#closed) return;
      this.#take({ sessions, defaultProfile, problem: undefined, trusted });
      sessions.forEach(({ profile }) => this.#follow(profile));
    } catch (error) {
      if (this.#closed) return;
      const problem = problemOf(error);
      if (this.#snapshot?.problem?.message !== problem.message) this.#log.warn(`${problem.reason}: ${problem.message}`);
      const { sessions, defaultProfile } = this.#snapshot ?? { sessions: [], defaultProfile: '' };
      this.#seen.fire((this.#snapshot = { sessions, defaultProfile, problem, trusted }));
    }
  }

  #take(next: Snapshot): void {
    const before = this.#snapshot?.sessions.filter(isSignedIn) ?? [];
    const now = next.sessions.filter(isSignedIn);
    const known = new Set(before.map(mark));
    const still = new Set(now.map(mark));
    const added = now.filter((session) => !known.has(mark(session)));
    const removed = before.filter((session) => !still.has(mark(session)));
    const changed = now.filter((session) => known.has(mark(session)) && this.#renewed.has(session.profile));
    this.#renewed.clear();
    this.#snapshot = next;
    this.#seen.fire(next);
    if (added.length + removed.length + changed.length > 0) this.#moved.fire({ added, changed, removed });
  }

  /** Follows one profile until its watch ends; the next look begins another one. */
  #follow(profile: string): void {
    if (this.#watches.has(profile)) return;
    const ending = new AbortController();
    this.#watches.set(profile, ending);
    const end = (error?: unknown): void => {
      if (this.#watches.get(profile) === ending) this.#watches.delete(profile);
      if (error !== undefined && !ending.signal.aborted) this.#log.info(`${profile}: ${problemOf(error).message}`);
    };
    this.#follows(profile, ending.signal).then(() => end(), end);
  }

  async #follows(profile: string, signal: AbortSignal): Promise<void> {
    let first = true;
    for await (const change of this.#asking.watch({ profile, signal })) {
      // The first is what the list has just said.
      if (!first) {
        if (change.kind === 'token') this.#renewed.add(profile);
        this.#log.info(`${profile}: ${change.kind === 'token' ? 'a new token' : change.state}`);
        void this.refresh();
      }
      first = false;
    }
  }
}

/** Another person under the same name is another account. */
function mark({ profile, account }: Session): string {
  return `${profile}\n${account?.subject ?? ''}`;
}

export function problemOf(error: unknown): Problem {
  if (error instanceof AgentError) return { reason: error.reason, message: error.message, hint: error.hint };
  return { reason: 'INTERNAL', message: error instanceof Error ? error.message : String(error), hint: undefined };
}
