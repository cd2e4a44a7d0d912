// Prints who the token of a profile belongs to, and asks the Platform with it:
//
//   node examples/token.mjs [PROFILE]

import { AgentError, Client, SignInNeededError } from '@seqera/agent';

const client = new Client({ profile: process.argv[2] });
try {
  const token = await client.token({ minValid: 60 });
  console.log(`${token.account?.email ?? token.source ?? token.profile} at ${token.authority || token.apiUrl}`);
  const response = await client.fetch(`${token.apiUrl || token.authority}/user-info`);
  console.log(`the Platform answers ${response.status}`);
} catch (error) {
  if (!(error instanceof AgentError)) throw error;
  console.error(error instanceof SignInNeededError ? `somebody has to sign in: ${error.message}` : error.message);
  if (error.hint) console.error(`hint: ${error.hint}`);
  process.exitCode = 1;
}
