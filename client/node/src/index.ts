/**
 * Fresh Seqera access tokens for Node.js programs.
 *
 * ```ts
 * import { token } from '@seqera/agent';
 *
 * const { header } = await token();
 * ```
 *
 * The agent keeps the refresh tokens and renews the access tokens; a program asks for one whenever it needs one.
 *
 * @packageDocumentation
 */

import { type Change, Client, type Want } from './client.js';
import { type Session } from './sessions.js';
import { type Token } from './token.js';

export { type Change, Client, type ClientOptions, type SignedOut, type Want } from './client.js';
export { type Environment, type Variable } from './environment.js';
export {
  AgentError,
  type AgentReason,
  CancelledError,
  type ClientReason,
  ConfigurationError,
  DistrustedError,
  LostError,
  NoAgentError,
  NotUnderstoodError,
  ProviderUnreachableError,
  type Reason,
  RefusedError,
  SandboxedError,
  SignInNeededError,
  TimedOutError,
  UnreachableError,
} from './errors.js';
export { type LoginEvent, type LoginWish } from './login.js';
export { findProgram } from './program.js';
export type { Account, Organization, Profiles, Session, SessionFailure, SessionState, Workspace } from './sessions.js';
export { Token } from './token.js';

let shared: Client | undefined;

/** The client of this process: the default profile, and 30 s for each call. */
function own(): Client {
  return (shared ??= new Client());
}

/** A fresh access token. */
export async function token(want: Want = {}): Promise<Token> {
  return own().token(want);
}

/** Who is signed in. */
export async function status(want: Pick<Want, 'profile' | 'authority' | 'signal'> = {}): Promise<Session> {
  return own().status(want);
}

/** A profile's changes: its token, then each new one and each sign-out. */
export function watch(want: Pick<Want, 'profile' | 'authority' | 'signal'> = {}): AsyncGenerator<Change, void, undefined> {
  return own().watch(want);
}

/** `fetch` with the token of the default profile, which only that profile's own origins get. */
export const seqeraFetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
  own().fetch(input, init);
