// The client: one method for each thing that a program asks.

import { dateOf, durationOf, secondsOf, type Duration, type Timestamp, without } from './contract.js';
import { type Environment, givenToken, type Given, origins, originsOfGiven, profileOfExec, sha256, variable } from './environment.js';
import { AgentError, errorOf, LostError, NoAgentError } from './errors.js';
import { authorizedFetch } from './fetch.js';
import { type LoginEvent, type LoginWish, loginByCommand } from './login.js';
import { type Method, Route } from './route.js';
import {
  accountOf,
  idOf,
  organizationOf,
  sessionOf,
  workspaceOf,
  type Account,
  type Organization,
  type Profiles,
  type Session,
  type SessionMessage,
  type SessionState,
  type Workspace,
} from './sessions.js';
import { Token } from './token.js';
import { setTimeout as sleep } from 'node:timers/promises';

/** Which agent to ask, whose token is meant, and how long to wait. */
export interface ClientOptions {
  /** The profile that calls are about. One that is named beats every token of the environment. */
  profile?: string | undefined;
  /** The OIDC issuer base URL that the profile must have. */
  authority?: string | undefined;
  /** How long one call may take, in seconds, the start of an agent included. 30 if not given. */
  deadline?: number | undefined;
  /** Whether to start an agent where none runs. True if not given. */
  startAgent?: boolean | undefined;
  /** The whole path of `seqera`; looked for on PATH if not given. */
  program?: string | undefined;
  /** The variables to go by; those of the process if not given. */
  env?: Environment | undefined;
}

/** What one call asks for; what is not given is as in the options of the client. */
export interface Want {
  profile?: string | undefined;
  authority?: string | undefined;
  /** For how many seconds the token must at least remain valid. */
  minValid?: number | undefined;
  /** A token that the API refused with 401. Only its hash is sent to the agent. */
  rejected?: string | undefined;
  /** How long this call may take, in seconds. */
  deadline?: number | undefined;
  signal?: AbortSignal | undefined;
}

/** What a watch reports. */
export type Change =
  | { kind: 'token'; token: Token }
  /** There is no token now; `state` says why. */
  | { kind: 'signedOut'; state: SessionState };

/** How a sign-out ended. */
export interface SignedOut {
  profile: string;
  /** `REVOKED`, `PENDING`, `NOT_OFFERED`, … as in `sessions.proto`. */
  result: string;
  detail: string;
}

interface TokenMessage {
  accessToken: string;
  tokenType: string;
  expiresAt?: Timestamp | null;
  validFor?: Duration | null;
  profile: string;
  authority: string;
  account?: Account | null;
  renewalFailing: boolean;
  apiUrl: string;
  workspaceId: string;
  provider: string;
}

interface Named {
  profile: string;
  authority: string;
}

const DEADLINE = 30;
/** The longest pause before a watch is begun again, in milliseconds. */
const LONGEST_PAUSE = 5000;
/** The agent waits for a renewal and revokes at the provider before it has finished. In seconds. */
const SIGN_OUT = 60;

const method = (service: Method['service'], name: string, request: string, answer: string): Method => ({
  service,
  name,
  request,
  answer,
});
const GET = method('Tokens', 'GetAccessToken', 'GetAccessTokenRequest', 'AccessToken');
const WATCH = method('Tokens', 'WatchAccessToken', 'WatchAccessTokenRequest', 'TokenEvent');
const STATUS = method('Sessions', 'Status', 'StatusRequest', 'SessionStatus');
const LIST = method('Sessions', 'List', 'ListRequest', 'ListResponse');
const USE = method('Sessions', 'UseProfile', 'UseProfileRequest', 'UseProfileResponse');
const LOGOUT = method('Sessions', 'Logout', 'LogoutRequest', 'LogoutOutcome');
const COMPLETE = method('Sessions', 'CompleteLogin', 'CompleteLoginRequest', 'CompleteLoginResponse');
const ORGANIZATIONS = method('Sessions', 'ListOrganizations', 'ListOrganizationsRequest', 'ListOrganizationsResponse');
const WORKSPACES = method('Sessions', 'ListWorkspaces', 'ListWorkspacesRequest', 'ListWorkspacesResponse');
const CHOOSE_ORGANIZATION = method('Sessions', 'ChooseOrganization', 'ChooseOrganizationRequest', 'ChooseResponse');
const CHOOSE_WORKSPACE = method('Sessions', 'ChooseWorkspace', 'ChooseWorkspaceRequest', 'ChooseResponse');
const INFO = method('Control', 'Info', 'InfoRequest', 'InfoResponse');

/** A client of the agent. It connects at its first call, starts an agent where none runs, and finds one again that was
 * restarted. Calls may run at once. */
export class Client {
  readonly #route: Route;
  readonly #options: ClientOptions;
  readonly #env: Environment;

