// An MCP server of a few lines that needs nothing but Node: notes in files, over standard input and output.
// A proxy starts it as its configuration says (litellm.yaml beside it). Its notes are in the folder of its first argument,
// by default notes/ beside it.
import { appendFile, mkdir, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const folder = process.argv[2] ?? fileURLToPath(new URL('notes', import.meta.url));

const tools = [
  {
    name: 'list',
    description: 'The names of all notes',
    inputSchema: { type: 'object', properties: {} },
    run: async () => (await readdir(folder)).toSorted().join('\n'),
  },
  {
    name: 'read',
    description: 'The text of a note',
    inputSchema: {
      type: 'object',
      properties: { name: { type: 'string', description: 'as `list` names it' } },
      required: ['name'],
    },
    run: ({ name }) => readFile(fileOf(name), 'utf8'),
  },
  {
    name: 'add',
    description: 'Adds a line to a note, or begins one',
    inputSchema: {
      type: 'object',
      properties: { name: { type: 'string' }, line: { type: 'string' } },
      required: ['name', 'line'],
    },
    run: async ({ name, line }) => {
      await mkdir(folder, { recursive: true });
      await appendFile(fileOf(name), `${line}\n`);
      return `added to ${name}`;
    },
  },
];

/** A name with a slash in it would lead out of the folder. */
function fileOf(name) {
  if (!/^\w[\w.-]*$/.test(name)) throw new Error(`${JSON.stringify(name)} is no name of a note`);
  return path.join(folder, name);
}

// JSON-RPC, a message a line; https://modelcontextprotocol.io has the specification.
const methods = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'notes', version: '1.0.0' },
  }),
  ping: () => ({}),
  'tools/list': () => ({
    tools: tools.map(({ name, description, inputSchema }) => ({ name, description, inputSchema })),
  }),
  'tools/call': async ({ name, arguments: given = {} }) => {
    try {
      const tool = tools.find((each) => each.name === name);
      if (tool === undefined) throw new Error(`there is no tool ${JSON.stringify(name)}`);
      return { content: [{ type: 'text', text: await tool.run(given) }], isError: false };
    } catch (error) {
      // The model reads it, and may try something else.
      return { content: [{ type: 'text', text: error.message }], isError: true };
    }
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { id, method, params = {} } = JSON.parse(line);
  // A notification has no id and gets no answer.
  if (id === undefined) continue;
  const answer = Object.hasOwn(methods, method)
    ? { result: await methods[method](params) }
    : { error: { code: -32_601, message: `there is no method ${method}` } };
  console.log(JSON.stringify({ jsonrpc: '2.0', id, ...answer }));
}
