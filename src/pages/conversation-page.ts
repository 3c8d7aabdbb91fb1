import { createHash } from 'node:crypto';
import type { ConversationSummary, Turn } from '../history/history.ts';
import { templateLine } from '../history/template-line.ts';
import type { Verdict } from '../outcome/exits.ts';
import { readContentParts } from '../protocol/content-parts.ts';
import { isJsonObject, textOrNull } from '../protocol/json.ts';
import { mediaOf, type ReplyMedia } from '../protocol/media.ts';
import { type ReplyCall, repliedCalls } from '../protocol/reply-content.ts';
import type { ChatMessage, CompletionChoice, CompletionMessage } from '../protocol/types.ts';
import { loadLanguage } from '../terminal/highlight.ts';
import { codeHtml } from './code.ts';
import { html, type Html, type HtmlValue, styleElement } from './html.ts';
import { languagesIn, markdownHtml } from './markdown.ts';
import { mediaHtml } from './media.ts';
import { pageStyle } from './page-style.ts';

export interface ConversationPageOptions {
  /** The line that says who served a turn and what it cost; null for none. */
  receiptOf: (turn: Turn) => string | null;
  /** What is shown of a text: the text, or one from which something was taken. */
  shown: (text: string) => string;
  /** What `shown` took from the texts of the page, for its foot; asked for last. Empty for nothing. */
  taken: () => string;
  version: string;
}

/** Besides the one style sheet a page runs nothing and loads nothing: its images are in it. */
const policy = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(pageStyle).digest('base64')}'`,
  'img-src data:',
  'media-src data:',
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

/**
 * A conversation as one file that any browser shows without a network. Prompts are shown as they were typed, replies as
 * the Markdown that they are.
 */
export async function conversationPage(
  summary: ConversationSummary,
  turns: readonly Turn[],
  options: ConversationPageOptions,
): Promise<string> {
  for (const language of new Set(turns.flatMap(languagesOf))) await loadLanguage(language);
  return `<!doctype html>\n${new PageWriter(options).page(summary, turns).toString()}`;
}

/**
 * One prompt and what several models answered, side by side where there is room for that.
 *
 * @param turns one for each model; the messages of the first stand for all
 */
export async function comparisonPage(
  title: string,
  turns: readonly Turn[],
  options: ConversationPageOptions,
): Promise<string> {
  for (const language of new Set(turns.flatMap(languagesOf))) await loadLanguage(language);
  return `<!doctype html>\n${new PageWriter(options).comparison(title, turns).toString()}`;
}

function languagesOf({ completion }: Turn): string[] {
  const texts = completion?.choices.flatMap(({ message }) => [message.content, message.refusal]) ?? [];
  return ['json', ...texts.flatMap((text) => (typeof text === 'string' ? languagesIn(text) : []))];
}

class PageWriter {
  readonly #options: ConversationPageOptions;

  constructor(options: ConversationPageOptions) {
    this.#options = options;
  }

  page(summary: ConversationSummary, turns: readonly Turn[]): Html {
    const title = this.#shown(summary.name ?? summary.title);
    const facts = this.#facts(summary, turns);
    const system = summary.system === null ? null : this.#folded('system prompt', this.#plain(summary.system));
    const articles = turns.map((turn) => this.#turn(turn));
    return this.#document(title, facts, html`${system}${articles}`, 'conversation');
  }

  comparison(shownTitle: string, turns: readonly Turn[]): Html {
    const [first] = turns;
    const facts: HtmlValue[] = [`${turns.length} models`, first === undefined ? null : [' · ', time(first.createdAt)]];
    const prompt = first?.messages.map((message, at) => this.#message(message, `message ${at + 1}`));
    const replies = turns.map(
      (turn) => html`<article id="reply-${turn.seq}">
<h2><bdi>${this.#shown(turn.model)}</bdi></h2>
${this.#reply(turn)}</article>
`,
    );
    const content = html`${prompt}<div class="compared">
${replies}</div>
`;
    return this.#document(this.#shown(shownTitle), facts, content, 'comparison');
  }

  #document(title: string, facts: HtmlValue, content: Html, kind: 'conversation' | 'comparison'): Html {
    // Asked for when every text has been shown.
    const taken = this.#options.taken();
    return html`<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="cllm ${this.#options.version}">
<link rel="icon" href="data:,">
<title>${title}</title>
${styleElement(pageStyle)}
</head>
<body class="${kind}">
<header>
<h1 dir="auto">${title}</h1>
<p class="facts">${facts}</p>
</header>
<main>
${content}</main>
<footer>
<p>A ${kind} of cllm. This page runs no scripts and loads nothing.${taken === '' ? null : ` Taken out of it: ${taken}.`}</p>
</footer>
</body>
</html>
`;
  }

  #shown(text: string): string {
    return this.#options.shown(text);
  }

