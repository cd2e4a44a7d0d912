// The extension: accounts of the Seqera agent for the editor and for other extensions. The agent is the one of the
// host where this runs: with Remote-SSH or in a container, the other host's.

import * as vscode from 'vscode';
import { Accounts } from './accounts.js';
import { registerCommands } from './commands.js';
import { registerReport } from './doctor.js';
import { Provider } from './provider.js';
import { showStatus } from './status-bar.js';
import { equipTerminals } from './terminals.js';

export function activate(context: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel('Seqera', { log: true });
  const accounts = new Accounts(log);
  const provider = new Provider(accounts, log);
  context.subscriptions.push(
    log,
    accounts,
    provider,
    vscode.authentication.registerAuthenticationProvider('seqera', 'Seqera', provider, { supportsMultipleAccounts: true }),
    showStatus(accounts),
    equipTerminals(accounts, context.environmentVariableCollection, log),
    registerReport(),
    ...registerCommands(accounts, log),
    vscode.workspace.onDidGrantWorkspaceTrust(() => {
      // Until now other extensions have been told of nobody.
      accounts.forget();
      void accounts.refresh(true);
    }),
    vscode.workspace.onDidChangeConfiguration((event) => {
      if (!event.affectsConfiguration('seqera')) return;
      accounts.connect();
      void accounts.refresh(true);
    }),
  );
  void accounts.refresh(true);
}
