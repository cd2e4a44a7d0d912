// Signing in and out, as a person sees it. The agent does both.

import * as vscode from 'vscode';
import { AgentError, CancelledError, type Client, type LoginEvent, type Session } from '@seqera/agent';
import { type Accounts, problemOf } from './accounts.js';
import { hostOf, sameAddress } from './scopes.js';
import { settings } from './settings.js';
import { isSignedIn } from './summary.js';

const CLOUD = 'https://cloud.seqera.io/api';
const NAME = /^[a-z0-9][a-z0-9._-]{0,62}$/;

/** Whom to sign in, as far as that is known. */
export interface SignInWish {
  profile?: string | undefined;
  authority?: string | undefined;
}

type Place = { profile?: string; authority?: string };
type BrowserEvent = Extract<LoginEvent, { kind: 'browser' }>;
type DeviceEvent = Extract<LoginEvent, { kind: 'device' }>;

/** Signs somebody in, and gives the profile; `undefined` if the person went away. */
export async function signIn(accounts: Accounts, wish: SignInWish = {}): Promise<string | undefined> {
  const { client } = accounts;
  const place = wish.profile || wish.authority ? placeOf(wish) : await choosePlace(client);
  if (place === undefined) return undefined;
  const device = await chooseMethod(place);
  if (device === undefined) return undefined;
  const ending = new AbortController();
  const shown = new Shown(client, ending);
  try {
    for await (const event of client.login({ ...place, device, force: true, signal: ending.signal })) {
      if (event.kind === 'browser') shown.browser(event, hostOf(place.authority ?? event.url));
      else if (event.kind === 'device') shown.device(event);
      else if (event.kind === 'signedIn') {
        shown.close();
        await accounts.refresh();
        return event.profile;
      }
    }
    return undefined;
  } catch (error) {
    if (ending.signal.aborted || error instanceof CancelledError) return undefined;
    throw error;
  } finally {
    shown.close();
  }
}

function placeOf({ profile, authority }: SignInWish): Place {
  return { ...(profile ? { profile } : {}), ...(authority ? { authority } : {}) };
}

interface PlaceItem extends vscode.QuickPickItem {
  place?: Place;
  other?: true;
}

/** Which account: one that is known and not signed in, or a new one at some server. */
async function choosePlace(client: Client): Promise<Place | undefined> {
  const { sessions } = await client.list();
  const known = sessions.filter((session) => !isSignedIn(session) && session.authority !== '');
  const first = settings().authority ?? CLOUD;
  const servers = first === CLOUD ? [CLOUD] : [first, CLOUD];
  const items: PlaceItem[] = [
    ...known.map((session) => ({
      label: `$(account) ${session.profile}`,
      description: [session.account?.email, hostOf(session.authority)].filter(Boolean).join(' · '),
      detail: session.state === 'SIGNED_OUT' ? 'Signed out' : 'The session has ended',
      place: { profile: session.profile },
    })),
    ...servers.map((authority) => ({
      label: authority === CLOUD ? '$(cloud) Seqera Cloud' : `$(server) ${hostOf(authority)}`,
      description: authority === CLOUD ? hostOf(CLOUD) : '',
      place: { authority },
    })),
    { label: '$(server) Another server…', description: 'an Enterprise installation', other: true as const },
  ];
  const asked = { title: 'Sign in to Seqera', placeHolder: 'Which account?', ignoreFocusOut: true };
  const picked = await vscode.window.showQuickPick(items, asked);
  if (picked?.place?.profile) return picked.place;
  const authority = picked?.other ? await askAddress() : picked?.place?.authority;
  return authority === undefined ? undefined : atServer(authority, sessions);
}

async function askAddress(): Promise<string | undefined> {
  const address = await vscode.window.showInputBox({
    title: 'Sign in to Seqera',
    prompt: 'The address of the server, as a browser shows it',
    placeHolder: 'https://platform.example.com/api',
    ignoreFocusOut: true,
    validateInput: (text) => (isAddress(text.trim()) ? undefined : 'An address that begins with https://'),
  });
  return address?.trim();
}

function isAddress(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const secure = url?.protocol === 'https:' || ['127.0.0.1', 'localhost', '[::1]'].includes(url?.hostname ?? '');
  return url !== undefined && secure && url.username === '' && url.password === '';
}

/** A second account at a server needs a name of its own, since the first one keeps its session. */
async function atServer(authority: string, sessions: Session[]): Promise<Place | undefined> {
  if (!sessions.some((session) => isSignedIn(session) && sameAddress(session.authority, authority))) return { authority };
  const taken = new Set(sessions.map(({ profile }) => profile));
  const profile = await vscode.window.showInputBox({
    title: 'Sign in to Seqera',
    prompt: `Somebody is signed in at ${hostOf(authority)}. A name for the other account:`,
    placeHolder: 'work',
    ignoreFocusOut: true,
    validateInput: (name) => {
      if (taken.has(name)) return 'There is a profile with this name';
      return NAME.test(name) ? undefined : 'Small letters, digits, dots and hyphens';
    },
  });
  return profile === undefined ? undefined : { profile, authority };
}

/** Whether on another device; `undefined` if the person went away. */
async function chooseMethod({ profile, authority }: Place): Promise<boolean | undefined> {
  const picked = await vscode.window.showQuickPick(
    [
      { label: '$(link-external) In the browser', device: false },
      { label: '$(device-mobile) On another device', description: 'with a code', device: true },
    ],
    { title: `Sign in to ${profile ?? hostOf(authority ?? CLOUD)}`, placeHolder: 'How?', ignoreFocusOut: true },
  );
  return picked?.device;
}

