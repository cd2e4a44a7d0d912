// The access token that a program gets.

import { inspect } from 'node:util';
import { type Account } from './sessions.js';
import { type Variable } from './environment.js';

/** What is known about a token. */
export interface TokenFacts {
  tokenType: string;
  profile: string;
  authority: string;
  apiUrl: string;
  workspaceId: string;
  provider: string;
  expiresAt: Date | undefined;
  validFor: number | undefined;
  renewalFailing: boolean;
  account: Account | undefined;
  source: Variable | undefined;
}

/** An access token. The secret is not shown by `console.log`, `JSON.stringify` or in a template. */
export class Token implements TokenFacts {
  readonly #secret: string;
  /** The scheme for the `Authorization` header: `Bearer`. */
  readonly tokenType: string;
  /** The profile it belongs to; empty for a token of the environment. */
  readonly profile: string;
  /** The OIDC issuer base URL that it comes from; empty where unknown. */
  readonly authority: string;
  /** The Platform's REST API; empty if the profile does not say. */
  readonly apiUrl: string;
  /** The chosen workspace's id; empty if none is chosen. */
  readonly workspaceId: string;
  /** `platform`, `scitoolkit` or `oauth2`. */
  readonly provider: string;
  /** When it expires, by the clock of this host; `undefined` if it does not expire by itself, or nobody knows. */
  readonly expiresAt: Date | undefined;
  /** For how many seconds it was valid when the agent answered; `undefined` as for `expiresAt`. */
  readonly validFor: number | undefined;
  /** True if the last renewal failed and this is the older, still valid token. */
  readonly renewalFailing: boolean;
  /** Whose token it is, if the agent knows. */
  readonly account: Account | undefined;
  /** The variable that it comes from; `undefined` if the agent gave it. */
  readonly source: Variable | undefined;

  constructor(secret: string, facts: TokenFacts) {
    this.#secret = secret;
    this.tokenType = facts.tokenType || 'Bearer';
    this.profile = facts.profile;
    this.authority = facts.authority;
    this.apiUrl = facts.apiUrl;
    this.workspaceId = facts.workspaceId;
    this.provider = facts.provider;
    this.expiresAt = facts.expiresAt;
    this.validFor = facts.validFor;
    this.renewalFailing = facts.renewalFailing;
    this.account = facts.account;
    this.source = facts.source;
  }

  /** The secret itself. Keep it out of logs and arguments. */
  get secret(): string {
    return this.#secret;
  }

  /** The value of the `Authorization` header. */
  get header(): string {
    return `${this.tokenType} ${this.#secret}`;
  }

  toString(): string {
    return `[token of ${this.profile || this.source || 'nobody'}]`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
