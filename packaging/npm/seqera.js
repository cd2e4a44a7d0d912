#!/usr/bin/env node
// Runs the program of the package for this system, which npm chose by 'os' and 'cpu'.
'use strict';
const { spawn } = require('node:child_process');
const path = require('node:path');

const PACKAGE = `@node_and_python_name@-${process.platform}-${process.arch}`;

function fail(message, hint) {
  process.stderr.write(`error: ${message}\nhint: ${hint}\n`);
  process.exit(69);
}

function program(name) {
  let folder;
  try {
    folder = path.dirname(require.resolve(`${PACKAGE}/package.json`));
  } catch {
    const known = Object.keys(require('./package.json').optionalDependencies);
    if (!known.includes(PACKAGE)) {
      fail(`there are no programs for ${process.platform} on ${process.arch}`, 'build them: @homepage@#from-source');
    }
    fail(`the package ${PACKAGE} is missing`, 'install again, without --omit=optional or --no-optional');
  }
  return path.join(folder, 'bin', process.platform === 'win32' ? `${name}.exe` : name);
}

const name = path.basename(__filename, '.js');
const child = spawn(program(name), process.argv.slice(2), { stdio: 'inherit' });
// The terminal sends these to both; what comes from elsewhere is passed on. The program decides how it ends.
for (const signal of ['SIGINT', 'SIGQUIT']) process.on(signal, () => {});
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('error', (error) => fail(`${name} cannot be started: ${error.message}`, 'install the package again'));
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
