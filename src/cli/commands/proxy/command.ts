import { setTimeout as wait } from 'node:timers/promises';
import path from 'node:path';
import { Credentials } from '../../../config/credentials.ts';
import { CllmError } from '../../../outcome/errors.ts';
import { bringUp, readLog, serviceStatus, takeDown, type Service } from '../../../local-proxy/service.ts';
import { command, commandGroup } from '../../command.ts';
import { choice, number, text, toggle } from '../../flags/flag.ts';
import { jsonFlag } from '../../flags/flags.ts';
import type { Io } from '../../io.ts';
import { adopt, localProxy, Progress } from './local-proxy.ts';
import { table } from '../../views/table.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';

const up = command({
  usage: 'up',
  describe: 'install LiteLLM if it is missing, start it, and make it the default',
  flags: {
    config: text("LiteLLM's configuration (default: one with a model that needs no key)", { completes: 'files' }),
    port: number('on loopback (default 4000, or a free one when that is taken)', { least: 1, isWhole: true }),
    method: choice('how LiteLLM is installed (default: the first that is there)', ['docker', 'uv', 'venv']),
  },
  async run({ config, port, method }, context) {
    const { io } = context;
    const progress = new Progress(io, context.remark);
    let service;
    try {
      service = await bringUp({
        ...localProxy(context.paths, io),
        report: (report) => progress.report(report),
        signal: io.signal,
        ...(config !== undefined && { configFile: path.resolve(io.cwd, config) }),
        ...(port !== undefined && { port }),
        ...(method !== undefined && { method }),
      });
    } catch (thrown) {
      // What a signal stops fails in ways of its own.
      throw io.signal.aborted ? io.signal.reason : thrown;
    } finally {
      progress.end();
    }
    const example = await adopt(context.paths, io, service);
    const { baseUrl, version, configFile, isNew } = service;
    context.remark(`LiteLLM ${version} ${isNew ? 'is up' : 'was up already'} at ${baseUrl} with ${configFile}`);
    if (io.env['LITELLM_PROXY_URL'] || io.env['LITELLM_PROXY_API_KEY']) {
      context.remark('LITELLM_PROXY_URL or LITELLM_PROXY_API_KEY is set and stronger; unset them to ask this proxy');
    }
    context.remark(service.model === null ? 'next: cllm models' : `next: ${example}`);
    return null;
  },
});

const down = command({
  usage: 'down',
  describe: 'stop it; what is installed stays',
  async run(_values, context) {
    const proxy = localProxy(context.paths, context.io);
    const { service } = await serviceStatus(proxy);
    const wasRunning = await takeDown(proxy);
    // The next one has a new key, so this one is worth nothing any more.
    if (service !== null) await new Credentials(context.paths.credentialsFile, context.io).delete(service.baseUrl);
    context.remark(wasRunning ? 'stopped' : 'no proxy was running');
    return null;
  },
});

const status = command({
  usage: 'status',
  describe: 'whether it runs, and where; exit code 1 when it does not',
  flags: jsonFlag,
  async run({ json }, context) {
    const { stdout } = context.io;
    const found = await serviceStatus(localProxy(context.paths, context.io));
    const facts = found.service === null ? {} : factsOf(found.service);
    if (json) await stdout.write(jsonLine({ status: found.status, ...facts }, 2));
    else await stdout.write(table(stdout, ['what', 'value'], Object.entries({ status: found.status, ...facts })));
    if (found.status === 'running') return null;
    return new CllmError('local_proxy_failed', `the proxy is ${found.status}`, { hint: 'start it: cllm proxy up' });
  },
});

const logs = command({
  usage: 'logs',
  describe: 'what it wrote',
  flags: {
    lines: number('so many of the last lines (default 100)', { least: 1, isWhole: true, alias: 'n' }),
    follow: toggle('go on until Ctrl-C', { alias: 'f' }),
  },
  async run({ lines, follow }, context) {
    const { io } = context;
    const proxy = localProxy(context.paths, io);
    let shown = await readLog(proxy, lines ?? 100);
    if (shown === '') context.remark('there is no log: no proxy was started here (cllm proxy up)');
    await io.stdout.write(readable(shown, io));
    if (!follow) return null;
    while (!io.stdout.isClosed) {
      await wait(300, undefined, { signal: io.signal }).catch(() => io.signal.throwIfAborted());
      const now = await readLog(proxy, 5_000);
      const at = shown === '' ? 0 : now.lastIndexOf(shown.slice(-2_000));
      // A log that starts anew belongs to a proxy that was started anew.
      const more = at === -1 ? now : now.slice(shown === '' ? 0 : at + shown.slice(-2_000).length);
      await io.stdout.write(readable(more, io));
      shown = now;
    }
    return null;
  },
});

/** LiteLLM colours its log. Whose words a colour is around nobody can tell, so none is handed on. */
function readable(log: string, { stdout }: Io): string {
  // oxlint-disable-next-line no-control-regex -- the styles of a terminal
  return stdout.masked(log.replace(/\u001b\[[\d;]*m/g, ''));
}

export const proxyCommand = commandGroup('proxy', 'a LiteLLM proxy on this machine: up, down, status, logs', [
  up,
  down,
  status,
  logs,
]);

/** All but its key. */
function factsOf({
  baseUrl,
  version,
  method,
  processId,
  configFile,
  logFile,
  startedAt,
}: Service): Record<string, string | number> {
  return {
    base_url: baseUrl,
    litellm: version,
    installed_with: method,
    process_id: processId,
    config: configFile,
    log: logFile,
    started_at: startedAt,
  };
}
