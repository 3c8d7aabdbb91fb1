import { formatUsd } from '../../../spending/usd.ts';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InterruptedError } from '../../../outcome/errors.ts';
import type { McpServer } from '../../../tools/gateway.ts';
import type { Io } from '../../io.ts';
import { remark, reportError } from '../../views/report.ts';
import { joined, ours, styled } from '../../../terminal/own-text.ts';
import { asCllmError } from '../../thrown.ts';
import { editText } from './editor-program.ts';
import { PromptHistory } from './prompt-history.ts';
import { LineReader } from './line-reader.ts';
import { PromptReader, type Reader } from './prompt-reader.ts';
import type { ChatPrompt, ChatSession } from './session.ts';
import { completeLine, helpText, readLine, type SlashName } from './slash-commands.ts';

export interface TerminalChatOptions {
  io: Io;
  isQuiet: boolean;
  /** Where the prompts are kept. */
  dataDirectory: string;
  /** Asks the proxy which models it serves. */
  askNames: () => Promise<string[]>;
  /** The prompt of a template, by its name and variables. */
  makePrompt: (named: string, variables: readonly (readonly [string, string])[]) => Promise<ChatPrompt>;
  /** Asks it for its MCP servers. */
  askServers: () => Promise<readonly McpServer[]>;
}

/** A chat with somebody at a terminal, until they leave it. */
export async function chatAtTerminal(session: ChatSession, options: TerminalChatOptions): Promise<void> {
  await new TerminalChat(session, options).run();
}

/** Milliseconds that the prompt waits for what the proxy knows of the model. */
const longestLook = 1_000;

class TerminalChat {
  readonly #session: ChatSession;
  readonly #io: Io;
  readonly #options: TerminalChatOptions;
  readonly #history: PromptHistory;
  readonly #reader: Reader;
  /** What the proxy last said that it serves; empty while nobody asked it. */
  #served: string[] = [];
  #isOver = false;
  #isWarned = false;

  constructor(session: ChatSession, options: TerminalChatOptions) {
    const { io, dataDirectory } = options;
    this.#session = session;
    this.#io = io;
    this.#options = options;
    const file = session.isEphemeral ? null : path.join(dataDirectory, 'prompts.jsonl');
    this.#history = new PromptHistory(file, io.uid);
    this.#reader = isEditable(io)
      ? new PromptReader(io, {
          history: this.#history.read(),
          complete: (before) => completeLine(before, () => this.#askServed()),
        })
      : new LineReader(io);
    session.approve = async (call, subject) => {
      const { approveCall } = await import('../../asking/approve-call.ts');
      this.#reader.pause();
      try {
        return await approveCall(call, subject, io);
      } finally {
        this.#reader.resume();
      }
    };
  }

  async run(): Promise<void> {
    try {
      if (!this.#options.isQuiet) this.#greet();
      while (!this.#isOver) {
        const typed = await this.#reader.read(await this.#fullness());
        if (typed.type === 'end') return;
        await this.#act(typed.text);
        if (this.#io.signal.aborted) return;
      }
    } finally {
      this.#reader.close();
    }
  }

  /** How full the context is, once it is worth a word. A proxy that is slow to say it keeps nobody from typing. */
  async #fullness(): Promise<string> {
    const share = await Promise.race([this.#session.contextShare(), sleep(longestLook, null, { ref: false })]);
    if (share === null || share < 1 / 3) return '';
    const percent = `${Math.round(share * 100)} %`;
    if (share < 0.8) this.#isWarned = false;
    else if (!this.#isWarned) {
      this.#isWarned = true;
      this.#say(`the context is ${percent} full; a new chat begins with an empty one, /model NAME takes a larger`);
    }
    return percent;
  }

  async #act(text: string): Promise<void> {
    if (text.trim() === '') return;
    const line = readLine(text);
    try {
      if (line.type === 'prompt') await this.#send(line.text);
      else if (line.type === 'command') await this.#command(line.name, line.rest);
      else if (line.type === 'leave') {
        this.#isOver = true;
        this.#say(`"${line.word}" alone leaves the chat, as /quit does; with a space before it, it is a prompt`);
      } else {
        const meant = line.nearest === null ? '/help lists them' : `did you mean /${line.nearest}?`;
        this.#say(`there is no command /${line.name}; ${meant}`);
      }
    } catch (thrown) {
      // A command that failed is no reason to lose the chat.
      await reportError(this.#io.stderr, asCllmError(thrown));
    }
  }

  async #send(prompt: string, made: ChatPrompt | null = null): Promise<void> {
    const stop = new AbortController();
    // What a template made is not what somebody typed.
    if (made === null) this.#history.add(prompt);
    this.#reader.onInterrupt = () => stop.abort(new InterruptedError('SIGINT', 'stopped'));
    try {
      await this.#session.send(prompt, AbortSignal.any([this.#io.signal, stop.signal]), made);
    } finally {
      this.#reader.onInterrupt = () => {};
    }
  }

  async #command(name: SlashName, rest: string): Promise<void> {
    const session = this.#session;
    switch (name) {
      case 'model':
        if (rest === '') return this.#showModels();
        session.body.model = rest;
        this.#say(`the model is ${rest}`);
        return this.#warnOfUnknown(rest);
      case 'system':
        if (rest === '')
          return this.#say(session.system === null ? 'there is no system prompt' : `system: ${session.system}`);
        session.setSystem(rest === 'off' ? null : rest);
        return this.#say(rest === 'off' ? 'no system prompt from here on' : 'that is the system prompt from here on');
      case 'retry': {
        const prompt = session.lastPrompt;
        if (prompt === null) return this.#say('there is nothing to ask again');
        session.checkSpending();
        await session.rewind();
        session.attachAgain();
        return this.#send(prompt);
      }
      case 'edit':
        return this.#edit(rest);
      case 'file':
        return this.#attach(rest);
      case 'template':
        return this.#sendTemplate(rest);
      case 'tools':
        return this.#showTools();
      case 'mcp':
        return this.#showServers();
      case 'usage':
        return this.#showUsage();
      case 'help':
        return void this.#io.stderr.write(helpText());
      case 'quit':
        this.#isOver = true;
    }
  }

  async #attach(name: string): Promise<void> {
    if (name === '') return this.#say('which file? /file PATH');
    const { readAttachments } = await import('../../input/attachments.ts');
    this.#session.attach(await readAttachments([name], this.#io));
    this.#say(`${name} goes with the next prompt`);
  }

  async #edit(text: string): Promise<void> {
    this.#reader.pause();
    let written: string;
    try {
      written = await editText(text, this.#io);
    } finally {
      this.#reader.resume();
    }
    if (written.trim() === '') return this.#say('nothing was written, so nothing is sent');
    await this.#io.stderr.write(
      joined(
        written
          .replaceAll('\r\n', '\n')
          .split('\n')
          .map((line) => ours`> ${line}\n`),
      ),
    );
    await this.#send(written);
  }

