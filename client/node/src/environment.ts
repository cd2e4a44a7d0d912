// Tokens of the environment, in the documented order: the file that SEQERA_ACCESS_TOKEN_FILE names, then
// SEQERA_ACCESS_TOKEN, then TOWER_ACCESS_TOKEN. A profile that the program names itself beats them all.

import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { errorOf } from './errors.js';
import { OddValue, originOf, readToken, trimmed } from './values.js';

/** The variables of a process. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** The variable that a token came from. */
export type Variable = 'SEQERA_ACCESS_TOKEN_FILE' | 'SEQERA_ACCESS_TOKEN' | 'TOWER_ACCESS_TOKEN';

/** A token of the environment, and what is known about it. */
export interface Given {
  variable: Variable;
  secret: string;
  authority: string;
  api: string;
  workspaceId: string;
  profile: string;
  expiresAt: Date | undefined;
  /** The addresses beside the token are all that count, even if there are none. */
  readonly isMarked?: boolean;
}

const VARIABLES = ['SEQERA_ACCESS_TOKEN', 'TOWER_ACCESS_TOKEN'] as const;
const ENDPOINTS = ['TOWER_API_ENDPOINT', 'SEQERA_API_ENDPOINT', 'SEQERA_PLATFORM_API_URL', 'SEQERA_AUTH_DOMAIN'];
const LARGEST_FILE = 64 * 1024;

/** How the second line of a file begins that `seqera token --write` keeps. */
const MARK = '# seqera token file';

/** The two hosts of Seqera Cloud are one. */
const CLOUD = ['https://cloud.seqera.io', 'https://api.cloud.seqera.io'];

/** A variable without blanks around it; an empty one counts as not set. */
export function variable(env: Environment, name: string): string | undefined {
  return trimmed(env[name] ?? '') || undefined;
}

/** Lower-case hex of the SHA-256 of a token: how the agent is told which one was refused. */
export function sha256(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}

/** The token that the environment gives, if any. Throws if a variable holds something else: to look further would be
 * to use another account. */
export function givenToken(env: Environment): Given | undefined {
  const path = variable(env, 'SEQERA_ACCESS_TOKEN_FILE');
  if (path !== undefined) return ofFile(path);
  for (const name of VARIABLES) {
    const secret = understood(name, 'set it to the token alone, or unset it', () => readToken(env[name] ?? ''));
    if (secret !== undefined) return given(name, secret);
  }
  return undefined;
}

function given(variable: Variable, secret: string): Given {
  return { variable, secret, authority: '', api: '', workspaceId: '', profile: '', expiresAt: undefined };
}

function understood<T>(place: string, hint: string, read: () => T, reason = 'BAD_REQUEST'): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof OddValue)) throw error;
    throw errorOf(reason, `${place} ${error.message}`, { hint });
  }
}

function ofFile(path: string): Given {
  const hint = "SEQERA_ACCESS_TOKEN_FILE names it: let 'seqera token --write' write it, or unset the variable";
  let text: string;
  try {
    const { size } = statSync(path);
    if (size > LARGEST_FILE) throw new Error(`has ${size} bytes; ${LARGEST_FILE} are the limit`);
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw errorOf('BAD_REQUEST', `the token file ${path} cannot be read: ${(error as Error).message}`, { hint });
  }
  const [first = '', second = '', ...rest] = text.split(/\r?\n/);
  const marked = second.startsWith(MARK);
  const secret = understood(path, hint, () => readToken(marked ? first : text), 'BAD_REQUEST');
  if (secret === undefined) throw errorOf('BAD_REQUEST', `${path} holds no token`, { hint });
  const found = given('SEQERA_ACCESS_TOKEN_FILE', secret);
  if (!marked) return found;
  const beside = new Map(rest.map((line) => line.split(/=(.*)/s, 2).map((part) => part.trim()) as [string, string]));
  const told = beside.get('expires') ?? '';
  const expires = Date.parse(told);
  if (told !== '' && Number.isNaN(expires)) {
    throw errorOf('BAD_REQUEST', `${path} holds a value of 'expires' that makes no sense`, { hint });
  }
  if (expires <= Date.now()) {
    const keep = `'seqera token --write ${path} --watch' keeps it fresh, where the agent can be reached`;
    throw errorOf('LOGIN_EXPIRED', `the token in ${path} has expired (${told})`, { hint: keep });
  }
  return {
    ...found,
    isMarked: true,
    authority: beside.get('authority') ?? '',
    api: beside.get('api') ?? '',
    workspaceId: beside.get('workspace') ?? '',
    profile: beside.get('profile') ?? '',
    expiresAt: Number.isNaN(expires) ? undefined : new Date(expires),
  };
}

/** The profile whose token `seqera exec` has put into the environment. A long-running child asks the agent for it
 * instead of using the token that it was started with. */
export function profileOfExec(env: Environment, token: Given): string | undefined {
  if (token.variable === 'SEQERA_ACCESS_TOKEN_FILE') return undefined;
  const mark = variable(env, 'SEQERA_EXEC_TOKEN') ?? '';
  const end = mark.lastIndexOf(':');
  return end > 0 && mark.slice(end + 1) === sha256(token.secret) ? mark.slice(0, end) : undefined;
}

/** Where a token of the environment may be sent: to the API beside it, and to Seqera Cloud where nothing is named. */
export function originsOfGiven(env: Environment, token: Given): Set<string> {
  if (token.isMarked || token.authority !== '' || token.api !== '') return origins([token.authority, token.api]);
  const named = ENDPOINTS.map((name) => variable(env, name)).filter((url) => url !== undefined);
  return origins(named.length > 0 ? named.slice(0, 1) : CLOUD);
}

/** The origins of these addresses. Cloud's two are one. */
export function origins(addresses: readonly string[]): Set<string> {
  const found = new Set(addresses.map(originOf).filter((origin) => origin !== undefined));
  if (CLOUD.some((cloud) => found.has(cloud))) CLOUD.forEach((cloud) => found.add(cloud));
  return found;
}
