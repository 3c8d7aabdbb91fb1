import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { root } from './command.mjs';

const packages = { openai: '6.49.0', ai: '6.0.326', '@ai-sdk/openai-compatible': '2.0.91' };

/** Installs the peers that come from the npm registry beside the project, never into it. */
export function installPeers() {
  const folder = path.join(root, 'node_modules/.cache/bench-peers');
  mkdirSync(folder, { recursive: true });
  if (!existsSync(path.join(folder, 'node_modules/openai'))) {
    writeFileSync(
      path.join(folder, 'package.json'),
      JSON.stringify({ private: true, type: 'module', dependencies: packages }),
    );
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  const script = (name) => {
    copyFileSync(path.join(root, `bench/peers/${name}.mjs`), path.join(folder, `${name}.mjs`));
    return path.join(folder, `${name}.mjs`);
  };
  return { packages, openai: script('openai-node'), ai: script('ai-sdk') };
}

/** Where a command is, or null. */
export function found(command) {
  try {
    return execFileSync('which', [command], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return null;
  }
}

/** What a command says of its version, or that it is not here: `curl 7.88.1`. */
export function versionOf(command) {
  if (found(command) === null) return `${command} not installed`;
  const version = /\d+(\.\d+)+/.exec(execFileSync(command, ['--version'], { encoding: 'utf8' }))?.[0];
  return `${command} ${version}`;
}

/**
 * The programs that do what `cllm` does with a prompt, each as its users run it; those that are not installed are left
 * out.
 *
 * @param home where those that need a file of settings get it; it names every model of `models`
 * @returns contenders for a model: their name, their command and its environment
 */
export function installedPeers({ home, baseUrl, env, models }) {
  const node = process.execPath;
  const npm = installPeers();
  const contenders = [
    { name: 'raw node:net', command: () => [node, path.join(root, 'bench/peers/raw-node.mjs')] },
    { name: 'raw undici', command: () => [node, path.join(root, 'bench/peers/raw-undici.mjs')] },
    { name: `openai-node ${npm.packages.openai}`, command: () => [node, npm.openai] },
    { name: `ai SDK ${npm.packages.ai}`, command: () => [node, npm.ai] },
  ];
  const curl = found('curl');
  if (curl !== null) contenders.push({ name: 'curl, raw', command: (model) => curlCommand(curl, baseUrl, model) });
  const aichat = found('aichat');
  if (aichat !== null) {
    configure(path.join(home, 'aichat/config.yaml'), {
      model: `bench:${models[0]}`,
      clients: [
        {
          type: 'openai-compatible',
          name: 'bench',
          api_base: `${baseUrl}/v1`,
          api_key: 'sk-bench',
          models: models.map((name) => ({ name })),
        },
      ],
    });
    contenders.push({ name: versionOf('aichat'), command: (model) => [aichat, '-m', `bench:${model}`, 'hi'] });
  }
  const llm = found('llm');
  if (llm !== null) {
    const known = models.map((model) => ({ model_id: model, model_name: model, api_base: `${baseUrl}/v1` }));
    configure(path.join(home, 'llm/extra-openai-models.yaml'), known);
    contenders.push({ name: versionOf('llm'), command: (model) => [llm, '-m', model, 'hi'] });
  }
  return (model) =>
    contenders.map(({ name, command }) => ({
      name,
      command: command(model),
      env: {
        ...env,
        MODEL: model,
        AICHAT_CONFIG_DIR: path.join(home, 'aichat'),
        LLM_USER_PATH: path.join(home, 'llm'),
        OPENAI_API_KEY: 'sk-bench',
      },
    }));
}

function curlCommand(curl, baseUrl, model) {
  const body = JSON.stringify({ model, messages: [{ role: 'user', content: 'hi' }], stream: true });
  return [curl, '-sN', '-H', 'content-type: application/json', '-d', body, `${baseUrl}/v1/chat/completions`];
}

/** JSON is YAML. */
function configure(file, value) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(value));
}