  constructor(options: ClientOptions = {}) {
    this.#options = options;
    this.#env = options.env ?? process.env;
    this.#route = new Route({
      env: this.#env,
      program: options.program,
      start: options.startAgent ?? true,
      deadline: this.#deadline(),
    });
  }

  /** An access token that is fresh. Waits for a renewal if one is needed. Throws an {@link AgentError}. */
  async token(want: Want = {}): Promise<Token> {
    return (await this.#handOut(want)).token;
  }

  /**
   * The profile's changes: its token, then each new one and each sign-out. It goes on when the agent is restarted, and
   * ends with the loop or the signal.
   *
   * Throws what the agent refuses, such as `UNKNOWN_PROFILE`. Where no agent may be started, it waits for one.
   */
  async *watch(want: Pick<Want, 'profile' | 'authority' | 'signal'> = {}): AsyncGenerator<Change, void, undefined> {
    const named = await this.#named(want);
    let last = '';
    for (let pause = 100; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        for await (const change of this.#watchOnce(named, want.signal)) {
          pause = 100;
          // After a lost connection the agent says once more what was known.
          const mark = change.kind === 'token' ? sha256(change.token.secret) : change.state;
          if (mark !== last) yield change;
          last = mark;
        }
      } catch (error) {
        if (want.signal?.aborted) return;
        const mayPass = error instanceof LostError || (error instanceof NoAgentError && last !== '');
        if (!mayPass) throw error;
      }
      await sleep(pause, undefined, want.signal ? { signal: want.signal } : {}).catch(() => undefined);
      if (want.signal?.aborted) return;
    }
  }

  /** Who is signed in, from the agent's memory. To be signed out is a state and not an error. */
  async status(want: Pick<Want, 'profile' | 'authority' | 'signal'> = {}): Promise<Session> {
    const named = await this.#named(want);
    return sessionOf(await this.#recall<SessionMessage>(STATUS, named, want.signal));
  }

  /** Every profile that the agent knows, from its memory. */
  async list(signal?: AbortSignal): Promise<Profiles> {
    const answer = await this.#recall<{ sessions: SessionMessage[]; defaultProfile: string }>(LIST, {}, signal);
    return { sessions: answer.sessions.map(sessionOf), defaultProfile: answer.defaultProfile };
  }

  /** Version and process of the agent that answers. */
  async info(signal?: AbortSignal): Promise<{ version: string; protocol: number; pid: number; socket: string }> {
    type Info = { version: string; protocol: number; pid: number; socket: string };
    const { version, protocol, pid, socket } = await this.#recall<Info>(INFO, {}, signal);
    return { version, protocol, pid, socket };
  }

  /**
   * `fetch` with the profile's token: put in for the profile's own origins only, after redirects too, and renewed once
   * after a 401. A request that names its own `Authorization` is sent as it is.
   */
  fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> =>
    authorizedFetch((want) => this.#handOut(want), input, init);

  /** Signs in with the command, which reads the user's files and variables; the agent does it. */
  login(wish: LoginWish = {}): AsyncGenerator<LoginEvent, void, undefined> {
    const profile = wish.profile ?? this.#options.profile;
    const authority = wish.authority ?? this.#options.authority;
    return loginByCommand({ ...wish, profile, authority }, this.#env, this.#options.program);
  }

  /** Passes the address that the browser ended on to the running login of a profile. A wrong one is refused as
   * `BAD_REQUEST`, and the login goes on. */
  async completeLogin(profile: string, answer: string): Promise<void> {
    await this.#route.ask(COMPLETE, { profile, answer }, { deadline: this.#deadline() });
  }

  /** Signs a profile out. `IN_USE` while programs hold tokens that end with the session, unless it is forced. */
  async logout(profile: string, options: { force?: boolean } = {}): Promise<SignedOut[]> {
    const outcomes: SignedOut[] = [];
    const message = { profile, force: options.force ?? false };
    const signal = AbortSignal.timeout(SIGN_OUT * 1000);
    try {
      for await (const outcome of this.#route.stream<SignedOut>(LOGOUT, message, { deadline: this.#deadline(), signal })) {
        outcomes.push({ ...outcome, result: without('RESULT_', outcome.result) });
      }
    } catch (error) {
      if (error !== signal.reason) throw error;
      throw errorOf('TIMED_OUT', 'the agent did not finish the sign-out in time', { hint: "'seqera status' says how far it got" });
    }
    return outcomes;
  }

  /** Chooses the profile that an empty name means, for every program of this user. */
  async useProfile(profile: string): Promise<void> {
    await this.#route.ask(USE, { profile }, { deadline: this.#deadline(), repeatable: true });
  }

  /** The organisations of the profile's account, asked of the Platform, and the chosen one. */
  async organizations(profile: string): Promise<{ organizations: Organization[]; chosen: Organization | undefined }> {
    const answer = await this.#call<{ organizations: Organization[]; chosen?: Organization | null }>(ORGANIZATIONS, {
      account: { profile },
    });
    const { organizations, chosen } = answer;
    return { organizations: organizations.flatMap((one) => organizationOf(one) ?? []), chosen: organizationOf(chosen) };
  }

  /** Chooses the organisation that is billed, by id or name; none without a name. Gives notes for the person. */
  async chooseOrganization(profile: string, wanted: string | undefined): Promise<string[]> {
    return (await this.#call<{ notes: string[] }>(CHOOSE_ORGANIZATION, { profile, choice: choice(wanted) })).notes;
  }

  /** The workspaces of the profile's account, asked of the Platform, and the chosen one. */
  async workspaces(profile: string): Promise<{ workspaces: Workspace[]; chosen: Workspace | undefined }> {
    const answer = await this.#call<{ workspaces: Workspace[]; chosen?: Workspace | null }>(WORKSPACES, {
      account: { profile },
    });
    return { workspaces: answer.workspaces.map(workspaceOf), chosen: answer.chosen ? workspaceOf(answer.chosen) : undefined };
  }

  /** Chooses the workspace that programs get, by id or name; the account's own without a name. */
  async chooseWorkspace(profile: string, wanted: string | undefined): Promise<string[]> {
    return (await this.#call<{ notes: string[] }>(CHOOSE_WORKSPACE, { profile, choice: choice(wanted) })).notes;
  }

  /** Closes the connection to the agent. The next call opens another one. */
  close(): void {
    this.#route.close();
  }

  /** A token, and the origins that it may be sent to. */
  async #handOut(want: Want): Promise<{ token: Token; origins: Set<string> }> {
    const given = this.#names(want) ? undefined : givenToken(this.#env);
    const exec = given && profileOfExec(this.#env, given);
    if (given && exec === undefined) {
      if (want.rejected === given.secret) throw refusedGiven(given);
      return { token: tokenOfGiven(given), origins: originsOfGiven(this.#env, given) };
    }
    // The endpoints that `seqera exec` has set are those of this authority, whose account the name may not have by now.
    const authority = variable(this.#env, 'SEQERA_AUTH_DOMAIN') ?? '';
    const named = exec === undefined ? await this.#named(want) : { profile: exec, authority };
    const message = {
      ...named,
      minValid: durationOf(want.minValid),
      rejectedSha256: want.rejected === undefined ? '' : sha256(want.rejected),
    };
    const call = { deadline: want.deadline ?? this.#deadline(), repeatable: true, signal: want.signal };
    const token = tokenOf(await this.#route.ask<TokenMessage>(GET, message, call));
    return { token, origins: origins([token.authority, token.apiUrl]) };
  }

  async *#watchOnce(named: Named, signal: AbortSignal | undefined): AsyncGenerator<Change, void, undefined> {
    const call = { deadline: this.#deadline(), signal };
    type Event = { token?: TokenMessage; signedOut?: string };
    for await (const event of this.#route.stream<Event>(WATCH, named, call)) {
      if (event.token) yield { kind: 'token', token: tokenOf(event.token) };
      else if (event.signedOut) yield { kind: 'signedOut', state: without('SESSION_STATE_', event.signedOut) };
    }
  }

  #names(want: Named | Want): boolean {
    const { profile = this.#options.profile, authority = this.#options.authority } = want;
    return Boolean(profile) || Boolean(authority);
  }

  /** What is meant: what the program says, else what environment and configuration file name. */
  async #named(want: Want): Promise<Named> {
    if (!this.#names(want)) return this.#route.named();
    const { profile = this.#options.profile, authority = this.#options.authority } = want;
    return { profile: profile ?? '', authority: authority ?? '' };
  }

  async #recall<T>(called: Method, message: object, signal: AbortSignal | undefined): Promise<T> {
    return this.#route.ask(called, message, { deadline: this.#deadline(), repeatable: true, atOnce: true, signal });
  }

  async #call<T>(called: Method, message: object): Promise<T> {
    return this.#route.ask(called, message, { deadline: this.#deadline(), repeatable: true });
  }

  #deadline(): number {
    return this.#options.deadline ?? DEADLINE;
  }
}

function choice(wanted: string | undefined): object {
  return wanted === undefined ? { none: true } : { wanted };
}

function tokenOf(message: TokenMessage): Token {
  return new Token(message.accessToken, {
    tokenType: message.tokenType,
    profile: message.profile,
    authority: message.authority,
    apiUrl: message.apiUrl,
    workspaceId: idOf(message.workspaceId),
    provider: message.provider,
    expiresAt: dateOf(message.expiresAt),
    validFor: secondsOf(message.validFor),
    renewalFailing: message.renewalFailing,
    account: accountOf(message.account),
    source: undefined,
  });
}

function tokenOfGiven(given: Given): Token {
  return new Token(given.secret, {
    tokenType: 'Bearer',
    profile: given.profile,
    authority: given.authority,
    apiUrl: given.api,
    workspaceId: given.workspaceId,
    provider: 'platform',
    expiresAt: given.expiresAt,
    validFor: given.expiresAt && Math.max(0, (given.expiresAt.getTime() - Date.now()) / 1000),
    renewalFailing: false,
    account: undefined,
    source: given.variable,
  });
}

function refusedGiven(given: Given): AgentError {
  return errorOf('LOGIN_EXPIRED', `the token in ${given.variable} was refused`, {
    hint: `set another one in ${given.variable}, or unset it and run 'seqera login'`,
  });
}
