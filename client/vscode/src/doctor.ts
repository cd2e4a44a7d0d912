// The doctor's report, as `seqera agent doctor` prints it, in a tab that cannot be edited.

import * as vscode from 'vscode';
import { execFile } from 'node:child_process';
import { homedir } from 'node:os';
import { findProgram } from '@seqera/agent';
import { type Accounts } from './accounts.js';
import { settings } from './settings.js';

const SCHEME = 'seqera-doctor';
const PAGE = vscode.Uri.parse(`${SCHEME}:Seqera doctor's report`);
/** The report asks providers that may not answer. */
const PATIENCE = 60_000;

const changed = new vscode.EventEmitter<vscode.Uri>();
let report = '';

export function registerReport(): vscode.Disposable {
  const provider = { onDidChange: changed.event, provideTextDocumentContent: (): string => report };
  return vscode.workspace.registerTextDocumentContentProvider(SCHEME, provider);
}

export async function showReport(accounts: Accounts): Promise<void> {
  // Refuses in a workspace that is not trusted.
  void accounts.client;
  const { program, env } = settings();
  const found = findProgram(env, program);
  if (found === undefined) {
    throw new Error("Seqera: there is no program 'seqera' here: install it in a folder of PATH, or set seqera.program");
  }
  const location = vscode.ProgressLocation.Window;
  report = await vscode.window.withProgress({ location, title: 'Seqera: looking…' }, async () => examined(found, env));
  changed.fire(PAGE);
  const document = await vscode.workspace.openTextDocument(PAGE);
  await vscode.window.showTextDocument(document, { preview: true });
}

/** A report that names a problem ends with a code of its own; what it says counts all the same. */
async function examined(program: string, env: NodeJS.ProcessEnv): Promise<string> {
  const options = { env: { ...env, NO_COLOR: '1' }, cwd: homedir(), timeout: PATIENCE, maxBuffer: 1 << 20 };
  return new Promise((resolve) => {
    const child = execFile(program, ['agent', 'doctor'], options, (failed, stdout, stderr) => {
      const said = [stdout, stderr].filter(Boolean).join('\n');
      resolve(said || `${program} failed: ${failed?.message ?? 'it said nothing'}\n`);
    });
    child.stdin?.end();
  });
}
