import { arch, platform, release } from 'node:os';
import type { CllmError } from '../../errors.ts';
import type { Command } from '../command.ts';
import type { Context } from '../context.ts';
import { examine } from '../doctor/examine.ts';
import type { Finding } from '../doctor/finding.ts';
import { isSet, textFlag } from '../flag-values.ts';
import { limitFlags, modelFlags, proxyFlags, type Flags } from '../flags.ts';
import { ours, type OwnText, styled } from '../render/own-text.ts';
import type { Style } from '../render/style.ts';
import { jsonLine } from '../render/terminal-safe.ts';
import { foldLines } from '../../protocol/fold-lines.ts';

const marks: Readonly<Record<Finding['status'], readonly [mark: string, style: Style]>> = {
  ok: ['✓', 'green'],
  failed: ['✗', 'red'],
  skipped: ['-', 'dim'],
};

export const doctor: Command = {
  usage: 'doctor',
  describe: 'is the path to the proxy sound, from its name to a live stream',
  configure: (parser) => {
    const { demo: _demo, ...flags } = proxyFlags;
    return parser.options({
      ...flags,
      model: modelFlags['model'] ?? {},
      'connect-timeout': limitFlags['connect-timeout'] ?? {},
      'first-token-timeout': limitFlags['first-token-timeout'] ?? {},
      call: { type: 'boolean', describe: 'ask the model for a small reply (default; --no-call asks for none)' },
      json: { type: 'boolean', describe: 'as JSON, for a bug report; no key is in it' },
    });
  },
  async run(flags, context) {
    const { stdout } = context.io;
    const findings: Finding[] = [];
    for await (const finding of examine(context, {
      isCalling: flags['call'] !== false,
      caName: caName(flags, context),
    })) {
      findings.push(finding);
      if (!isSet(flags, 'json')) await stdout.write(lineOf(finding, context));
    }
    const error = findings.find(({ status }) => status === 'failed')?.error ?? null;
    if (isSet(flags, 'json')) await stdout.write(stdout.masked(jsonLine(report(findings, error, context), 2)));
    return error;
  },
};

function lineOf({ step, status, message, fix }: Finding, { io }: Context): OwnText {
  const [mark, style] = marks[status];
  const said = (text: string): string => foldLines(io.stdout.masked(text));
  const line = ours`${styled(io.stdout, style, mark)} ${step.padEnd(14)} ${said(message)}\n`;
  if (fix === null) return line;
  return ours`${line}  ${' '.repeat(14)} ${styled(io.stdout, 'yellow', '→')} ${said(fix)}\n`;
}

function report(
  findings: readonly Finding[],
  error: CllmError | null,
  { io, version }: Context,
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

function caName(flags: Flags, { io }: Context): string | null {
  const file = textFlag(flags, 'cacert');
  if (file !== undefined) return `--cacert ${file}`;
  return io.env['SSL_CERT_FILE'] ? 'SSL_CERT_FILE' : null;
}
