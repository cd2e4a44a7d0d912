// Another extension: asks for a session as the README says, and writes what it saw into the file that CONSUMER_LOG
// names. Of a token it writes the hash.

const { createHash } = require('node:crypto');
const { appendFileSync } = require('node:fs');
const vscode = require('vscode');

function note(what, facts) {
  appendFileSync(process.env.CONSUMER_LOG, `${JSON.stringify({ what, ...facts })}\n`);
}

function shown(session) {
  if (!session) return { session: null };
  const { account, accessToken, scopes } = session;
  return { session: { account, scopes, sha256: createHash('sha256').update(accessToken).digest('hex') } };
}

async function asked(what, ask) {
  try {
    note(what, await ask());
  } catch (error) {
    note(what, { error: error.message });
  }
}

exports.activate = (context) => {
  const session = (scopes, options) => vscode.authentication.getSession('seqera', scopes, options).then(shown);
  const commands = {
    'consumer.silent': () => asked('silent', () => session([], { silent: true })),
    'consumer.ask': () => asked('ask', () => session([], { createIfNone: true })),
    'consumer.odd': () => asked('odd', () => session(['everything'], { silent: true })),
    'consumer.accounts': () => asked('accounts', async () => ({ accounts: await vscode.authentication.getAccounts('seqera') })),
  };
  for (const [name, run] of Object.entries(commands)) {
    context.subscriptions.push(vscode.commands.registerCommand(name, run));
  }
  vscode.authentication.onDidChangeSessions(({ provider }) => note('changed', { provider: provider.id }));
  note('ready', { remote: vscode.env.remoteName ?? null, trusted: vscode.workspace.isTrusted });
};
