// Reads files as the command does (proto/src/files): a name says nothing about what is behind it. A named pipe blocks
// whoever opens it, a device has no end, and a file of another user says what that user wants.

import { release } from 'node:os';
import { closeSync, constants, fstatSync, lstatSync, openSync, readSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const WRITABLE_BY_ALL = 0o002;

/** The text of a regular file of at most `limit` bytes. `own`: it belongs to this user or to root, and not everybody
 * may write to it. `anybody`: it may be of any other owner, as in a container, but not there by the right that everybody
 * has in a folder such as `/tmp`. */
export function readRegular(path: string, limit: number, whose: 'own' | 'anybody'): string {
  // Windows has neither of these.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0));
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw new Error('it is no file');
    if (found.size > limit) throw new Error(`it has ${found.size} bytes; ${limit} are the limit`);
    if (whose === 'anybody') checkNotPlanted(path, found);
    if (whose === 'own' && isStranger(found)) throw new Error(`it belongs to uid ${found.uid}, neither to you nor to root`);
    if (whose === 'own' && isOpen(found.mode)) throw new Error('everybody may write to it');
    const buffer = Buffer.alloc(limit + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= limit; length += read) {
      read = readSync(file, buffer, length, buffer.length - length, null);
    }
    if (length > limit) throw new Error(`it has more than ${limit} bytes`);
    return decoded(buffer.subarray(0, length));
  } finally {
    closeSync(file);
  }
}

/** Whether everybody may write there. Not in WSL, nor in containers on it: disks of Windows show all that they hold like
 * that. */
function isOpen(mode: number): boolean {
  return process.getuid !== undefined && (mode & WRITABLE_BY_ALL) !== 0 && !/microsoft/i.test(release());
}

function isStranger({ uid }: Stats): boolean {
  return process.getuid !== undefined && uid !== 0 && uid !== process.getuid();
}

/** Any user can take a name in a folder of all, or one on the way to the file. A mount there is of another device, and
 * root's word. */
function checkNotPlanted(path: string, opened: Stats): void {
  const check = (name: string, found: Stats): void => {
    const folder = statSync(dirname(name));
    const isOfAll = (folder.mode & WRITABLE_BY_ALL) !== 0 && folder.dev === found.dev;
    if (isOfAll && isStranger(found)) {
      throw new Error(`it may have been put there by uid ${found.uid}, for everybody may write to a folder on the way`);
    }
  };
  const checkWay = (whole: string): void => {
    for (let name = whole; name !== dirname(name); name = dirname(name)) check(name, lstatSync(name));
  };
  checkWay(resolve(path));
  let real: string;
  try {
    real = realpathSync(path);
  } catch {
    // It has no name any more, as the file of a shell's here-document behind `/dev/fd/3`.
    if (isStranger(opened)) throw new Error(`it belongs to uid ${opened.uid}, and has no name any more`);
    return;
  }
  checkWay(real);
  check(real, opened);
}

/** UTF-8, or UTF-16 as Windows writes it. */
function decoded(bytes: Buffer): string {
  const name = bytes[0] === 0xff && bytes[1] === 0xfe ? 'utf-16le' : bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : 'utf-8';
  try {
    return new TextDecoder(name, { fatal: true }).decode(bytes);
  } catch {
    throw new Error('it is no text');
  }
}

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}
