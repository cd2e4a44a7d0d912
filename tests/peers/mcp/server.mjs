// An MCP server of the official SDK. It asks the sandbox about every token, and misbehaves on request.
//   node server.mjs AUTHORITY [PORT]
import { createServer } from 'node:http';
import { createHash, randomUUID } from 'node:crypto';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';

const [authority, port = '0'] = process.argv.slice(2);
const stats = { cancelled: 0, refused: 0, sessions: 0, deleted: 0, versions: [], tokens: [], strangers: 0 };
let mood = 'well';
const sessions = new Map();

const shown = (token) => createHash('sha256').update(token).digest('hex').slice(0, 12);

async function accepts(token) {
  const answer = await fetch(`${authority}/user-info`, { headers: { authorization: `Bearer ${token}` } });
  return answer.status === 200;
}

function tools() {
  const server = new McpServer({ name: 'test', version: '1.0.0' }, { capabilities: { logging: {} } });
  const text = (text) => ({ content: [{ type: 'text', text }] });
  server.tool('echo', { text: z.string() }, async ({ text: given }) => text(given));
  server.tool('token', async ({ requestInfo }) => text(shown(requestInfo.headers.authorization.split(' ')[1])));
  server.tool('notify', async ({ sendNotification }) => {
    await sendNotification({ method: 'notifications/message', params: { level: 'info', data: 'inside' } });
    return text('done');
  });
  server.tool('slow', async ({ signal }) => {
    await new Promise((resolve) => signal.addEventListener('abort', resolve));
    stats.cancelled += 1;
    return text('too late');
  });
  return server;
}

async function body(request) {
  let text = '';
  request.setEncoding('utf8');
  for await (const piece of request) text += piece;
  return text ? JSON.parse(text) : undefined;
}

function misbehaves(request, response) {
  const answers = {
    html: [200, { 'content-type': 'text/html' }, '<html>Welcome</html>'],
    redirect: [307, { location: 'http://127.0.0.1:1/elsewhere' }, ''],
    refuse: [401, { 'www-authenticate': 'Bearer resource_metadata="http://127.0.0.1:1/x"' }, ''],
    forbid: [403, {}, ''],
    broken: [500, { 'content-type': 'text/plain' }, 'no'],
    nothing: [200, {}, ''],
  };
  if (mood === 'hangup') return request.socket.destroy(), true;
  if (!answers[mood]) return false;
  const [status, headers, text] = answers[mood];
  response.writeHead(status, headers).end(text);
  return true;
}

async function mcp(request, response) {
  const token = (request.headers.authorization ?? '').replace(/^Bearer /, '');
  stats.tokens = [...new Set([...stats.tokens, shown(token)])];
  if (misbehaves(request, response)) return;
  if (!(await accepts(token))) {
    stats.refused += 1;
    return response.writeHead(401).end();
  }
  const id = request.headers['mcp-session-id'];
  const message = request.method === 'POST' ? await body(request) : undefined;
  if (request.method === 'DELETE') stats.deleted += 1;
  if (request.headers['mcp-protocol-version']) {
    stats.versions = [...new Set([...stats.versions, request.headers['mcp-protocol-version']])];
  }
  if (id && sessions.has(id)) return sessions.get(id).transport.handleRequest(request, response, message);
  if (id || !isInitializeRequest(message)) {
    stats.strangers += 1;
    const error = { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } };
    return response.writeHead(404, { 'content-type': 'application/json' }).end(JSON.stringify(error));
  }
  const transport = new StreamableHTTPServerTransport({
    sessionIdGenerator: () => randomUUID(),
    onsessioninitialized: (id) => {
      stats.sessions += 1;
      sessions.set(id, { transport, server });
    },
  });
  const server = tools();
  await server.connect(transport);
  return transport.handleRequest(request, response, message);
}

async function control(request, response) {
  const what = request.url.split('/').pop();
  if (what === 'exit') process.exit(0);
  if (what === 'forget') {
    for (const { transport } of sessions.values()) await transport.close();
    sessions.clear();
  } else if (what === 'broadcast') {
    for (const { server } of sessions.values()) {
      await server.server.sendLoggingMessage({ level: 'info', data: 'outside' });
    }
  } else if (what !== 'stats') mood = what;
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(stats));
}

const server = createServer((request, response) => {
  const serve = request.url.startsWith('/control/') ? control : mcp;
  serve(request, response).catch((error) => response.writeHead(500).end(String(error)));
});
server.listen(Number(port), '127.0.0.1', () => console.log(JSON.stringify({ port: server.address().port })));
process.stdin.on('end', () => process.exit(0)).resume();
