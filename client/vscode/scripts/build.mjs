// Bundles the extension, with the Node library in it, into one file. Also bundles what the unit tests look at.
//
// usage: node scripts/build.mjs

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = dirname(dirname(fileURLToPath(import.meta.url)));
const common = {
  absWorkingDir: here,
  alias: { '@seqera/agent': join(here, '../node/dist/index.js') },
  bundle: true,
  legalComments: 'eof',
  logLevel: 'warning',
  platform: 'node',
  target: 'node20',
};
await build({
  ...common,
  entryPoints: ['src/extension.ts'],
  external: ['vscode'],
  format: 'cjs',
  minifySyntax: true,
  minifyWhitespace: true,
  outfile: 'dist/extension.cjs',
});
// Plain parts, which need no editor.
await build({
  ...common,
  entryPoints: ['src/summary.ts', 'src/terminal-variables.ts', 'src/scopes.ts'],
  format: 'esm',
  outdir: 'dist/plain',
  outExtension: { '.js': '.mjs' },
});
