import { arch, platform, release } from 'node:os';
import type { CllmError } from '../../../outcome/errors.ts';
import { command } from '../../command.ts';
import { examine } from './examine.ts';
import type { Finding } from './finding.ts';
import { toggle } from '../../flags/flag.ts';
import { limitFlags, modelFlags, proxyFlags } from '../../flags/flags.ts';
import type { Io } from '../../io.ts';
import { ours, type OwnText, styled } from '../../../terminal/own-text.ts';
import type { Style } from '../../../terminal/style.ts';
import { jsonLine } from '../../../terminal/terminal-safe.ts';
import { foldLines } from '../../../protocol/fold-lines.ts';

const marks: Readonly<Record<Finding['status'], readonly [mark: string, style: Style]>> = {
  ok: ['✓', 'green'],
  failed: ['✗', 'red'],
  skipped: ['-', 'dim'],
};

const { demo: _demo, ...realProxyFlags } = proxyFlags;

export const doctor = command({
  usage: 'doctor',
  describe: 'is the path to the proxy sound, from its name to a live stream',
  flags: {
    ...realProxyFlags,
    model: modelFlags.model,
    'connect-timeout': limitFlags['connect-timeout'],
    'first-token-timeout': limitFlags['first-token-timeout'],
    call: toggle('ask the model for a small reply (default; --no-call asks for none)', { isOnByDefault: true }),
    json: toggle('as JSON, for a bug report; no key is in it'),
  },
  async run({ call, json, cacert }, context) {
    const { io, version } = context;
    const { stdout } = io;
    const findings: Finding[] = [];
    for await (const finding of examine(context, {
      isCalling: call,
      caName: cacert === undefined ? (io.env['SSL_CERT_FILE'] ? 'SSL_CERT_FILE' : null) : `--cacert ${cacert}`,
    })) {
      findings.push(finding);
      if (!json) await stdout.write(lineOf(finding, io));
    }
    const error = findings.find(({ status }) => status === 'failed')?.error ?? null;
    if (json) await stdout.write(stdout.masked(jsonLine(report(findings, error, io, version), 2)));
    return error;
  },
});

function lineOf({ step, status, message, fix }: Finding, io: Io): OwnText {
  const [mark, style] = marks[status];
  const said = (text: string): string => foldLines(io.stdout.masked(text));
  const line = ours`${styled(io.stdout, style, mark)} ${step.padEnd(14)} ${said(message)}\n`;
  if (fix === null) return line;
  return ours`${line}  ${' '.repeat(14)} ${styled(io.stdout, 'yellow', '→')} ${said(fix)}\n`;
}

function report(
  findings: readonly Finding[],
  error: CllmError | null,
  io: Io,
  version: string,
): Record<string, unknown> {
  return {
    schema_version: 1,
    is_ok: error === null,
    cllm: version,
    node: io.nodeVersion,
    platform: `${platform()} ${release()} ${arch()}`,
    steps: findings.map(({ step, status, message, fix, facts }) => ({ step, status, message, fix, ...facts })),
  };
}
