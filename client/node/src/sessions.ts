// Who is signed in, as the agent says it, in the shapes of JavaScript.

import { dateOf, type Timestamp, without } from './contract.js';

export type SessionState = 'SIGNED_IN' | 'SIGNED_OUT' | 'LOGIN_EXPIRED' | 'OTHER_HOST' | 'UNSPECIFIED' | (string & {});

export interface Account {
  subject: string;
  email: string;
  userName: string;
  displayName: string;
}

export interface Organization {
  id: string;
  name: string;
  fullName: string;
}

export interface Workspace {
  id: string;
  name: string;
  fullName: string;
  organization: Organization | undefined;
}

/** Why renewals fail for now, or why the session has ended. */
export interface SessionFailure {
  reason: string;
  message: string;
  at: Date | undefined;
  retryAt: Date | undefined;
}

/** One profile and its session. */
export interface Session {
  profile: string;
  state: SessionState;
  /** True for a credential that does not renew, such as a personal access token. */
  fixed: boolean;
  authority: string;
  apiUrl: string;
  provider: string;
  account: Account | undefined;
  organization: Organization | undefined;
  /** Empty if none is chosen. */
  workspaceId: string;
  workspaceName: string;
  /** Expiry of the access token in memory, which is renewed by itself. */
  accessExpiresAt: Date | undefined;
  /** End of the session, if the provider says. */
  sessionExpiresAt: Date | undefined;
  /** `keychain`, `file`, `memory`; empty if nothing is stored. */
  store: string;
  /** The secret is only in memory although the store should have it. */
  unsaved: boolean;
  failure: SessionFailure | undefined;
  /** What the person should know, each a sentence. */
  notes: string[];
}

export interface Profiles {
  sessions: Session[];
  /** The profile that an empty name means. */
  defaultProfile: string;
}

/** As the contract sends it. */
export interface SessionMessage {
  profile: string;
  state: string;
  kind: string;
  settings?: { authority: string; apiUrl: string; provider: string } | null;
  account?: Account | null;
  organization?: Organization | null;
  workspaceId: string;
  workspaceName: string;
  accessExpiresAt?: Timestamp | null;
  sessionExpiresAt?: Timestamp | null;
  store: string;
  unsaved: boolean;
  lastFailure?: { reason: string; message: string; at?: Timestamp | null; retryAt?: Timestamp | null } | null;
  notes: string[];
}

export function accountOf(account: Account | null | undefined): Account | undefined {
  if (!account) return undefined;
  const { subject, email, userName, displayName } = account;
  return { subject, email, userName, displayName };
}

export function organizationOf(given: Organization | null | undefined): Organization | undefined {
  return given && given.id !== '0' ? { id: given.id, name: given.name, fullName: given.fullName } : undefined;
}

export function workspaceOf(given: Workspace): Workspace {
  const { id, name, fullName, organization } = given;
  return { id, name, fullName, organization: organizationOf(organization) };
}

export function sessionOf(message: SessionMessage): Session {
  const failure = message.lastFailure;
  return {
    profile: message.profile,
    state: without('SESSION_STATE_', message.state),
    fixed: message.kind === 'CREDENTIAL_KIND_FIXED',
    authority: message.settings?.authority ?? '',
    apiUrl: message.settings?.apiUrl ?? '',
    provider: message.settings?.provider ?? '',
    account: accountOf(message.account),
    organization: organizationOf(message.organization),
    workspaceId: idOf(message.workspaceId),
    workspaceName: message.workspaceName,
    accessExpiresAt: dateOf(message.accessExpiresAt),
    sessionExpiresAt: dateOf(message.sessionExpiresAt),
    store: message.store,
    unsaved: message.unsaved,
    failure: failure
      ? {
          reason: without('REASON_', failure.reason),
          message: failure.message,
          at: dateOf(failure.at),
          retryAt: dateOf(failure.retryAt),
        }
      : undefined,
    notes: message.notes,
  };
}

/** An id of the contract, where 0 means none. */
export function idOf(id: string): string {
  return id === '0' ? '' : id;
}