/** What is on the screen while a login runs. When the person closes it, the login ends. */
class Shown {
  readonly #client: Client;
  readonly #ending: AbortController;
  #input: vscode.QuickInput | undefined;

  constructor(client: Client, ending: AbortController) {
    this.#client = client;
    this.#ending = ending;
  }

  /** The browser comes back by itself where it runs on this machine, or through a forwarded port; else the person
   * pastes the address that it ended on. */
  browser(event: BrowserEvent, host: string): void {
    const box = vscode.window.createInputBox();
    box.title = `Sign in to ${host}`;
    box.prompt = event.canPaste
      ? 'Go on in the browser. If it ends on a page that cannot be reached, paste the address of that page here.'
      : 'Go on in the browser.';
    box.placeholder = event.canPaste ? 'Waiting for the browser…' : '';
    box.enabled = event.canPaste;
    box.password = true;
    box.ignoreFocusOut = true;
    // Not to open it again: the address that holds no secret works once.
    box.buttons = [{ iconPath: new vscode.ThemeIcon('copy'), tooltip: 'Copy the address of the page' }];
    box.onDidTriggerButton(() => void vscode.env.clipboard.writeText(event.url));
    box.onDidChangeValue(() => { box.validationMessage = undefined; });
    box.onDidAccept(() => void this.#handIn(box, event.profile));
    this.#show(box);
    void openPage(event);
  }

  device(event: DeviceEvent): void {
    const pick = vscode.window.createQuickPick();
    const [code, page] = [plain(event.userCode), plain(event.verificationUri)];
    pick.title = `Sign in with the code ${code}`;
    pick.placeholder = `Enter ${code} at ${page}. Waiting…`;
    pick.ignoreFocusOut = true;
    pick.items = [
      { label: '$(link-external) Copy the code and open the page', alwaysShow: true },
      { label: '$(copy) Copy the code', alwaysShow: true },
    ];
    pick.onDidAccept(() => {
      void vscode.env.clipboard.writeText(code);
      const uri = event.verificationUriComplete || event.verificationUri;
      if (pick.activeItems[0] === pick.items[0] && /^https?:\/\//.test(uri)) {
        void vscode.env.openExternal(vscode.Uri.parse(uri, true));
      }
    });
    this.#show(pick);
  }

  close(): void {
    const input = this.#input;
    this.#input = undefined;
    input?.dispose();
  }

  #show(input: vscode.QuickInput): void {
    this.close();
    this.#input = input;
    input.busy = true;
    input.onDidHide(() => { if (this.#input === input) this.#ending.abort(); });
    input.show();
  }

  async #handIn(box: vscode.InputBox, profile: string): Promise<void> {
    if (box.value.trim() === '') return;
    try {
      await this.#client.completeLogin(profile, box.value);
    } catch (error) {
      const { message, hint } = problemOf(error);
      box.validationMessage = hint ? `${message} (${hint})` : message;
    }
  }
}

/** Opens the page. Where the editor starts a program for that, it is told an address without the state of the login:
 * other users can read the arguments of programs. That address answers on this machine, and where the editor forwards
 * its port; and not to a page, which is what opens it if the editor itself runs in a browser. */
async function openPage({ openUrl, url }: BrowserEvent): Promise<void> {
  const page = vscode.Uri.parse(url, true);
  if (vscode.env.uiKind === vscode.UIKind.Web) return void (await vscode.env.openExternal(page));
  const here = vscode.Uri.parse(openUrl, true);
  const there = await vscode.env.asExternalUri(here);
  const port = here.authority.split(':')[1];
  const answers = there.authority === `127.0.0.1:${port}` || there.authority === `localhost:${port}`;
  await vscode.env.openExternal(answers ? here : page);
}

/** Text of a provider, which may be anything. */
function plain(text: string): string {
  return text.replace(/[^\x21-\x7e]/g, '').slice(0, 200);
}

/** Signs a profile out, after a second question where programs would lose their tokens. */
export async function signOut(accounts: Accounts, profile: string): Promise<void> {
  const { client } = accounts;
  const outcomes = await client.logout(profile).catch(async (error: unknown) => {
    if (!(error instanceof AgentError) || error.reason !== 'IN_USE') throw error;
    const yes = 'Sign Out and End Them';
    const detail = 'Their tokens are deleted with the session, and what they do may fail.';
    const answer = await vscode.window.showWarningMessage(error.message, { modal: true, detail }, yes);
    return answer === yes ? client.logout(profile, { force: true }) : undefined;
  });
  await accounts.refresh();
  for (const { profile: name, result, detail } of outcomes ?? []) {
    const words = OUTCOMES[result];
    if (words) void vscode.window.showWarningMessage(`Seqera: ${name} is signed out. ${words}${detail ? ` (${detail})` : ''}`);
  }
}

/** What the person should know about how a sign-out ended. */
const OUTCOMES: Record<string, string | undefined> = {
  PENDING: 'The provider could not be reached to revoke the session; the agent keeps trying.',
  REFUSED: 'The provider refused to revoke the session.',
  TOKEN_KEPT: 'The access token that was given stays valid at the Platform.',
  KEYCHAIN_LOCKED: 'The keychain is locked; its item is removed once it is unlocked.',
  NOT_REMOVED: 'What is stored could not be removed.',
};
