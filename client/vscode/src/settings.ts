// The settings, all of scope `machine`: the file of a workspace cannot set them, since whoever wrote a repository must
// not choose the program that is started, the socket that is asked, or the server that somebody signs in to.

import * as vscode from 'vscode';
import { type Environment } from '@seqera/agent';
import { type Amount } from './terminal-variables.js';

export interface Settings {
  program: string | undefined;
  authority: string | undefined;
  amount: Amount;
  /** The variables that the agent is looked for with. */
  env: Environment;
}

export function settings(): Settings {
  const found = vscode.workspace.getConfiguration('seqera');
  const text = (name: string): string | undefined => found.get<string>(name)?.trim() || undefined;
  const socket = text('agentSocket');
  return {
    program: text('program'),
    authority: text('authority'),
    amount: found.get<Amount>('terminal.environment') ?? 'endpoint',
    env: socket === undefined ? process.env : { ...process.env, SEQERA_AGENT_SOCK: socket },
  };
}
