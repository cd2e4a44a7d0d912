// The commands.

import * as vscode from 'vscode';
import { type Session } from '@seqera/agent';
import { type Accounts, problemOf } from './accounts.js';
import { showReport } from './doctor.js';
import { hostOf } from './scopes.js';
import { signIn, signOut } from './signing.js';
import { isSignedIn, summary } from './summary.js';

type Command = (accounts: Accounts) => Promise<void>;

const COMMANDS: Record<string, Command> = {
  'seqera.signIn': async (accounts) => void (await signIn(accounts)),
  'seqera.signOut': leave,
  'seqera.switchProfile': switchProfile,
  'seqera.switchOrganization': switchOrganization,
  'seqera.switchWorkspace': switchWorkspace,
  'seqera.doctor': showReport,
  'seqera.menu': menu,
};

export function registerCommands(accounts: Accounts, log: vscode.LogOutputChannel): vscode.Disposable[] {
  return Object.entries(COMMANDS).map(([name, command]) =>
    vscode.commands.registerCommand(name, async () => {
      try {
        await command(accounts);
      } catch (error) {
        await explain(error, log);
      }
    }),
  );
}

/** Shows what went wrong with its remedy, and the report at hand. */
async function explain(error: unknown, log: vscode.LogOutputChannel): Promise<void> {
  const { reason, message, hint } = problemOf(error);
  log.warn(`${reason}: ${message}`);
  const report = 'Show Report';
  const actions = vscode.workspace.isTrusted && reason !== 'NO_AGENT' ? [report] : [];
  const text = hint ? `Seqera: ${message} (${hint})` : message.startsWith('Seqera') ? message : `Seqera: ${message}`;
  const answer = await vscode.window.showErrorMessage(text, ...actions);
  if (answer === report) await vscode.commands.executeCommand('seqera.doctor');
}

interface Item extends vscode.QuickPickItem {
  value?: string;
}

async function pick(title: string, placeHolder: string, items: Item[]): Promise<Item | undefined> {
  return vscode.window.showQuickPick(items, { title, placeHolder, matchOnDescription: true });
}

async function signedIn(accounts: Accounts): Promise<{ sessions: Session[]; current: string }> {
  const { sessions, defaultProfile } = await accounts.client.list();
  return { sessions: sessions.filter(isSignedIn), current: defaultProfile };
}

function describe(session: Session): string {
  return [session.account?.email, hostOf(session.authority)].filter(Boolean).join(' · ');
}

async function leave(accounts: Accounts): Promise<void> {
  const { sessions } = await signedIn(accounts);
  if (sessions.length === 0) return nothing('Nobody is signed in.');
  const items = sessions.map((session) => ({ label: session.profile, description: describe(session), value: session.profile }));
  const picked = await pick('Sign out of Seqera', 'Which account? All programs on this machine lose it.', items);
  if (picked?.value !== undefined) await signOut(accounts, picked.value);
}

async function switchProfile(accounts: Accounts): Promise<void> {
  const { sessions, defaultProfile } = await accounts.client.list();
  const items = sessions.map((session) => ({
    label: `${session.profile === defaultProfile ? '$(check) ' : ''}${session.profile}`,
    description: isSignedIn(session) ? describe(session) : 'signed out',
    value: session.profile,
  }));
  if (items.length === 0) return nothing('There is no profile yet: sign in first.');
  const picked = await pick('Switch profile', 'Which profile do programs get that name none?', items);
  if (picked?.value === undefined) return;
  await accounts.client.useProfile(picked.value);
  await accounts.refresh();
}

/** The profile whose organisation or workspace is meant. */
async function currentProfile(accounts: Accounts): Promise<string | undefined> {
  const { sessions, current } = await signedIn(accounts);
  const found = sessions.find(({ profile }) => profile === current) ?? sessions[0];
  if (!found) await nothing('Nobody is signed in.');
  return found?.profile;
}

async function switchOrganization(accounts: Accounts): Promise<void> {
  const profile = await currentProfile(accounts);
  if (profile === undefined) return;
  const { organizations, chosen } = await accounts.client.organizations(profile);
  const items: Item[] = organizations.map(({ id, name, fullName }) => ({
    label: `${id === chosen?.id ? '$(check) ' : ''}${fullName || name}`,
    description: fullName && fullName !== name ? name : '',
    value: id,
  }));
  items.push({ label: '$(circle-slash) None', description: 'the account itself' });
  const picked = await pick(`Switch organization of ${profile}`, 'Which organization is billed?', items);
  if (picked) await chosenNow(accounts, await accounts.client.chooseOrganization(profile, picked.value));
}

async function switchWorkspace(accounts: Accounts): Promise<void> {
  const profile = await currentProfile(accounts);
  if (profile === undefined) return;
  const { workspaces, chosen } = await accounts.client.workspaces(profile);
  const items: Item[] = workspaces.map(({ id, name, fullName, organization }) => ({
    label: `${id === chosen?.id ? '$(check) ' : ''}${fullName || name}`,
    description: organization?.name ?? '',
    value: id,
  }));
  items.push({ label: '$(circle-slash) None', description: "the account's own" });
  const picked = await pick(`Switch workspace of ${profile}`, 'Which workspace do programs get?', items);
  if (picked) await chosenNow(accounts, await accounts.client.chooseWorkspace(profile, picked.value));
}

async function chosenNow(accounts: Accounts, notes: string[]): Promise<void> {
  await accounts.refresh();
  if (notes.length > 0) void vscode.window.showInformationMessage(`Seqera: ${notes.join(' ')}`);
}

async function nothing(text: string): Promise<void> {
  await vscode.window.showInformationMessage(`Seqera: ${text}`);
}

/** Everything behind the item of the status bar. */
async function menu(accounts: Accounts): Promise<void> {
  await accounts.refresh();
  const { snapshot } = accounts;
  if (!snapshot?.trusted) {
    const said = snapshot ? summary(snapshot, new Date()).spoken : 'Seqera';
    const manage = 'Manage Trust';
    const text = `${said}. Trust this workspace to sign in or switch.`;
    const answer = await vscode.window.showInformationMessage(text, manage);
    if (answer === manage) await vscode.commands.executeCommand('workbench.trust.manage');
    return;
  }
  const some = snapshot.sessions.some(isSignedIn);
  const items: (Item & { value: string })[] = [
    { label: '$(sign-in) Sign in', description: some ? 'with another account' : '', value: 'seqera.signIn' },
    ...(some
      ? [
          { label: '$(organization) Switch organization', value: 'seqera.switchOrganization' },
          { label: '$(layers) Switch workspace', value: 'seqera.switchWorkspace' },
          { label: '$(account) Switch profile', value: 'seqera.switchProfile' },
          { label: '$(sign-out) Sign out', value: 'seqera.signOut' },
        ]
      : []),
    { label: "$(pulse) Show the doctor's report", value: 'seqera.doctor' },
  ];
  const title = summary(snapshot, new Date()).spoken;
  const picked = await vscode.window.showQuickPick(some ? [...items.slice(1), ...items.slice(0, 1)] : items, { title });
  if (picked) await vscode.commands.executeCommand(picked.value);
}