  #facts({ id, name, title, parent }: ConversationSummary, turns: readonly Turn[]): HtmlValue {
    const facts: HtmlValue[] = [
      name === null ? null : html`<bdi>${this.#shown(title)}</bdi>`,
      html`conversation <bdi>${this.#shown(id)}</bdi>`,
      turns[0] === undefined ? null : time(turns[0].createdAt),
      `${turns.length} ${turns.length === 1 ? 'turn' : 'turns'}`,
      parent === null ? null : html`forked from <bdi>${parent.id}</bdi> after turn ${parent.seq}`,
    ];
    return facts.filter((fact) => fact !== null).map((fact, at) => [at === 0 ? '' : ' · ', fact]);
  }

  #turn(turn: Turn): Html {
    return html`<article id="turn-${turn.seq}">
<h2>Turn ${turn.seq} ${time(turn.createdAt)}</h2>
${turn.messages.map((message, at) => this.#message(message, `message ${at + 1} of turn ${turn.seq}`))}${this.#template(turn)}<section class="reply" aria-label="reply of turn ${turn.seq}">
<p class="who"><bdi>${this.#shown(turn.completion?.model || turn.model)}</bdi></p>
${this.#reply(turn)}</section>
</article>
`;
  }

  #template({ template }: Turn): Html | null {
    return template && html`<p class="named"><bdi>${this.#shown(templateLine(template))}</bdi></p>\n`;
  }

  #reply(turn: Turn): Html {
    const choices = turn.completion?.choices ?? [];
    const [first, ...others] = choices;
    const receipt = this.#options.receiptOf(turn);
    const parts = [
      first === undefined ? null : this.#choice(first),
      repliedCalls(turn.completion).map((call) => this.#call(call)),
      others.map((choice) => this.#folded(`another choice (${choice.index})`, this.#choice(choice))),
      this.#notes(turn),
      receipt === null ? null : html`<p class="receipt"><bdi>${this.#shown(receipt)}</bdi></p>\n`,
    ];
    return html`${parts}`;
  }

  /** @param place tells it from others of its role, to who hears a list of what a page has */
  #message(message: ChatMessage, place: string): Html {
    const parts = Array.isArray(message.content) ? readContentParts(message.content) : null;
    const text = typeof message.content === 'string' ? message.content : (parts?.text ?? '');
    const media =
      parts === null
        ? []
        : mediaOf({ role: message.role, content: null, images: parts.images, audio: parts.audio ?? {} });
    const named = parts?.others.map((part) => html`<p class="named">${this.#shown(kindOf(part))}</p>`);
    const content = html`${text === '' ? null : this.#plain(text)}${this.#media(media)}${named}`;
    if (message.role === 'tool') {
      const id = textOrNull(message['tool_call_id']);
      return this.#folded(`tool result${id === null ? '' : ` (${id})`}`, content);
    }
    const calls = repliedCalls(asCompletion(message));
    const role = this.#shown(message.role);
    return html`<section class="prompt" aria-label="${role}, ${place}">
<p class="who"><bdi>${role}</bdi></p>
${content}${calls.map((call) => this.#call(call))}</section>
`;
  }

  #choice({ message }: CompletionChoice): Html {
    const { content, refusal, reasoning_content: reasoning } = message;
    const parts = [
      isText(reasoning) ? this.#folded('reasoning', this.#plain(reasoning)) : null,
      this.#markdown(content),
      isText(refusal) ? html`<p class="who">refusal</p>\n${this.#markdown(refusal)}` : null,
      this.#media(mediaOf(message)),
    ];
    return html`${parts}`;
  }

  #markdown(text: unknown): Html | null {
    return isText(text) ? html`<div class="text">${markdownHtml(this.#shown(text))}</div>\n` : null;
  }

  #plain(text: string): Html {
    const shown = this.#shown(text);
    // What scrolls has to be reached by the keyboard, too.
    const isLong = shown.length > 800 || shown.split('\n', 16).length > 15;
    return isLong
      ? html`<div class="plain" dir="auto" tabindex="0">${shown}</div>\n`
      : html`<div class="plain" dir="auto">${shown}</div>\n`;
  }

  #media(media: readonly ReplyMedia[]): HtmlValue {
    return media.map((each) => mediaHtml(each, this.#options.shown));
  }

  #call({ name, id, input, isMalformed }: ReplyCall): Html {
    const title = html`tool call <code>${this.#shown(name)}</code>${id === null ? null : html` <bdi>(${this.#shown(id)})</bdi>`}`;
    const note = isMalformed ? html`<p class="named">its arguments are no JSON</p>` : null;
    return this.#folded(title, html`${note}${codeHtml(this.#shown(laidOut(input)), isMalformed ? '' : 'json')}`);
  }

  #folded(title: string | Html, content: Html): Html {
    const shown = typeof title === 'string' ? this.#shown(title) : title;
    return html`<details>
<summary>${shown}</summary>
${content}</details>
`;
  }

  #notes({ verdict, error, completion, endedAt, damage }: Turn): HtmlValue {
    const notes: string[] = [];
    if (verdict !== null && verdict !== 'complete') notes.push(endings[verdict]);
    else if (verdict === null && completion === null && error === null)
      notes.push(endedAt === null ? 'No reply: it was still coming, or a crash left it without an end.' : 'No reply.');
    if (error !== null) notes.push(`${verdict === null ? 'No reply: ' : ''}${error.message} (${error.code})`);
    if (damage !== undefined) notes.push(`Damaged in the history, and so not all here: ${damage.join(', ')}.`);
    return notes.map((note) => html`<p class="note" role="note" dir="auto">${this.#shown(note)}</p>\n`);
  }
}

/** What a reader has to know who never saw cllm. */
const endings: Readonly<Record<Exclude<Verdict, 'complete'>, string>> = {
  length: 'Too short: the reply reached the limit of its length and ends in the middle.',
  content_filter: 'Filtered: the provider kept the reply, or the rest of it, back.',
  cut: 'Cut: the stream broke off before the reply was finished.',
  error: 'Not complete: an error came instead of the rest of the reply.',
  empty: 'Empty: the reply ended without any content.',
  interrupted: 'Interrupted: whoever asked stopped the reply before its end.',
  timed_out: 'Timed out: the rest of the reply did not come in time.',
};

function time(iso: string): Html {
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function kindOf(part: unknown): string {
  return (isJsonObject(part) ? textOrNull(part['type']) : null) ?? 'attachment';
}

function asCompletion(message: ChatMessage): Parameters<typeof repliedCalls>[0] {
  const choice = { index: 0, message: message as unknown as CompletionMessage, finish_reason: null };
  return { id: '', object: 'chat.completion', created: 0, model: '', choices: [choice], usage: null };
}

function laidOut(input: string): string {
  try {
    return JSON.stringify(JSON.parse(input), null, 2);
  } catch {
    return input;
  }
}
