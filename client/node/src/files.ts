// Reads files as the command does (proto/src/files): a name says nothing about what is behind it. A named pipe blocks
// whoever opens it, a device has no end, and a file of another user says what that user wants.

import { release } from 'node:os';
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** The text of a regular file of at most `limit` bytes. `own`: it belongs to this user or to root, and not everybody
 * may write to it. */
export function readRegular(path: string, limit: number, whose: 'own' | 'anybody'): string {
  // Windows has neither of these.
  const file = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOCTTY ?? 0));
  try {
    const found = fstatSync(file);
    if (!found.isFile()) throw new Error('it is no file');
    if (found.size > limit) throw new Error(`it has ${found.size} bytes; ${limit} are the limit`);
    const isOurs = found.uid === 0 || process.getuid === undefined || found.uid === process.getuid();
    if (whose === 'own' && !isOurs) throw new Error(`it belongs to uid ${found.uid}, neither to you nor to root`);
    if (whose === 'own' && isOpen(found.mode)) throw new Error('everybody may write to it');
    const buffer = Buffer.alloc(limit + 1);
    let length = 0;
    for (let read = -1; read !== 0 && length <= limit; length += read) {
      read = readSync(file, buffer, length, buffer.length - length, null);
    }
    if (length > limit) throw new Error(`it has more than ${limit} bytes`);
    return buffer.toString('utf8', 0, length);
  } finally {
    closeSync(file);
  }
}

/** Whether everybody may write there. Not in WSL, nor in containers on it: disks of Windows show all that they hold like
 * that. */
function isOpen(mode: number): boolean {
  return process.getuid !== undefined && (mode & 0o002) !== 0 && !/microsoft/i.test(release());
}

/** Whether an error says that there is no such file. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}
