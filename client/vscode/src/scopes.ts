// What an extension may ask for as a scope. Seqera's tokens have no scopes; here they say which account is meant.

import { type Session } from '@seqera/agent';

/** Which sessions a request is about. */
export interface Wish {
  profile: string | undefined;
  authority: string | undefined;
}

/** `profile:NAME` and `authority:URL`, each once at most. Anything else is refused: to leave it out would be to say
 * that it was granted. */
export function wishOf(scopes: readonly string[]): Wish {
  const wish: Wish = { profile: undefined, authority: undefined };
  for (const scope of scopes) {
    const [, name, value] = /^(profile|authority):(.+)$/.exec(scope) ?? [];
    if (value === undefined) {
      throw new Error(`Seqera has no scope '${scope}': ask for none, or for profile:NAME or authority:URL`);
    }
    wish[name as keyof Wish] = value;
  }
  return wish;
}

export function fits(session: Session, wish: Wish): boolean {
  const isProfile = wish.profile === undefined || wish.profile === session.profile;
  return isProfile && (wish.authority === undefined || sameAddress(wish.authority, session.authority));
}

/** Whether both are one address; a slash at the end makes no other. */
export function sameAddress(one: string, other: string): boolean {
  return spelled(one) === spelled(other);
}

function spelled(address: string): string {
  try {
    return new URL(address).href.replace(/\/+$/, '');
  } catch {
    return address;
  }
}

/** The host of an address, for people. */
export function hostOf(address: string): string {
  try {
    return new URL(address).host;
  } catch {
    return address;
  }
}

const CLOUD = ['https://cloud.seqera.io/api', 'https://api.cloud.seqera.io'].map(spelled);

/** What an account is called in the editor. It keeps what it has allowed to whom by this name, so the name never changes
 * while the account is the same, and has the server in it: the profile can have another one's account tomorrow. */
export function labelOf(session: Session): string {
  const { account, authority, profile } = session;
  const person = account?.email || account?.userName || account?.displayName;
  const isCloud = authority === '' || CLOUD.includes(spelled(authority));
  const where = isCloud ? profile : `${profile}, ${hostOf(authority)}`;
  return person ? `${person} (${where})` : where;
}
