// The agent's socket: where it is, and whether it can be trusted.
//
// The threat: another user of this machine makes a folder or a socket where ours would be, receives our requests, and
// answers with tokens of their own (CVE-2014-2905). Node cannot ask the kernel who is at the other end of a socket
// (SO_PEERCRED), so the owner of the socket's file stands for the process that serves it: the system gives the file to
// whoever binds it, and in a folder where nobody else may write nobody else can have bound it or put it there.

import { lstatSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname, isAbsolute } from 'node:path';
import { type Environment, variable } from './environment.js';
import { errorOf, type Reason } from './errors.js';
import { ask, findProgram, noProgram, octal, unsafe } from './program.js';

const WRITABLE_BY_OTHERS = 0o022;

/** Where the agent is met, and what the user's files and variables say about whose token is meant. */
export interface Meeting {
  socket: string;
  /** True if SEQERA_AGENT_SOCK names the socket: no agent is ever started there. */
  chosen: boolean;
  /** The mark of the configuration folder: the agent of another one refuses it. */
  tag: string | undefined;
  profile: string;
  authority: string;
  /** What is wrong with the variable or file that names the profile; for calls that name none themselves. */
  mistake: { reason: Reason; message: string; hint?: string | null } | undefined;
}

interface Said {
  socket: string;
  config_tag?: string;
  profile?: string | null;
  authority?: string | null;
  mistake?: Meeting['mistake'] | null;
}

/** Asks `seqera agent socket`. A socket that was chosen needs no command. */
export async function meet(env: Environment, program: string | undefined, seconds: number): Promise<Meeting> {
  const chosen = variable(env, 'SEQERA_AGENT_SOCK');
  const found = findProgram(env, program);
  if (found === undefined) {
    if (chosen === undefined) throw noProgram();
    if (!isAbsolute(chosen)) {
      throw errorOf('MISCONFIGURED', 'SEQERA_AGENT_SOCK is not a path from the root', { hint: 'set it to the whole path' });
    }
    const [profile = '', authority = ''] = ['SEQERA_PROFILE', 'SEQERA_AUTH_DOMAIN'].map((name) => variable(env, name));
    return { socket: chosen, chosen: true, tag: undefined, profile, authority, mistake: undefined };
  }
  const said = await ask<Said>(found, ['agent', 'socket'], env, seconds);
  return {
    socket: said.socket,
    chosen: chosen !== undefined,
    tag: said.config_tag,
    profile: said.profile ?? '',
    authority: said.authority ?? '',
    mistake: said.mistake ?? undefined,
  };
}

/** Starts an agent where none runs, and gives the socket where it listens. */
export async function start(env: Environment, program: string | undefined, seconds: number): Promise<string> {
  const found = findProgram(env, program);
  if (found === undefined) throw noProgram();
  return (await ask<Said>(found, ['agent', 'start'], env, seconds)).socket;
}

/** Whether somebody listens at the socket. Throws if it could be another user's, or cannot be reached. */
export async function listens(socket: string, seconds: number): Promise<boolean> {
  if (!isThereAndOurs(socket)) return false;
  const until = Date.now() + seconds * 1000;
  for (;;) {
    const problem = await probe(socket, until - Date.now());
    switch (problem?.code) {
      case undefined:
        return true;
      case 'ENOENT':
      case 'ECONNREFUSED':
      case 'ENOTDIR':
        return false;
      case 'EAGAIN':
        // The backlog is full: the agent is busy, and will soon take the next one.
        if (Date.now() < until) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          continue;
        }
        throw silent();
      case 'ETIMEDOUT':
        throw silent();
      case 'EMFILE':
      case 'ENFILE':
        throw errorOf('EXHAUSTED', 'this process may open no more files', { hint: 'raise the limit: ulimit -n' });
      // Folder and file are this user's, so their mode is not the reason: seccomp, systemd and Seatbelt say it so.
      case 'EPERM':
      case 'EACCES':
      case 'EAFNOSUPPORT':
        throw sandboxed(problem?.code);
      default:
        throw errorOf('AGENT_UNREACHABLE', `cannot connect to ${socket}: ${problem?.message}`, {
          hint: "run 'seqera agent status' to see whether it runs",
        });
    }
  }
}

/** The agent accepts connections, or its backlog is full, and it says nothing. */
export function silent(): Error {
  return errorOf('AGENT_SILENT', 'the agent does not answer', {
    hint: "run 'seqera agent restart --force', which ends it first",
  });
}

function sandboxed(why: string | undefined): Error {
  const text = `a sandbox around this process refuses Unix sockets (${why}), so no agent can be reached from inside it`;
  return errorOf('SANDBOXED', text, {
    hint: "outside it, run 'seqera token --write FILE --watch'; inside, set SEQERA_ACCESS_TOKEN_FILE to FILE",
  });
}

async function probe(socket: string, milliseconds: number): Promise<NodeJS.ErrnoException | undefined> {
  return new Promise((resolve) => {
    const connection = connect({ path: socket, timeout: Math.max(1, milliseconds) });
    const done = (problem?: NodeJS.ErrnoException): void => {
      connection.destroy();
      resolve(problem);
    };
    connection.once('connect', () => done());
    connection.once('timeout', () => done(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    connection.on('error', done);
  });
}

function isThereAndOurs(socket: string): boolean {
  // A named pipe of Windows has an access list of its own, and no owner that Node can read.
  if (process.getuid === undefined) return true;
  const folder = dirname(socket);
  try {
    checkFolder(folder);
    const { uid } = lstatSync(socket);
    if (uid !== process.getuid()) throw unsafe(socket, `it belongs to another user (uid ${uid})`);
    return true;
  } catch (error) {
    // EACCES: the runtime folder of another user, left over after `su`. Our agent cannot be in there.
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return false;
    throw error;
  }
}

function checkFolder(folder: string): void {
  const found = lstatSync(folder);
  if (found.isSymbolicLink()) throw unsafe(folder, 'it is a symbolic link');
  if (!found.isDirectory()) throw unsafe(folder, 'it is not a folder');
  if (found.uid !== process.getuid?.()) throw unsafe(folder, `it belongs to another user (uid ${found.uid})`);
  if ((found.mode & WRITABLE_BY_OTHERS) !== 0) {
    throw unsafe(folder, `other users may write to it (mode ${octal(found.mode)})`);
  }
}
