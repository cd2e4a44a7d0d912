// The authentication provider `seqera`. One account is one profile of the agent; the editor gets its token when it
// asks, and keeps nothing.

import * as vscode from 'vscode';
import { AgentError, type Session, SignInNeededError } from '@seqera/agent';
import { type Accounts, type Changed } from './accounts.js';
import { fits, labelOf, wishOf } from './scopes.js';
import { isSignedIn } from './summary.js';
import { signIn, signOut } from './signing.js';

/** A request of another extension does not wait longer for a provider that is out of reach, in seconds. */
const PATIENCE = 10;

export class Provider implements vscode.AuthenticationProvider {
  readonly #accounts: Accounts;
  readonly #log: vscode.LogOutputChannel;
  readonly #changed = new vscode.EventEmitter<vscode.AuthenticationProviderAuthenticationSessionsChangeEvent>();
  readonly onDidChangeSessions = this.#changed.event;

  constructor(accounts: Accounts, log: vscode.LogOutputChannel) {
    this.#accounts = accounts;
    this.#log = log;
    accounts.onDidMove((moved) => this.#tell(moved));
  }

  async getSessions(
    scopes: readonly string[] = [],
    options: vscode.AuthenticationProviderSessionOptions = {},
  ): Promise<vscode.AuthenticationSession[]> {
    if (!vscode.workspace.isTrusted) return [];
    const wish = wishOf(scopes);
    const { sessions } = await this.#listed();
    const wanted = sessions.filter(isSignedIn).filter((session) => fits(session, wish));
    const named = wanted.filter(({ profile }) => options.account === undefined || options.account.id === profile);
    const asked = await Promise.allSettled(named.map((session) => this.#session(session, scopes)));
    const found = asked.filter((one) => one.status === 'fulfilled').map((one) => one.value);
    const failed = asked.filter((one) => one.status === 'rejected').map((one) => one.reason as unknown);
    failed.forEach((error) => this.#log.warn(error instanceof Error ? error.message : String(error)));
    const lasting = failed.find((error) => !(error instanceof SignInNeededError));
    // To say that nobody is signed in would send the person to a sign-in that they do not need.
    if (found.length === 0 && lasting !== undefined) throw explained(lasting);
    return found;
  }

  async createSession(
    scopes: readonly string[],
    options: vscode.AuthenticationProviderSessionOptions = {},
  ): Promise<vscode.AuthenticationSession> {
    const wish = wishOf(scopes);
    try {
      const profile = await signIn(this.#accounts, { ...wish, profile: options.account?.id ?? wish.profile });
      if (profile === undefined) throw new Error('Cancelled');
      const session = await this.#accounts.client.status({ profile });
      return await this.#session(session, scopes);
    } catch (error) {
      throw explained(error);
    }
  }

  async removeSession(id: string): Promise<void> {
    await signOut(this.#accounts, id);
  }

  dispose(): void {
    this.#changed.dispose();
  }

  /** Without a command there is no agent and nobody is signed in; that is for the status bar to say. */
  async #listed(): Promise<{ sessions: Session[] }> {
    try {
      return await this.#accounts.client.list();
    } catch (error) {
      if (error instanceof AgentError && error.reason === 'NO_AGENT') return { sessions: [] };
      throw explained(error);
    }
  }

  async #session(session: Session, scopes: readonly string[]): Promise<vscode.AuthenticationSession> {
    const token = await this.#accounts.client.token({ profile: session.profile, deadline: PATIENCE });
    return { ...shell(session), accessToken: token.secret, scopes };
  }

  #tell({ added, changed, removed }: Changed): void {
    const shells = (sessions: Session[]): vscode.AuthenticationSession[] => sessions.map(shell);
    this.#changed.fire({ added: shells(added), changed: shells(changed), removed: shells(removed) });
  }
}

/** A session without its token, which an event does not need. */
function shell(session: Session): vscode.AuthenticationSession {
  const { profile } = session;
  return { id: profile, accessToken: '', account: { id: profile, label: labelOf(session) }, scopes: [] };
}

/** With the hint, because the editor shows other extensions nothing but the message. */
function explained(error: unknown): Error {
  if (!(error instanceof AgentError)) return error instanceof Error ? error : new Error(String(error));
  return new Error(error.hint ? `${error.message} (${error.hint})` : error.message);
}
