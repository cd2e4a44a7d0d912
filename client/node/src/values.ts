// How a value of the environment is read: as the command `seqera` does (proto/src/values). What is only spelled in
// another way is put right, what is in doubt is refused, and the reason never repeats the value.

const PAIRS = ['""', "''", '``', '<>', '\u201c\u201d', '\u2018\u2019'];
const LONGEST = 48 * 1024;

/** The text without what stands around it by accident: blanks, line ends, zeros and byte order marks. */
export function trimmed(text: string): string {
  return text.replace(/^[\s\0\x85\ufeff\u200b]+|[\s\0\x85\ufeff\u200b]+$/g, '');
}

function unquoted(text: string): string {
  const pair = PAIRS.find(([open, close]) => text.length > 1 && text[0] === open && text.at(-1) === close);
  return pair ? trimmed(text.slice(1, -1)) : text;
}

/** The value of `export NAME=value` and its relatives in other shells, if the name says that it is a token. */
function assigned(line: string): string | undefined {
  const [, command, rest] = /^(export|set|setenv)\s+(.*)$/is.exec(line) ?? [undefined, '', line];
  const parts = command?.toLowerCase() === 'setenv' ? /^(\S+)\s+(.*)$/s.exec(rest ?? '') : /^([^=]+)=(.*)$/s.exec(rest ?? '');
  const name = parts?.[1]?.trimEnd().replace(/^\$env:/i, '') ?? '';
  const value = parts?.[2]?.replace(/;+$/, '').trim() ?? '';
  return /^[a-z0-9_.]*token$/i.test(name) && value.replace(/^=+/, '') !== '' ? value : undefined;
}

function bare(text: string): string {
  const value = (assigned(text) ?? text).replace(/^authorization:\s*/i, '').replace(/^bearer \s*/i, '');
  const inner = unquoted(value);
  return inner.length === text.length ? text : bare(trimmed(inner));
}

/** Why this is no token: it has to fit into a header (RFC 6750, section 2.1). */
function odd(token: string): string | undefined {
  const words = token.split(/\s+/).length;
  const stray = /[^\x21-\x7e]/u.exec(token)?.[0];
  const quoted = /^["'`]|["'`]$/.test(token);
  if (words > 1) return `holds ${words} words; a token is one`;
  if (stray !== undefined && /\p{Cc}/u.test(stray)) return 'holds a control character';
  if (stray !== undefined) {
    const point = stray.codePointAt(0)?.toString(16).toUpperCase().padStart(4, '0');
    return `holds the character U+${point}, which no token has`;
  }
  if (quoted) return 'holds a quotation mark without its counterpart';
  if (!/^[A-Za-z0-9\-._~+/]/.test(token)) return `begins with '${token[0]}', as no token does`;
  if (/^bearer$/i.test(token)) return "names no token behind 'Bearer'";
  return token.length > LONGEST ? 'is too long for an access token' : undefined;
}

/** What `readToken` throws: what is odd, without any part of the value. It completes a sentence. */
export class OddValue extends Error {}

/** The token in this text; `undefined` if there are only blanks. */
export function readToken(text: string): string | undefined {
  const lines = text.split(/\r?\n/).map(trimmed).filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length === 0) {
    if (trimmed(text) === '') return undefined;
    throw new OddValue('holds comments alone');
  }
  const candidates = lines.length === 1 ? lines : lines.map(assigned).filter((value) => value !== undefined);
  if (candidates.length !== 1) throw new OddValue(`holds ${lines.length} lines; a token is on one`);
  const token = bare(candidates[0] ?? '');
  const why = odd(token);
  if (why !== undefined) throw new OddValue(why);
  return token;
}

/** The origin of an address as it is typed: of https or http, a host alone means https. Throws an {@link OddValue} for
 * what the command does not take for an address either. */
export function originOf(address: string): string {
  const text = unquoted(trimmed(address));
  if (text === '') throw new OddValue('is empty');
  if (/[\s\p{Cc}]/u.test(text)) throw new OddValue('contains a blank or a line break');
  const [, scheme, rest] = /^(.*?):\/\/(.*)$/s.exec(text) ?? [undefined, undefined, text];
  const [host = ''] = rest.split(/[/\\?#]/, 1);
  const path = rest.slice(host.length);
  // Some readers take `https:/user:password@host` for an address as well.
  const isLoose = scheme === undefined || host === '';
  if (host.includes('@') || (isLoose && path.includes('@'))) throw new OddValue('contains a user name or a password');
  if (!['http', 'https'].includes((scheme ?? 'https').toLowerCase())) throw new OddValue('does not begin with https://');
  if (/[?#]/.test(path)) throw new OddValue('has a query or a fragment, which no base address has');
  if (/[\\"<>`{}|^]/.test(path)) throw new OddValue('contains a character that no address may have');
  const bare = `${scheme ?? 'https'}://${host}`;
  const url = host !== '' && !host.includes('%') && URL.canParse(bare) ? new URL(bare) : undefined;
  if (url === undefined || !isAsWritten(url, host) || !isHost(url, scheme === undefined)) throw new OddValue('names no host');
  return `${url.protocol}//${url.host.replace(/\.(?=:|$)/, '')}`;
}

/** What the standard guesses at, such as one number for the four of an address, is refused. */
function isAsWritten(url: URL, host: string): boolean {
  return /[^\x21-\x7e]|^\[/.test(host) || url.hostname === host.replace(/:\d*$/, '').toLowerCase();
}

function isHost(url: URL, isBare: boolean): boolean {
  const name = url.hostname.replace(/\.$/, '');
  if (url.port === '0' || ['http', 'https', ''].includes(name)) return false;
  if (isBare && !/[.:]/.test(name) && url.port === '' && name !== 'localhost') return false;
  return name.startsWith('[') || (name.length <= 253 && name.split('.').every((label) => /^[a-z0-9_-]{1,63}$/.test(label)));
}

/** Whether others could read a token on the way to this origin: plain http leads to this machine alone. */
export function isInTheClear(origin: string): boolean {
  const { protocol, hostname: name } = new URL(origin);
  return protocol !== 'https:' && !/^(localhost|\[::1\]|127(\.\d+){3})$/.test(name);
}
