// Signing in. The agent does it; the command `seqera` starts it, because it knows what the user's files and variables
// say about authority, proxy and certificates.

import { spawn } from 'node:child_process';
import { dirname } from 'node:path';
import { createInterface } from 'node:readline';
import { type Environment } from './environment.js';
import { errorOf } from './errors.js';
import { environmentFor, failureOf, findProgram, noProgram } from './program.js';

/** How to sign in, and where. */
export interface LoginWish {
  /** If not given, the profile of the authority, or the default one. */
  profile?: string | undefined;
  /** OIDC issuer base URL; Seqera Cloud if nothing names another. */
  authority?: string | undefined;
  /** Show a code for another device instead of a page for this one. */
  device?: boolean | undefined;
  /** Sign in although a session exists. */
  force?: boolean | undefined;
  signal?: AbortSignal | undefined;
}

/** What happens during a login. */
export type LoginEvent =
  /** Show the person `url`, and nobody else: it contains the state of the login. A browser on this host is started
   * with `openUrl`, which holds no secret, because other users can read the arguments of programs. */
  | { kind: 'browser'; url: string; openUrl: string; redirectUri: string; profile: string; canPaste: boolean }
  /** All of it is text from the provider: show it, but do not trust it. */
  | { kind: 'device'; userCode: string; verificationUri: string; verificationUriComplete: string }
  | { kind: 'waiting'; until: Date | undefined }
  /** The last event of a login that succeeded. */
  | { kind: 'signedIn'; profile: string };

interface Line {
  event?: string;
  url?: string;
  open_url?: string | null;
  redirect_uri?: string;
  profile?: string;
  can_paste?: boolean;
  user_code?: string;
  verification_uri?: string;
  verification_uri_complete?: string;
  until?: string | null;
}

/** Runs `seqera login`. Ending the loop, or the signal, ends the login. */
export async function* loginByCommand(
  wish: LoginWish,
  env: Environment,
  given: string | undefined,
): AsyncGenerator<LoginEvent, void, undefined> {
  const program = findProgram(env, given);
  if (program === undefined) throw noProgram();
  wish.signal?.throwIfAborted();
  const child = spawn(program, argumentsOf(wish), {
    env: environmentFor(env),
    cwd: dirname(program),
    stdio: ['ignore', 'pipe', 'pipe'],
    windowsHide: true,
  });
  const ended = new Promise<void>((resolve) => child.once('close', resolve).once('error', () => resolve()));
  const stop = (): void => void child.kill('SIGINT');
  wish.signal?.addEventListener('abort', stop, { once: true });
  let [printed, answer] = ['', ''];
  child.stdout.on('data', (chunk: Buffer) => { answer += chunk.toString(); });
  try {
    for await (const line of createInterface({ input: child.stderr })) {
      const event = eventOf(line);
      if (event) yield event;
      else printed += `${line}\n`;
    }
    await ended;
    wish.signal?.throwIfAborted();
    if (child.exitCode !== 0) throw failureOf(printed) ?? errorOf('CANCELLED', 'the sign-in was ended');
    yield { kind: 'signedIn', profile: profileIn(answer) };
  } finally {
    wish.signal?.removeEventListener('abort', stop);
    if (child.exitCode === null) stop();
  }
}

function argumentsOf({ profile, authority, device, force }: LoginWish): string[] {
  return [
    'login',
    '-o',
    'json',
    '--no-browser',
    ...(profile ? [`--profile=${profile}`] : []),
    ...(authority ? [`--authority=${authority}`] : []),
    ...(device ? ['--device'] : []),
    ...(force ? ['--force'] : []),
  ];
}

function eventOf(line: string): LoginEvent | undefined {
  let said: Line;
  try {
    said = JSON.parse(line) as Line;
  } catch {
    return undefined;
  }
  const { url = '', redirect_uri: redirectUri = '', profile = '', user_code: userCode = '' } = said;
  const { verification_uri: verificationUri = '', verification_uri_complete: verificationUriComplete = '' } = said;
  switch (said.event) {
    case 'authorization_url':
      return { kind: 'browser', url, openUrl: said.open_url || url, redirectUri, profile, canPaste: said.can_paste ?? true };
    case 'device_code':
      return { kind: 'device', userCode, verificationUri, verificationUriComplete };
    case 'waiting':
      return { kind: 'waiting', until: said.until ? new Date(said.until) : undefined };
    default:
      return undefined;
  }
}

function profileIn(answer: string): string {
  try {
    const { profile } = JSON.parse(answer) as { profile?: string };
    return profile ?? '';
  } catch {
    return '';
  }
}
