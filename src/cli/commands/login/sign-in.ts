import { spawn } from 'node:child_process';
import type { Session } from '../../../config/credentials.ts';
import { CllmError, UsageError } from '../../../outcome/errors.ts';
import { type Contract, readContract } from '../../../sign-in/contract.ts';
import { awaitDevice, startDeviceFlow, type TeamChoice } from '../../../sign-in/device.ts';
import { listenForBrowser } from '../../../sign-in/loopback.ts';
import type { ProxyFetch } from '../../../sign-in/proxy-fetch.ts';
import { signIn } from '../../asking/sign-in.ts';
import type { Context } from '../../context.ts';
import { mayAsk } from '../../input/confirm.ts';
import { askLine } from '../../input/secret.ts';
import type { Io } from '../../io.ts';

/** Whether the proxy knows a sign-in for programs; one that does not answer has none. */
export async function isKnown(baseUrl: string, context: Context): Promise<boolean> {
  try {
    return await signIn(baseUrl, context, async ({ http }) => !('reason' in (await contractOf(baseUrl, http))));
  } catch (error) {
    if (!(error instanceof CllmError) || error.code === 'interrupted') throw error;
    return false;
  }
}

async function contractOf(baseUrl: string, http: ProxyFetch): Promise<Contract | { reason: string }> {
  const response = await http.send({ method: 'GET', url: `${baseUrl}/.well-known/litellm-cli-auth` });
  if (response.status !== 200) return { reason: 'the proxy knows no sign-in for programs' };
  try {
    return readContract(JSON.parse(await response.text()), baseUrl);
  } catch {
    return { reason: 'the proxy knows no sign-in for programs' };
  }
}

/** With the browser of this machine: PKCE, and back over the loopback. */
export async function byBrowser(baseUrl: string, context: Context): Promise<{ key: string; session: Session }> {
  const { io } = context;
  return signIn(baseUrl, context, async ({ http, oauth }) => {
    const contract = await contractOf(baseUrl, http);
    if ('reason' in contract) {
      throw new CllmError('not_found', contract.reason, {
        hint: 'enter a key instead: cllm login, or try --no-browser',
      });
    }
    const loopback = await listenForBrowser(io.signal);
    try {
      const attempt = await oauth.begin(contract, loopback.redirectUri);
      const answer = loopback.answer(attempt.state);
      context.remark('sign in with the browser; where none opens, open this address on this machine:');
      await io.stderr.write(`${attempt.url}\n`);
      openBrowser(attempt.url, io);
      return await oauth.redeem(contract, attempt, await answer);
    } finally {
      loopback.close();
    }
  });
}

/** With a browser anywhere: a code is compared, and this program asks until somebody has signed in. */
export async function byDevice(baseUrl: string, context: Context): Promise<string> {
  const { io } = context;
  return signIn(baseUrl, context, async ({ http }) => {
    const flow = await startDeviceFlow(http, baseUrl);
    context.remark(`sign in at the address below, and enter this code there: ${flow.userCode}`);
    await io.stderr.write(`${flow.url}\n`);
    return awaitDevice(http, baseUrl, flow, { chooseTeam: (teams) => chosenTeam(teams, context), signal: io.signal });
  });
}

async function chosenTeam(teams: readonly TeamChoice[], { io, remark }: Context): Promise<string> {
  const [first] = teams;
  if (first === undefined) throw new CllmError('unexpected_response', 'the proxy wants a team and names none');
  if (teams.length === 1) return first.id;
  if (!mayAsk(io, false)) {
    remark(`for the team ${first.name}, the first of ${teams.length}: at a terminal you are asked which`);
    return first.id;
  }
  const names = teams.map(({ name }, at) => `${at + 1} ${name}`).join(', ');
  const answer = await askLine(io, `For which team, ${names}? [1] `);
  const chosen = answer === '' ? first : (teams[Number(answer) - 1] ?? teams.find(({ name }) => name === answer));
  if (chosen === undefined)
    throw new UsageError(`there is no team ${answer}`, { code: 'input_invalid', hint: `name one of ${names}` });
  return chosen.id;
}

/** BROWSER as elsewhere, else what the system has; that there is none is no failure, for the address is shown. */
function openBrowser(url: string, { env, platform }: Io): void {
  const own = env['BROWSER'];
  const [program, ...args] =
    own !== undefined && own !== ''
      ? [own]
      : platform === 'darwin'
        ? ['open']
        : platform === 'win32'
          ? ['rundll32', 'url.dll,FileProtocolHandler']
          : ['xdg-open'];
  const child = spawn(program, [...args, url], { stdio: 'ignore', detached: true });
  child.on('error', () => {});
  child.unref();
}
