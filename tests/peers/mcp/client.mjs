// The official SDK as an assistant that starts `seqera mcp`. Prints one object with what it saw.
//   node client.mjs SCENARIO CONTROL
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js';

const [scenario, base] = process.argv.slice(2);
const control = (what) => fetch(`${base}/control/${what}`).then((answer) => answer.json());
const until = async (what, condition) => {
  for (let count = 0; count < 600; count += 1) {
    const found = await condition();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`never: ${what}`);
};

async function connect() {
  const client = new Client({ name: 'assistant', version: '1' });
  const heard = [];
  client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void heard.push(params.data));
  const transport = new StdioClientTransport({
    command: 'seqera',
    args: ['mcp', '--profile', 'work'],
    env: process.env,
    stderr: 'inherit',
  });
  await client.connect(transport);
  const call = async (name, given = {}, options = undefined) =>
    (await client.callTool({ name, arguments: given }, undefined, options)).content[0].text;
  return { client, call, heard };
}

const scenarios = {
  async basic() {
    const { client, call, heard } = await connect();
    const tools = (await client.listTools()).tools.map((tool) => tool.name);
    const large = 'é'.repeat(2_500_000);
    const echoed = (await call('echo', { text: large })) === large;
    await call('notify');
    await until('the standing stream', async () => (await control('broadcast'), heard.includes('outside')));
    const failed = await client.callTool({ name: 'none', arguments: {} }).then((answer) => answer.isError, String);
    await client.close();
    return { tools, echoed, heard: [...new Set(heard)].sort(), failed: Boolean(failed) };
  },
  async cancel() {
    const { client, call } = await connect();
    const stop = new AbortController();
    const slow = call('slow', {}, { signal: stop.signal }).catch(() => 'stopped');
    await call('echo', { text: 'while it runs' });
    stop.abort();
    const ended = await slow;
    await until('the cancellation', async () => (await control('stats')).cancelled === 1);
    const after = await call('echo', { text: 'goes on' });
    await client.close();
    return { ended, after };
  },
  async crowd() {
    const all = await Promise.all(Array.from({ length: 20 }, connect));
    const seen = new Set();
    await until('three tokens for everybody', async () => {
      const tokens = await Promise.all(all.map(({ call }) => call('token')));
      tokens.forEach((token) => seen.add(token));
      return seen.size >= 3;
    });
    await Promise.all(all.map(({ client }) => client.close()));
    return { tokens: seen.size };
  },
  async forget() {
    const { client, call, heard } = await connect();
    await call('echo', { text: 'before' });
    await control('forget');
    const after = await Promise.all(['a', 'b', 'c'].map((text) => call('echo', { text })));
    await until('the stream of the next session', async () => (await control('broadcast'), heard.length > 0));
    await client.close();
    return { after };
  },
  async restart() {
    const { client, call } = await connect();
    await call('echo', { text: 'before' });
    await control('exit').catch(() => {});
    const after = await call('echo', { text: 'after' });
    await client.close();
    return { after };
  },
  async moods() {
    const { client, call } = await connect();
    const errors = {};
    for (const mood of ['html', 'redirect', 'refuse', 'forbid', 'broken', 'nothing', 'hangup']) {
      await control(mood);
      errors[mood] = await call('echo', { text: mood }).catch((error) => error.message);
    }
    await control('well');
    const after = await call('echo', { text: 'well again' });
    await client.close();
    return { errors, after };
  },
};

console.log(JSON.stringify(await scenarios[scenario]()));
