// Tokens of the environment, in the documented order: the file that SEQERA_ACCESS_TOKEN_FILE names, then
// SEQERA_ACCESS_TOKEN, then TOWER_ACCESS_TOKEN. A profile that the program names itself beats them all.

import { createHash } from 'node:crypto';
import { userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { errorOf } from './errors.js';
import { isMissing, readRegular } from './files.js';
import { isInTheClear, OddValue, originOf, readToken, trimmed } from './values.js';

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
const LARGEST_CONFIG = 1024 * 1024;

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
  const odd = (what: string): Error => errorOf('BAD_REQUEST', `${path} ${what}`, { hint });
  let text: string;
  try {
    text = readRegular(path, LARGEST_FILE, 'anybody');
  } catch (error) {
    throw errorOf('BAD_REQUEST', `the token file ${path} cannot be read: ${(error as Error).message}`, { hint });
  }
  const [first = '', second = '', ...rest] = text.split(/\r?\n/);
  const marked = second.startsWith(MARK);
  const secret = understood(path, hint, () => readToken(marked ? first : text));
  if (secret === undefined) throw odd('holds no token');
  const found = given('SEQERA_ACCESS_TOKEN_FILE', secret);
  if (!marked) return found;
  const beside = new Map(rest.map((line) => line.split(/=(.*)/s, 2).map((part) => part.trim()) as [string, string]));
  for (const name of ['authority', 'api']) {
    const url = beside.get(name) ?? '';
    if (url !== '') understood(`${path}: the address in '${name}'`, hint, () => originOf(url));
  }
  const told = beside.get('expires') ?? '';
  const expires = Date.parse(told);
  if (told !== '' && Number.isNaN(expires)) throw odd("holds a value of 'expires' that makes no sense");
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
 * two of them name different Platforms it goes nowhere, and to Seqera Cloud only where nothing is named at all. Throws
 * if one of them is no address: as if it were not set, the token would be another account's. */
export function originsOfGiven(env: Environment, token: Given): Set<string> {
  const domain = address(env, 'SEQERA_AUTH_DOMAIN');
  const api = address(env, 'SEQERA_PLATFORM_API_URL');
  const top = authorityOfFile(env);
  if (token.authority !== '' || token.api !== '') return origins([token.authority, token.api]);
  // What stands in a kept file is all that counts beside a word that is meant for it.
  if (token.isMarked && domain === undefined) return origins([]);
  const isTower = token.variable === TOWER[0];
  const [ownPair, otherPair] = isTower ? [TOWER, SEQERA] : [SEQERA, TOWER];
  const own = address(env, ownPair[1]);
  const other = address(env, otherPair[1]);
  const authority = domain ?? top ?? api;
  // One that others could read along is not taken for the API of an authority.
  const named = [authority, api && isInTheClear(originOf(api)) ? undefined : api].filter((url) => url !== undefined);
  const isAmong = (url: string): boolean => all([url]).some((origin) => all(named).includes(origin));
  if (named.length === 0) {
    const isOfRival = own === undefined && other !== undefined && holdsAnother(env, otherPair[0], token);
    const found = own ?? other;
    return origins(isOfRival ? [] : found === undefined ? CLOUD : [found]);
  }
  if (own !== undefined && !isAmong(own)) return origins(isTower && domain === undefined ? [own] : []);
  if (other !== undefined && own === undefined && domain === undefined && !isAmong(other)) return origins([]);
  return origins(named);
}

/** An address in a variable, if there is one. */
function address(env: Environment, name: string): string | undefined {
  const text = variable(env, name);
  const hint = 'it must look like https://platform.example.com/api';
  if (text !== undefined) understood(`the address in ${name}`, hint, () => originOf(text), 'MISCONFIGURED');
  return text;
}

function holdsAnother(env: Environment, name: string, token: Given): boolean {
  try {
    const secret = readToken(env[name] ?? '');
    return secret !== undefined && secret !== token.secret;
  } catch {
    return false;
  }
}

/** The folder of `config.json`, as the command finds it. */
function configFolder(env: Environment): string | undefined {
  const path = (name: string): string | undefined => {
    const found = variable(env, name);
    if (found === undefined || (isAbsolute(found) && !/\p{Cc}/u.test(found))) return found;
    throw errorOf('MISCONFIGURED', `${name} must be an absolute path`, { hint: 'set it to the whole path, or unset it' });
  };
  // macOS alone knows the home of a process without a variable for it.
  const known = process.platform === 'darwin' ? userInfo().homedir : undefined;
  const home = path(process.platform === 'win32' ? 'USERPROFILE' : 'HOME') ?? known;
  const own = path('SEQERA_CLI_CONFIG_DIR');
  if (own !== undefined) return own;
  // The XDG specification says to ignore a relative path.
  const xdg = variable(env, 'XDG_CONFIG_HOME') ?? '';
  if (isAbsolute(xdg) && !/\p{Cc}/u.test(xdg)) return join(xdg, 'seqera-ai');
  return home === undefined ? undefined : join(home, '.config', 'seqera-ai');
}

/** The authority at the top of `config.json`. Throws if nobody can know it. */
function authorityOfFile(env: Environment): string | undefined {
  const folder = configFolder(env);
  if (folder === undefined) return undefined;
  const path = join(folder, 'config.json');
  const hint = 'correct the file or move it away';
  let domain: unknown;
  try {
    const text = trimmed(readRegular(path, LARGEST_CONFIG, 'own'));
    const file: unknown = JSON.parse(text || '{}');
    if (typeof file !== 'object' || file === null || Array.isArray(file)) throw new TypeError('no object');
    domain = (file as { authDomain?: unknown }).authDomain ?? '';
    if (typeof domain !== 'string') throw new TypeError('no text');
  } catch (error) {
    if (isMissing(error)) return undefined;
    // What the parser says quotes the file, which may hold the password of a proxy.
    throw errorOf('MISCONFIGURED', `${path} cannot be read`, { hint });
  }
  const found = trimmed(domain as string);
  if (found !== '') understood(`${path}: 'authDomain' must be an address; it`, hint, () => originOf(found), 'MISCONFIGURED');
  return found || undefined;
}

function all(addresses: readonly string[]): string[] {
  const found = addresses.filter((address) => address !== '').flatMap(recorded);
  return CLOUD.some((cloud) => found.includes(cloud)) ? [...found, ...CLOUD] : found;
}

/** The origin of an address that was read before. One that is in use, and would be refused today, has what every
 * program reads, or none. */
function recorded(address: string): string[] {
  try {
    return [originOf(address)];
  } catch {
    const isUrl = /^https?:/i.test(address) && URL.canParse(address);
    return isUrl ? [new URL(address).origin] : [];
  }
}

/** The origins of these addresses. Cloud's two are one, and others must not be able to read along. */
export function origins(addresses: readonly string[]): Set<string> {
  return new Set(all(addresses).filter((origin) => !isInTheClear(origin)));
}
