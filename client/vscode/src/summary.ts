// What the status bar says. Nothing here knows the editor.

import { type Session } from '@seqera/agent';
import { hostOf } from './scopes.js';

/** What went wrong, and what helps. */
export interface Problem {
  reason: string;
  message: string;
  hint: string | undefined;
}

/** What is known at a moment. */
export interface Snapshot {
  sessions: readonly Session[];
  /** The profile that programs get when they name none. */
  defaultProfile: string;
  /** Why the agent could not be asked. */
  problem: Problem | undefined;
  trusted: boolean;
}

/** A link under the text. */
export type Action = 'signIn' | 'doctor';

export interface Summary {
  /** With an icon in front, as the status bar writes it. */
  text: string;
  /** The same in words, for those who cannot see it. */
  spoken: string;
  severity: 'none' | 'warning' | 'error';
  /** Names and values, one a line. */
  rows: [name: string, value: string][];
  problems: Problem[];
  actions: Action[];
}

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** Longer names would push others out of the bar. */
const LONGEST = 18;

/** How long something lasts, in its largest unit. */
export function length(seconds: number): string {
  if (seconds < MINUTE) return 'under a minute';
  if (seconds < 2 * HOUR) return `${Math.floor(seconds / MINUTE)} min`;
  if (seconds < 2 * DAY) return `${Math.floor(seconds / HOUR)} h`;
  return `${Math.floor(seconds / DAY)} days`;
}

export function summary(snapshot: Snapshot, now: Date): Summary {
  const { sessions, defaultProfile, problem } = snapshot;
  if (problem) return unreachable(problem, snapshot.trusted);
  const current = sessions.find(({ profile }) => profile === defaultProfile) ?? sessions.find(isSignedIn);
  const shown = current ? ofSession(current, sessions, now) : signedOut();
  if (!snapshot.trusted) {
    shown.rows.push(['Workspace trust', 'not trusted: this status is all that happens here']);
    shown.actions = [];
  }
  return shown;
}

function unreachable(problem: Problem, trusted: boolean): Summary {
  const calm = problem.reason === 'NO_AGENT';
  return {
    text: `$(${calm ? 'circle-slash' : 'error'}) Seqera`,
    spoken: `Seqera: ${problem.message}`,
    severity: calm ? 'none' : 'error',
    rows: [],
    problems: [problem],
    actions: trusted && !calm ? ['doctor'] : trusted ? ['signIn'] : [],
  };
}

function signedOut(): Summary {
  const text = 'Seqera: signed out';
  return { text: `$(account) ${text}`, spoken: text, severity: 'none', rows: [], problems: [], actions: ['signIn'] };
}

export function isSignedIn(session: Session): boolean {
  return session.state === 'SIGNED_IN';
}

function ofSession(session: Session, all: readonly Session[], now: Date): Summary {
  const rows = rowsOf(session, all, now);
  if (!isSignedIn(session)) {
    const ended = session.state === 'SIGNED_OUT' ? undefined : endOf(session);
    if (!ended) return { ...signedOut(), rows };
    const text = 'Seqera: sign in again';
    return { text: `$(warning) ${text}`, spoken: text, severity: 'warning', rows, problems: [ended], actions: ['signIn'] };
  }
  const problems = problemsOf(session);
  const left = leftOf(session, now);
  const several = all.filter(isSignedIn).length > 1;
  const parts = [several ? `${short(session.profile)}: ${person(session)}` : person(session)];
  if (session.organization) parts.push(short(session.organization.name));
  if (left !== undefined) parts.push(left);
  const text = parts.join(' · ');
  const warns = problems.length > 0;
  return {
    text: `$(${warns ? 'warning' : 'account'}) ${text}`,
    spoken: `Seqera: ${text}${warns ? `; ${problems.map(({ message }) => message).join('; ')}` : ''}`,
    severity: warns ? 'warning' : 'none',
    rows,
    problems,
    actions: warns ? ['doctor'] : [],
  };
}

function person({ account, profile }: Session): string {
  return short(account?.userName || account?.email.split('@', 1)[0] || account?.displayName || profile);
}

function short(name: string): string {
  const letters = [...name];
  return letters.length > LONGEST ? `${letters.slice(0, LONGEST - 1).join('')}…` : name;
}

/** The end of the session where the provider tells it, else of the access token. */
function leftOf(session: Session, now: Date): string | undefined {
  const end = session.sessionExpiresAt ?? session.accessExpiresAt;
  return end && length(Math.max(0, (end.getTime() - now.getTime()) / 1000));
}

function rowsOf(session: Session, all: readonly Session[], now: Date): Summary['rows'] {
  const { account, organization, workspaceName, workspaceId } = session;
  const rows: Summary['rows'] = [['Profile', session.profile]];
  const row = (name: string, value: string | undefined): void => void (value && rows.push([name, value]));
  row('Account', account?.email || account?.userName || account?.displayName);
  row('Organization', organization && (organization.fullName || organization.name));
  row('Workspace', workspaceName || workspaceId);
  row('Server', session.authority && hostOf(session.authority));
  if (isSignedIn(session)) row('Session', lifeOf(session, now));
  const others = all.filter((other) => other !== session && isSignedIn(other)).map(({ profile }) => profile);
  row('Also signed in', others.join(', '));
  return rows;
}

function lifeOf(session: Session, now: Date): string | undefined {
  const left = leftOf(session, now);
  if (left === undefined) return session.fixed ? 'access token without an end' : undefined;
  if (session.sessionExpiresAt) return `ends in ${left}`;
  return session.fixed ? `access token for ${left}` : `token for ${left}, renewed by itself`;
}

function endOf(session: Session): Problem {
  if (session.state === 'OTHER_HOST') {
    return {
      reason: session.state,
      message: 'The session belongs to another host, which shares this home folder.',
      hint: "Sign in here as well, or run 'seqera login --adopt' if it is this machine under an earlier name.",
    };
  }
  const why = session.failure?.message;
  const message = why ? `The session has ended: ${why}` : 'The session has ended.';
  return { reason: session.state, message, hint: 'Sign in again.' };
}

function problemsOf({ failure, unsaved }: Session): Problem[] {
  const problems: Problem[] = [];
  if (failure) {
    const hint = 'The token is used as long as it is valid. The report says what is in the way.';
    problems.push({ reason: failure.reason, message: `Renewing fails at present: ${failure.message}`, hint });
  }
  if (unsaved) {
    const hint = 'It is lost when the agent stops. The report says why nothing could be stored.';
    problems.push({ reason: 'UNSAVED', message: 'The session is in memory only.', hint });
  }
  return problems;
}
