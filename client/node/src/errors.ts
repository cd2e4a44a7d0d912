// Why a call failed. Programs look at the class or at `reason`, people read `message` and `hint`.

import { status as Code, type ServiceError } from '@grpc/grpc-js';
import { decode } from './contract.js';

/** Reasons that the agent gives (`proto/seqera/agent/v1/errors.proto`). */
export type AgentReason =
  | 'UNKNOWN_PROFILE'
  | 'SIGNED_OUT'
  | 'LOGIN_EXPIRED'
  | 'LOGIN_DENIED'
  | 'OTHER_HOST'
  | 'ISSUER_UNREACHABLE'
  | 'LOGIN_TIMED_OUT'
  | 'STORE_FAILED'
  | 'KEYCHAIN_LOCKED'
  | 'AUTHORITY_MISMATCH'
  | 'MISCONFIGURED'
  | 'BAD_REQUEST'
  | 'FORBIDDEN'
  | 'OTHER_AGENT'
  | 'INTERNAL'
  | 'IN_USE'
  | 'TOO_MANY';

/** Reasons of this library: the agent could not be asked. */
export type ClientReason =
  | 'NO_AGENT'
  | 'DISTRUSTED'
  | 'AGENT_NOT_STARTED'
  | 'AGENT_UNREACHABLE'
  | 'AGENT_SILENT'
  | 'AGENT_NOT_UNDERSTOOD'
  | 'SANDBOXED'
  | 'EXHAUSTED'
  | 'CANCELLED'
  | 'TIMED_OUT';

/** A reason. One of a later agent is a string that is not listed here. */
export type Reason = AgentReason | ClientReason | (string & {});

/** What an error carries besides its reason and its message. */
export interface ErrorDetails {
  /** What the person can do about it. */
  hint?: string | undefined;
  /** The profile to sign in, if that would help. */
  signIn?: string | undefined;
  /** How long to wait before asking again, in seconds. */
  retryAfter?: number | undefined;
  cause?: unknown;
}

/** The base of all errors of this library. No error holds a token. */
export class AgentError extends Error {
  readonly reason: Reason;
  readonly hint: string | undefined;
  readonly signIn: string | undefined;
  readonly retryAfter: number | undefined;

  constructor(reason: Reason, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.reason = reason;
    this.hint = details.hint || undefined;
    this.signIn = details.signIn;
    this.retryAfter = details.retryAfter;
  }
}

/** The agent, or the command `seqera`, refused: `reason` says why. */
export class RefusedError extends AgentError {}

/** Somebody has to sign in: `SIGNED_OUT`, `LOGIN_EXPIRED`, `LOGIN_DENIED`, `OTHER_HOST`. */
export class SignInNeededError extends RefusedError {}

/** The provider cannot be reached and no valid token is left: worth another try after `retryAfter`. */
export class ProviderUnreachableError extends RefusedError {}

/** A variable, a file or an argument is wrong: `BAD_REQUEST`, `MISCONFIGURED`, `UNKNOWN_PROFILE`, `AUTHORITY_MISMATCH`. */
export class ConfigurationError extends RefusedError {}

/** No agent listens, and none was to be started or could be. */
export class NoAgentError extends AgentError {}

/** Something on the way to the agent could belong to somebody else. Nothing was sent. */
export class DistrustedError extends AgentError {}

/** The agent is there, or was, and the call did not get through: `AGENT_UNREACHABLE`, `AGENT_SILENT`, `EXHAUSTED`. */
export class UnreachableError extends AgentError {}

/** A sandbox around this process refuses Unix sockets: no agent can be reached from inside it. */
export class SandboxedError extends UnreachableError {}

/** The answer did not come within the deadline. */
export class TimedOutError extends AgentError {}

/** Somebody ended the call: the caller's signal, or another login. */
export class CancelledError extends AgentError {}

/** Agent and library are of versions that do not fit. */
export class NotUnderstoodError extends AgentError {}

