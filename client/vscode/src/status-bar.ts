// The item in the status bar.

import * as vscode from 'vscode';
import { type Accounts } from './accounts.js';
import { type Action, type Summary, summary } from './summary.js';

/** The time left is shown in minutes. */
const TICK = 30_000;

const LINKS: Record<Action, string> = {
  signIn: '[$(sign-in) Sign in](command:seqera.signIn)',
  doctor: "[$(pulse) Show the doctor's report](command:seqera.doctor)",
};

export function showStatus(accounts: Accounts): vscode.Disposable {
  const item = vscode.window.createStatusBarItem('seqera.status', vscode.StatusBarAlignment.Right, 90);
  item.name = 'Seqera Account';
  item.command = 'seqera.menu';
  const show = (): void => {
    const { snapshot } = accounts;
    if (!snapshot) return;
    const said = summary(snapshot, new Date());
    item.text = said.text;
    item.tooltip = tooltip(said);
    item.accessibilityInformation = { label: said.spoken, role: 'button' };
    item.backgroundColor =
      said.severity === 'none' ? undefined : new vscode.ThemeColor(`statusBarItem.${said.severity}Background`);
    item.show();
  };
  const timer = setInterval(show, TICK);
  return vscode.Disposable.from(item, accounts.onDidLook(show), { dispose: () => clearInterval(timer) });
}

/** What comes from a server or a file is text here and never a link. */
function tooltip({ rows, problems, actions, spoken }: Summary): vscode.MarkdownString {
  const text = new vscode.MarkdownString('', true);
  text.isTrusted = { enabledCommands: ['seqera.signIn', 'seqera.doctor'] };
  if (rows.length === 0 && problems.length === 0) text.appendText(spoken);
  if (rows.length > 0) text.appendMarkdown('| | |\n|---|---|\n');
  for (const [name, value] of rows) {
    text.appendMarkdown(`| ${name}&nbsp;&nbsp; | ${cell(value)} |\n`);
  }
  for (const { message, hint } of problems) {
    text.appendMarkdown('\n\n$(warning) ');
    text.appendText(message);
    if (hint) text.appendMarkdown('  \n').appendText(hint);
  }
  if (actions.length > 0) text.appendMarkdown(`\n\n${actions.map((action) => LINKS[action]).join('   ')}`);
  return text;
}

/** Text in a cell of a table, with nothing in it that Markdown would read. */
function cell(value: string): string {
  return value.replace(/[\s\p{Cc}]+/gu, ' ').replace(/[\\`*_{}[\]()#+\-.!|<>&~$:@]/g, (mark) => `&#${mark.codePointAt(0)};`);
}