  async #askServed(): Promise<string[]> {
    this.#served = await this.#options.askNames();
    return this.#served;
  }

  async #showModels(): Promise<void> {
    const names = await this.#askServed();
    this.#say(`the model is ${this.#session.body.model}`);
    if (names.length > 0)
      this.#say(`the proxy serves: ${names.slice(0, 40).join(', ')}${names.length > 40 ? ', …' : ''}`);
  }

  /** A model may be served all the same (a wildcard, an alias of the proxy), so it is only said. Nobody is asked for it. */
  #warnOfUnknown(model: string): void {
    if (this.#served.length > 0 && !this.#served.includes(model))
      this.#say(`the proxy's list has no ${model}; /model shows it`);
  }

  async #sendTemplate(rest: string): Promise<void> {
    const [named, ...words] = rest.split(/\s+/);
    if (named === undefined || named === '') return this.#say('which template? cllm templates list shows them');
    const stray = words.find((word) => !/^[^=]+=/.test(word));
    if (stray !== undefined) return this.#say(`${stray} is no variable: /template ${named} VAR=VALUE`);
    const pairs = words.map((word) => [word.slice(0, word.indexOf('=')), word.slice(word.indexOf('=') + 1)] as const);
    this.#reader.pause();
    let made: ChatPrompt;
    try {
      // It may have to ask whether the template may run its commands.
      made = await this.#options.makePrompt(named, pairs);
    } finally {
      this.#reader.resume();
    }
    const content = made.made.messages.at(-1)?.content;
    await this.#send(typeof content === 'string' ? content : named, made);
  }

  #showTools(): void {
    const names = this.#session.toolNames;
    this.#say(
      names.length === 0
        ? "the model may call nothing; cllm chat --mcp NAME, or --allow 'git log *', lets it"
        : `the model may call: ${names.join(', ')}`,
    );
  }

  async #showServers(): Promise<void> {
    const servers = await this.#options.askServers();
    if (servers.length === 0) return this.#say('the proxy has no MCP servers that this key may use');
    for (const { name, status, tools, description } of servers) {
      const facts = [status, tools === null ? null : `${tools} tools`, description].filter((fact) => fact !== null);
      this.#say([name, ...facts].join(' · '));
    }
  }

  #showUsage(): void {
    const { turns, inputTokens, outputTokens, costUsd, turnsWithoutTokens, turnsWithoutCost } = this.#session.usage();
    const parts = [`${turns} ${turns === 1 ? 'turn' : 'turns'}`];
    if (turnsWithoutTokens < turns) parts.push(`${inputTokens} tokens in`, `${outputTokens} tokens out`);
    if (turnsWithoutTokens > 0) parts.push(`tokens of ${turnsWithoutTokens} unknown`);
    if (turnsWithoutCost < turns) parts.push(formatUsd(costUsd));
    if (turnsWithoutCost > 0) parts.push(`cost of ${turnsWithoutCost} unknown`);
    this.#say(parts.join(' · '));
  }

  #greet(): void {
    const { id, name } = this.#session.conversation.state;
    const summary = id === null ? null : (this.#session.store.history?.findOrNull(id) ?? null);
    const where =
      summary === null
        ? (name ?? (this.#session.isEphemeral ? 'nothing is kept' : 'a new conversation'))
        : `going on with ${summary.name ?? summary.id} (${summary.title}), ${summary.turnCount} turns so far`;
    this.#line(`${this.#session.body.model} · ${where} · /help`);
  }

  #say(text: string): void {
    void remark(this.#io.stderr, text);
  }

  #line(text: string): void {
    const { stderr } = this.#io;
    void stderr.write(ours`${styled(stderr, 'dim', stderr.masked(text))}\n`);
  }
}

/** A terminal that can not move its cursor (`TERM=dumb`: a shell inside an editor) gives whole lines. */
function isEditable(io: Io): boolean {
  return io.env['TERM'] !== 'dumb';
}
