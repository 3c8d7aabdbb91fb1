import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import type { RunningProxy } from '../../src/local-proxy/run.ts';
import { type FakeUpstream, startFakeUpstream } from './fake-upstream.ts';
import { litellmPython, startLitellm } from './litellm.ts';
import { toolCaller } from './tool-caller.ts';

/** A key of a user who may use the servers that all keys may. */
export const userKey = 'sk-mcp-user';

/** A real LiteLLM with MCP servers (mcp_server.py), and a model that calls what its prompt says (tool-caller.ts). */
export interface McpProxy extends Omit<RunningProxy, 'stop'> {
  /** Behind the model `caller`. */
  upstream: FakeUpstream;
  /** The lines that `mark` and `mark_slowly` left, of all servers. */
  marks: () => string[];
  stop: () => Promise<void>;
}

const script = fileURLToPath(new URL('mcp_server.py', import.meta.url));

const customAuth = `
import os
from litellm.proxy._types import UserAPIKeyAuth

async def user_api_key_auth(request, api_key: str) -> UserAPIKeyAuth:
    if api_key == os.environ["LITELLM_MASTER_KEY"]:
        return UserAPIKeyAuth(api_key=api_key, user_role="proxy_admin")
    if api_key == "${userKey}":
        return UserAPIKeyAuth(api_key=api_key, user_role="internal_user")
    raise Exception("no such key")
`;

interface Configuration {
  model_list: unknown[];
  litellm_settings: Record<string, unknown>;
  mcp_servers: Record<string, Record<string, unknown>>;
}

/** The proxy of `examples/mcp/`: its model `clerk` and its server `notes`. */
const example = fileURLToPath(new URL('../../examples/mcp/', import.meta.url));

/**
 * Servers: `math` over stdio; `web` over streamable HTTP; `quick`, the same with a timeout of one second; `down`, where
 * nothing listens; `hidden`, which the user's key may not use; and what `examples/mcp/` has.
 */
export async function startMcpProxy(): Promise<McpProxy> {
  const folder = mkdtempSync(path.join(tmpdir(), 'cllm-mcp-'));
  const marksFile = path.join(folder, 'marks');
  const python = await litellmPython();
  const upstream = await startFakeUpstream();
  upstream.fallback = toolCaller();
  // What it logs is of interest where it does not start.
  const log = path.join(folder, 'web.log');
  const logged = openSync(log, 'w');
  const web = spawn(python, [script, marksFile, 'http'], { stdio: ['ignore', 'pipe', logged] });
  closeSync(logged);
  const end = async (): Promise<void> => {
    await stopped(web);
    await upstream.close();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const port = await portOf(web, log);
    const gone = await startFakeUpstream();
    await gone.close();
    const proxy = await startLitellm({
      config: config({ python, marksFile, port, goneUrl: gone.baseUrl, upstreamUrl: upstream.baseUrl }),
      files: { 'mcp_auth.py': customAuth, 'clerk.py': readFileSync(path.join(example, 'clerk.py'), 'utf8') },
      environment: { LITELLM_ENABLE_MCP_STDIO: 'true' },
      warmUpModel: 'caller',
    });
    return {
      ...proxy,
      upstream,
      marks: () => {
        try {
          return readFileSync(marksFile, 'utf8').split('\n').slice(0, -1);
        } catch {
          return [];
        }
      },
      stop: async () => {
        await proxy.stop();
        await end();
      },
    };
  } catch (error) {
    await end();
    throw error;
  }
}

interface Addresses {
  python: string;
  marksFile: string;
  port: number;
  goneUrl: string;
  upstreamUrl: string;
}

function config({ python, marksFile, port, goneUrl, upstreamUrl }: Addresses): string {
  const {
    model_list: models,
    litellm_settings,
    mcp_servers: servers,
  } = parse(readFileSync(path.join(example, 'litellm.yaml'), 'utf8')) as Configuration;
  // JSON is YAML.
  return JSON.stringify({
    litellm_settings,
    model_list: [
      ...models,
      {
        model_name: 'caller',
        litellm_params: { model: 'openai/caller', api_base: `${upstreamUrl}/v1`, api_key: 'none' },
      },
    ],
    mcp_servers: {
      math: { transport: 'stdio', command: python, args: [script, marksFile], allow_all_keys: true },
      web: { transport: 'http', url: `http://127.0.0.1:${port}/mcp`, description: 'over HTTP', allow_all_keys: true },
      quick: { transport: 'http', url: `http://127.0.0.1:${port}/mcp`, timeout: 1, allow_all_keys: true },
      down: { transport: 'http', url: `${goneUrl}/mcp`, allow_all_keys: true },
      hidden: { transport: 'http', url: `http://127.0.0.1:${port}/mcp` },
      // The test's configuration stands in another folder.
      notes: { ...servers['notes'], args: [path.join(example, 'notes.mjs')] },
    },
    general_settings: {
      master_key: 'os.environ/LITELLM_MASTER_KEY',
      custom_auth: 'mcp_auth.user_api_key_auth',
    },
  });
}

async function portOf(child: ChildProcess, log: string): Promise<number> {
  if (child.stdout === null) throw new Error('the MCP server has no output');
  const line = await Promise.race([
    once(createInterface(child.stdout), 'line').then(([text]) => String(text)),
    once(child, 'exit').then(() => readFileSync(log, 'utf8')),
  ]);
  if (!/^\d+$/.test(line)) throw new Error(`the MCP server did not start: ${line}`);
  return Number(line);
}

async function stopped(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
}