const SIGN_IN = new Set(['SIGNED_OUT', 'LOGIN_EXPIRED', 'LOGIN_DENIED', 'OTHER_HOST']);
const CONFIGURATION = new Set(['BAD_REQUEST', 'MISCONFIGURED', 'UNKNOWN_PROFILE', 'AUTHORITY_MISMATCH']);
const OF_CLIENT: Record<ClientReason, typeof AgentError> = {
  NO_AGENT: NoAgentError,
  DISTRUSTED: DistrustedError,
  AGENT_NOT_STARTED: NoAgentError,
  AGENT_UNREACHABLE: UnreachableError,
  AGENT_SILENT: UnreachableError,
  AGENT_NOT_UNDERSTOOD: NotUnderstoodError,
  SANDBOXED: SandboxedError,
  EXHAUSTED: UnreachableError,
  CANCELLED: CancelledError,
  TIMED_OUT: TimedOutError,
};

/** The error of a reason, in the class that fits it. */
export function errorOf(reason: Reason, message: string, details: ErrorDetails = {}): AgentError {
  if (reason in OF_CLIENT) return new OF_CLIENT[reason as ClientReason](reason, message, details);
  if (SIGN_IN.has(reason)) return new SignInNeededError(reason, message, details);
  if (CONFIGURATION.has(reason)) return new ConfigurationError(reason, message, details);
  if (reason === 'ISSUER_UNREACHABLE') return new ProviderUnreachableError(reason, message, details);
  return new RefusedError(reason, message, details);
}

/** The connection ended before the answer was complete: the only failure after which a call is repeated. */
export class LostError extends UnreachableError {
  constructor(message: string) {
    super('AGENT_UNREACHABLE', `the connection to the agent was lost: ${message}`, {
      hint: "run 'seqera agent status' to see whether it runs",
    });
  }
}

const DOMAIN = 'agent.seqera.io';

interface Info {
  reason: string;
  domain: string;
  metadata: Record<string, string>;
}

/** The error that a gRPC status stands for. */
export function errorOfStatus(status: ServiceError): AgentError {
  const message = status.details;
  const { info, retryAfter } = detailsOf(status);
  if (info) {
    return errorOf(info.reason, message, {
      hint: info.metadata['hint'],
      signIn: info.metadata['sign_in'],
      retryAfter,
    });
  }
  switch (status.code) {
    case Code.UNAVAILABLE:
      return new LostError(message);
    case Code.DEADLINE_EXCEEDED:
      return errorOf('TIMED_OUT', 'the agent did not answer in time', {
        hint: "'seqera status' tells why; a longer deadline waits longer",
      });
    case Code.RESOURCE_EXHAUSTED:
      return errorOf('EXHAUSTED', message);
    case Code.CANCELLED:
      return errorOf('CANCELLED', message || 'the call was cancelled');
    default:
      return errorOf('AGENT_NOT_UNDERSTOOD', `the agent's answer was not understood: ${Code[status.code]}: ${message}`, {
        hint: "agent and library are of different versions: run 'seqera agent restart'",
      });
  }
}

function detailsOf(status: ServiceError): { info?: Info; retryAfter?: number } {
  const [bytes] = status.metadata?.get('grpc-status-details-bin') ?? [];
  if (!Buffer.isBuffer(bytes)) return {};
  const found: { info?: Info; retryAfter?: number } = {};
  try {
    const { details } = decode<{ details: { type_url: string; value: Uint8Array }[] }>('google.rpc.Status', bytes);
    for (const { type_url: type, value } of details) {
      if (type.endsWith('/google.rpc.ErrorInfo')) {
        const info = decode<Info>('google.rpc.ErrorInfo', value);
        if (info.domain === DOMAIN) found.info = info;
      } else if (type.endsWith('/google.rpc.RetryInfo')) {
        const { retryDelay: delay } = decode<{ retryDelay?: { seconds: string; nanos: number } }>(
          'google.rpc.RetryInfo',
          value,
        );
        if (delay) found.retryAfter = Number(delay.seconds) + delay.nanos / 1e9;
      }
    }
  } catch {
    // Details that make no sense say nothing; the status itself remains.
  }
  return found;
}
