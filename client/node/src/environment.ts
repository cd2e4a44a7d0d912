// Tokens of the environment, in the documented order: the file that SEQERA_ACCESS_TOKEN_FILE names, then
// SEQERA_ACCESS_TOKEN, then TOWER_ACCESS_TOKEN. A profile that the program names itself beats them all.

import { createHash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
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

/** The variables of Nextflow and `tw`, and those of the Python SDK: a token, and the API that it is for. */
const TOWER = ['TOWER_ACCESS_TOKEN', 'TOWER_API_ENDPOINT'] as const;
const SEQERA = ['SEQERA_ACCESS_TOKEN', 'SEQERA_API_ENDPOINT'] as const;

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

/** Where a token of the environment may be sent, by the rules of the command: `SEQERA_AUTH_DOMAIN` decides, else the
 * endpoint beside the token by the custom of Nextflow and `tw`, else `config.json` and `SEQERA_PLATFORM_API_URL`. Where
 * two of them name different Platforms it goes nowhere, and to Seqera Cloud only where nothing is named at all. */
export function originsOfGiven(env: Environment, token: Given): Set<string> {
  if (token.isMarked || token.authority !== '' || token.api !== '') return origins([token.authority, token.api]);
  const isTower = token.variable === TOWER[0];
  const [ownPair, otherPair] = isTower ? [TOWER, SEQERA] : [SEQERA, TOWER];
  const own = variable(env, ownPair[1]);
  const other = variable(env, otherPair[1]);
  const domain = variable(env, 'SEQERA_AUTH_DOMAIN');
  const api = variable(env, 'SEQERA_PLATFORM_API_URL');
  const authority = domain ?? authorityOfFile(env);
  const named = [authority, api].filter((url) => url !== undefined);
  const isAmong = (url: string): boolean => [...origins([url])].some((origin) => origins(named).has(origin));
  if (named.length === 0) {
    const rival = variable(env, otherPair[0]);
    const isOfRival = own === undefined && other !== undefined && rival !== undefined && rival !== token.secret;
    const found = own ?? other;
    return origins(isOfRival ? [] : found === undefined ? CLOUD : [found]);
  }
  if (own !== undefined && !isAmong(own)) return origins(isTower && domain === undefined ? [own] : []);
  if (other !== undefined && own === undefined && domain === undefined && !isAmong(other)) return origins([]);
  return origins(named);
}

/** The authority at the top of `config.json`. Throws if nobody can know it. */
function authorityOfFile(env: Environment): string | undefined {
  const xdg = variable(env, 'XDG_CONFIG_HOME');
  const home = variable(env, process.platform === 'win32' ? 'USERPROFILE' : 'HOME');
  const ofHome = home === undefined ? undefined : join(home, '.config', 'seqera-ai');
  const ofXdg = xdg !== undefined && isAbsolute(xdg) ? join(xdg, 'seqera-ai') : undefined;
  const folder = variable(env, 'SEQERA_CLI_CONFIG_DIR') ?? ofXdg ?? ofHome;
  if (folder === undefined) return undefined;
  const path = join(folder, 'config.json');
  try {
    const text = trimmed(readFileSync(path, 'utf8'));
    const domain: unknown = (JSON.parse(text || '{}') as { authDomain?: unknown }).authDomain ?? '';
    if (typeof domain !== 'string') throw new TypeError('no text');
    return trimmed(domain) || undefined;
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    // What the parser says quotes the file, which may hold the password of a proxy.
    throw errorOf('MISCONFIGURED', `${path} cannot be read`, { hint: 'correct the file or move it away' });
  }
}

/** The origins of these addresses. Cloud's two are one. */
export function origins(addresses: readonly string[]): Set<string> {
  const found = new Set(addresses.map(originOf).filter((origin) => origin !== undefined));
  if (CLOUD.some((cloud) => found.has(cloud))) CLOUD.forEach((cloud) => found.add(cloud));
  return found;
}
