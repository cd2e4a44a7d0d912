// A certified OpenID provider to test against. It requires PKCE, rotates refresh tokens, revokes the family if
// one is reused, and offers revocation. Every login succeeds at once, without a page.
//
// usage: node server.mjs <access token lifetime in seconds> <refresh token lifetime in seconds>
// Prints one line, {"authority": "http://127.0.0.1:<port>"}, once it serves. Ends when its input closes.

import { createServer } from 'node:http';
import { once } from 'node:events';
import { Provider } from 'oidc-provider';

const USER = { sub: 'ada', email: 'ada@provider.test', email_verified: true, name: 'Ada' };
const EVENTS = [
  'access_token.saved', 'grant.error', 'grant.revoked', 'grant.success', 'refresh_token.consumed',
  'refresh_token.destroyed', 'refresh_token.saved', 'revocation.error',
];

function configuration(accessLifetime, refreshLifetime) {
  return {
    clients: [{
      client_id: 'seqera_ai_cli',
      application_type: 'native', // any port of the loopback address (RFC 8252, section 7.3)
      token_endpoint_auth_method: 'none',
      redirect_uris: ['http://127.0.0.1/callback'],
      grant_types: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      response_types: ['code'],
    }],
    claims: { openid: ['sub'], email: ['email', 'email_verified'], profile: ['name'] },
    conformIdTokenClaims: false, // so that the email is in the ID token too
    cookies: { keys: ['only for tests'] },
    features: {
      deviceFlow: { enabled: true }, devInteractions: { enabled: false }, revocation: { enabled: true },
    },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => USER }),
    interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    pkce: { required: () => true },
    rotateRefreshToken: true,
    ttl: {
      AccessToken: accessLifetime, AuthorizationCode: 60, Grant: 86400, IdToken: 600, DeviceCode: 600,
      Interaction: 600, RefreshToken: refreshLifetime, Session: 86400,
    },
  };
}

// What a person would do on the provider's pages: sign in, then agree.
async function interact(provider, request, response) {
  const { params, prompt, session } = await provider.interactionDetails(request, response);
  if (prompt.name === 'login') {
    return provider.interactionFinished(request, response, { login: { accountId: USER.sub } });
  }
  const grant = new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  grant.addOIDCScope(params.scope);
  const consent = { grantId: await grant.save() };
  return provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

function countEvents(provider) {
  const counts = {};
  for (const event of EVENTS) {
    counts[event] = 0;
    provider.on(event, () => { counts[event] += 1; });
  }
  return counts;
}

const server = createServer();
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const authority = `http://127.0.0.1:${server.address().port}`;
const provider = new Provider(authority, configuration(...process.argv.slice(2).map(Number)));
const counts = countEvents(provider);
const callback = provider.callback();

server.on('request', async (request, response) => {
  try {
    if (request.url === '/test/events') {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify(counts));
    } else if (request.url.startsWith('/interaction/')) {
      await interact(provider, request, response);
    } else {
      await callback(request, response);
    }
  } catch (error) {
    console.error(error);
    response.statusCode = 500;
    response.end();
  }
});
process.stdin.on('end', () => process.exit(0)).resume();
console.log(JSON.stringify({ authority }));
