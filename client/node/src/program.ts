// The command `seqera`: where it is, whether it may be started, and what it says. It knows where the agent's socket
// is and what the user's files say; this library has no second opinion about either.

import { execFile } from 'node:child_process';
import { realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join } from 'node:path';
import { type Environment } from './environment.js';
import { type AgentError, errorOf, type Reason } from './errors.js';

const WRITABLE_BY_ALL = 0o002;
const LARGEST_ANSWER = 1024 * 1024;

/** The first `seqera` on PATH that may be started, or the given one. What we start runs as this user, so nobody else
 * may have put it there. Relative folders are passed over: they would mean another program in every folder. */
export function findProgram(env: Environment, given?: string): string | undefined {
  const name = process.platform === 'win32' ? 'seqera.exe' : 'seqera';
  const folders = (env['PATH'] ?? env['Path'] ?? '').split(delimiter).filter(isAbsolute);
  if (given !== undefined && !isAbsolute(given)) {
    throw errorOf('BAD_REQUEST', `${given} is not a path from the root`, { hint: 'give the whole path of seqera' });
  }
  let refused: AgentError | undefined;
  for (const candidate of given === undefined ? folders.map((folder) => join(folder, name)) : [given]) {
    if (!isFile(candidate)) continue;
    const why = distrusted(candidate);
    if (why === undefined) return realpathSync(candidate);
    refused ??= why;
  }
  if (refused) throw refused;
  if (given !== undefined) throw noProgram(`there is no program ${given}`);
  return undefined;
}

/** What is said where `seqera` is needed and is not there. */
export function noProgram(message = "no agent is running, and no 'seqera' program was found to start one"): AgentError {
  return errorOf('NO_AGENT', message, { hint: 'install seqera and seqera-agent in a folder of PATH' });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

/** File, its folder and the folder of a link to it must belong to root, to this user or to the owner of Node, and not
 * everybody may write to them. */
function distrusted(path: string): AgentError | undefined {
  if (process.getuid === undefined) return undefined;
  const real = realpathSync(path);
  const owners = new Set([0, process.getuid(), statSync(process.execPath).uid]);
  for (const part of [real, dirname(path), dirname(real)]) {
    const { uid, mode } = statSync(part);
    const why = owners.has(uid)
      ? (mode & WRITABLE_BY_ALL) !== 0 && `everybody may write to it (mode ${octal(mode)})`
      : `it belongs to another user (uid ${uid})`;
    if (why !== false) return unsafe(part, why);
  }
  return undefined;
}

export function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, '0');
}

export function unsafe(path: string, why: string): AgentError {
  return errorOf('DISTRUSTED', `${path} is not safe to use: ${why}`, {
    hint: 'nobody else may own it or write to it: remove it, or correct owner and mode',
  });
}

/** Runs `seqera … -o json` and gives the object that it prints. Throws what it prints as an error. */
export async function ask<T>(program: string, args: readonly string[], env: Environment, seconds: number): Promise<T> {
  const { failed, stdout, stderr } = await run(program, [...args, '-o', 'json'], env, seconds);
  if (failed) throw failureOf(stderr) ?? noProgram(`${program} failed: ${failed.message.split('\n', 1)[0]}`);
  try {
    return JSON.parse(stdout) as T;
  } catch {
    throw errorOf('AGENT_NOT_UNDERSTOOD', `${program} ${args.join(' ')} gave no object`, {
      hint: 'command and library are of different versions',
    });
  }
}

interface Ran {
  failed: (Error & { code?: unknown; killed?: boolean }) | null;
  stdout: string;
  stderr: string;
}

/** Runs the program without a shell and outside the current folder, which may be anybody's. */
export async function run(program: string, args: readonly string[], env: Environment, seconds: number): Promise<Ran> {
  const options = {
    env: { ...env },
    cwd: dirname(program),
    timeout: Math.max(1, Math.ceil(seconds * 1000)),
    maxBuffer: LARGEST_ANSWER,
    windowsHide: true,
  };
  return new Promise((resolve) => {
    const child = execFile(program, args, options, (failed, stdout, stderr) => resolve({ failed, stdout, stderr }));
    child.stdin?.end();
  });
}

interface Failure {
  reason: Reason;
  message: string;
  hint?: string | null;
}

/** The error in what `seqera -o json` printed to standard error. */
export function failureOf(printed: string): AgentError | undefined {
  for (const line of printed.split('\n').reverse()) {
    if (!line.startsWith('{')) continue;
    try {
      const { error } = JSON.parse(line) as { error?: Failure };
      if (error) return errorOfFailure(error);
    } catch {
      // Another line may be the one.
    }
  }
  return undefined;
}

export function errorOfFailure({ reason, message, hint }: Failure): AgentError {
  return errorOf(reason, message, { hint: hint ?? undefined });
}
