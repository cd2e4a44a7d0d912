// The environment of new terminals.

import * as vscode from 'vscode';
import { type Accounts } from './accounts.js';
import { settings } from './settings.js';
import { isSignedIn } from './summary.js';
import { holdsToken, variablesOf } from './terminal-variables.js';

export function equipTerminals(
  accounts: Accounts,
  collection: vscode.EnvironmentVariableCollection,
  log: vscode.LogOutputChannel,
): vscode.Disposable {
  // The editor would write it into its own storage.
  collection.persistent = false;
  const equip = async (): Promise<void> => {
    const wanted = await wantedNow(accounts).catch((error: unknown) => {
      log.warn(`terminals: ${error instanceof Error ? error.message : String(error)}`);
      return new Map<string, string>();
    });
    apply(collection, wanted);
  };
  // One after the other, so that an older answer never comes last.
  let last = Promise.resolve();
  const next = (): void => { last = last.then(equip); };
  return vscode.Disposable.from(accounts.onDidLook(next), accounts.onDidMove(next));
}

async function wantedNow(accounts: Accounts): Promise<Map<string, string>> {
  const { snapshot } = accounts;
  const { amount } = settings();
  const session = snapshot?.sessions.find(({ profile }) => profile === snapshot.defaultProfile);
  const nothing = !vscode.workspace.isTrusted || amount === 'none' || holdsToken(process.env);
  if (nothing || !session || !isSignedIn(session)) return new Map();
  const token = amount === 'token' ? (await accounts.client.token({ profile: session.profile })).secret : undefined;
  return variablesOf(session, token, process.env);
}

/** Only what differs, because the editor marks every open terminal as out of date. */
function apply(collection: vscode.EnvironmentVariableCollection, wanted: Map<string, string>): void {
  const present = new Map<string, string>();
  collection.forEach((name, { value }) => void present.set(name, value));
  for (const name of present.keys()) if (!wanted.has(name)) collection.delete(name);
  for (const [name, value] of wanted) if (present.get(name) !== value) collection.replace(name, value);
  collection.description = wanted.size > 0 ? 'The Platform and workspace of your Seqera account' : undefined;
}
