// The command `seqera`: where it is, whether it may be started, and what it says. It knows where the agent's socket
// is and what the user's files say; this library has no second opinion about either.

import { execFile } from 'node:child_process';
import { lstatSync, readlinkSync, realpathSync, statSync, type Stats } from 'node:fs';
import { delimiter, dirname, isAbsolute, join, resolve, sep } from 'node:path';
import { type Environment } from './environment.js';
import { type AgentError, errorOf, type Reason } from './errors.js';

const WRITABLE_BY_ALL = 0o002;
/** What a user makes in such a folder is that user's to remove and to rename. */
const STICKY = 0o1000;
/** More than the kernel follows (`ELOOP`). */
const MOST_STEPS = 400;
const LARGEST_ANSWER = 1024 * 1024;

/** The first `seqera` on PATH that may be started, or the given one. What we start runs as this user, so nobody else
 * may have put it there. Relative folders are passed over: they would mean another program in every folder. */
export function findProgram(env: Environment, given?: string): string | undefined {
  const name = process.platform === 'win32' ? 'seqera.exe' : 'seqera';
  const folders = foldersOf(env);
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
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
  } catch {
    // A folder of somebody else's, left over in PATH after `su`: a shell passes it over.
    return false;
  }
}

function foldersOf(env: Environment): string[] {
  return (env['PATH'] ?? env['Path'] ?? '').split(delimiter).filter(isAbsolute);
}

/** The variables for the command. It may be a script whose interpreter is looked for on PATH (`#!/usr/bin/env node`),
 * and one in the current folder could be anybody's. */
export function environmentFor(env: Environment): Record<string, string | undefined> {
  const { PATH: _upper, Path: _mixed, ...rest } = env;
  const isOpen = (folder: string): boolean =>
    process.getuid !== undefined && ((statSync(folder, { throwIfNoEntry: false })?.mode ?? 0) & WRITABLE_BY_ALL) !== 0;
  const folders = foldersOf(env).filter((folder) => !isOpen(folder));
  return folders.length === 0 ? rest : { ...rest, PATH: folders.join(delimiter) };
}

/** File, its folder and the folder of a link to it must belong to root, to this user or to the owner of Node, and not
 * everybody may write to them, nor to a folder above. A link on the way must belong to one of them too. */
function distrusted(path: string): AgentError | undefined {
  if (process.getuid === undefined) return undefined;
  const real = realpathSync(path);
  const owners = new Set([0, process.getuid(), statSync(process.execPath).uid]);
  for (const part of [real, dirname(path), dirname(real)]) {
    const found = statSync(part);
    const why = stranger(found, owners) ?? openToAll(found);
    if (why !== undefined) return unsafe(part, why);
  }
  return onTheWay(path, owners);
}

/** Looks at each folder from the root on, and each link: another program can lie there a moment later. */
function onTheWay(path: string, owners: Set<number>): AgentError | undefined {
  const left = path.split(sep).reverse();
  let place: string = sep;
  for (let steps = 0; steps < MOST_STEPS; steps += 1) {
    const part = left.pop();
    if (part === undefined) return undefined;
    place = resolve(place, part);
    const found = lstatSync(place);
    const isLink = found.isSymbolicLink();
    const isOwn = (found.mode & STICKY) !== 0;
    const why = isLink ? stranger(found, owners) : isOwn ? undefined : openToAll(found);
    if (why !== undefined) return unsafe(place, why);
    if (isLink) {
      const target = readlinkSync(place);
      place = isAbsolute(target) ? sep : dirname(place);
      left.push(...target.split(sep).reverse());
    }
  }
  return unsafe(path, 'it leads round and round');
}

function stranger({ uid }: Stats, owners: Set<number>): string | undefined {
  return owners.has(uid) ? undefined : `it belongs to another user (uid ${uid})`;
}

function openToAll({ mode }: Stats): string | undefined {
  return (mode & WRITABLE_BY_ALL) === 0 ? undefined : `everybody may write to it (mode ${octal(mode)})`;
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
    env: environmentFor(env),
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
