// What new terminals find in their environment: the same as behind `seqera exec`, without the token.

import { createHash } from 'node:crypto';
import { type Session } from '@seqera/agent';

export type Amount = 'none' | 'endpoint' | 'token';

/** Variables that hold a token. One that is there already belongs to an address of its own. */
const TOKENS = ['SEQERA_ACCESS_TOKEN_FILE', 'SEQERA_ACCESS_TOKEN', 'TOWER_ACCESS_TOKEN', 'TOWER_REFRESH_TOKEN'];

/** Where programs look for the address of the Platform's API: `tw`, Nextflow and Co-Scientist's own. */
const ENDPOINTS = ['TOWER_API_ENDPOINT', 'SEQERA_API_ENDPOINT', 'SEQERA_PLATFORM_API_URL'];

/** What says more about an account: a backend that gets its token, and what is asked for where it signs in. */
const OF_AUTHORITY = ['SEQERA_AI_BACKEND_URL', 'SEQERA_AUTH_CLI_CLIENT_ID', 'SEQERA_AUTH_AUDIENCE'];

type Environment = Readonly<Record<string, string | undefined>>;

/** True if the environment holds a token of its own, which must not meet another account's address. */
export function holdsToken(env: Environment): boolean {
  return TOKENS.some((name) => (env[name] ?? '').trim() !== '');
}

/** The variables of a session, with its token if there is one, over those in `env`. */
export function variablesOf(session: Session, token: string | undefined, env: Environment): Map<string, string> {
  const variables = new Map<string, string>();
  const api = session.apiUrl || session.authority;
  if (!['', 'platform'].includes(session.provider) || api === '') return variables;
  ENDPOINTS.forEach((name) => variables.set(name, api));
  if (session.authority !== '') variables.set('SEQERA_AUTH_DOMAIN', session.authority);
  // What goes with another authority must not stay beside this one; an empty variable counts as not set.
  const spelled = (address = ''): string => address.trim().toLowerCase().replace(/\/+$/, '');
  if (spelled(env['SEQERA_AUTH_DOMAIN']) !== spelled(session.authority)) {
    OF_AUTHORITY.filter((name) => env[name]).forEach((name) => variables.set(name, ''));
  }
  if (session.workspaceId !== '') variables.set('TOWER_WORKSPACE_ID', session.workspaceId);
  if (token === undefined) return variables;
  variables.set('SEQERA_ACCESS_TOKEN', token).set('TOWER_ACCESS_TOKEN', token);
  // By this `seqera` in the terminal knows whose token it is, and asks the agent for a fresh one.
  const hash = createHash('sha256').update(token).digest('hex');
  return variables.set('SEQERA_EXEC_TOKEN', `${session.profile}:${hash}`);
}
