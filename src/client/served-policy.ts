import { CllmError, UsageError } from '../outcome/errors.ts';
import type { ReplyTap, ResponseHead } from './reply/completion-stream.ts';
import type { Receipt } from './receipt.ts';

/** Where a reply may come from. */
export interface ServedPolicyOptions {
  /** A glob (`*`, `?`) that the name of the model that answered must match: the proxy's own name for it, or the provider's. */
  requireModel?: string;
  /** False: the model that was asked for, and none that the proxy falls back on. */
  allowFallbacks?: boolean;
  /** False: no reply out of the proxy's cache. */
  allowCache?: boolean;
}

/**
 * Holds a reply to where it may come from. The proxy is asked for it in the request; whether it complied is read off the
 * head of the answer, before a word is shown, and off the receipt, for what only the stream itself tells.
 *
 * Source: LiteLLM 1.104.2's `disable_fallbacks`, `cache` and `x-litellm-*` headers.
 */
export class ServedPolicy {
  readonly #options: ServedPolicyOptions;

  /** @throws UsageError for an empty glob */
  constructor(options: ServedPolicyOptions) {
    this.#options = options;
    if (options.requireModel === '') throw new UsageError('the glob of the required model is empty');
  }

  /** Fields of the request body. */
  get fields(): Record<string, unknown> {
    return {
      ...(this.#options.allowFallbacks === false && { disable_fallbacks: true }),
      ...(this.#options.allowCache === false && { cache: { 'no-cache': true } }),
    };
  }

  /** Watches one reply. */
  watch(): { tap: ReplyTap; judge: (receipt: Receipt | null, fallbackModel: string | null) => CllmError | null } {
    let named: string[] = [];
    return {
      tap: {
        // Thrown here it ends the reply before its first word.
        head: ({ headers }: ResponseHead) => {
          named = namesIn(headers);
          const error = this.#judgeHead(headers, named);
          if (error !== null) throw error;
        },
        read: () => {},
        end: () => {},
      },
      judge: (receipt, fallbackModel) => (receipt === null ? null : this.#judgeReceipt(receipt, named, fallbackModel)),
    };
  }

  #judgeHead(headers: Readonly<Record<string, string>>, names: readonly string[]): CllmError | null {
    if (this.#options.allowFallbacks === false && Number(headers['x-litellm-attempted-fallbacks'] ?? 0) > 0) {
      return elsewhere(`a fallback (${names[0] ?? 'unnamed'}) answered, although the request asked for none`);
    }
    if (this.#options.allowCache === false && headers['x-litellm-cache-hit']?.toLowerCase() === 'true') {
      return elsewhere("the reply came out of the proxy's cache, although the request asked for a fresh one");
    }
    return names.length === 0 ? null : this.#judgeNames(names);
  }

  #judgeReceipt(receipt: Receipt, headNames: readonly string[], fallbackModel: string | null): CllmError | null {
    const { modelServed, attemptedFallbacks, isCacheHit } = receipt;
    const isFallback = fallbackModel !== null || (attemptedFallbacks ?? 0) > 0;
    if (this.#options.allowFallbacks === false && isFallback) {
      return elsewhere(`a fallback (${modelServed ?? 'unnamed'}) answered, although the request asked for none`);
    }
    if (this.#options.allowCache === false && isCacheHit === true) {
      return elsewhere("the reply came out of the proxy's cache, although the request asked for a fresh one");
    }
    // A head that a keep-alive comment brought forward names nobody; a notice in the stream is newer than the head.
    const later = fallbackModel ?? (headNames.length === 0 ? modelServed : null);
    return this.#judgeNames(later === null ? headNames : [later]);
  }

  #judgeNames(names: readonly string[]): CllmError | null {
    const glob = this.#options.requireModel;
    if (glob === undefined || names.some((name) => matchesGlob(name, glob))) return null;
    const who =
      names.length === 0 ? 'the proxy does not say which model answered' : `${names.slice(0, 2).join(', ')} answered`;
    return elsewhere(`${who}, and require_model ${glob} does not allow it`);
  }
}

/** The proxy's name for the model, and the provider's with and without the provider. */
function namesIn(headers: Readonly<Record<string, string>>): string[] {
  const name = headers['x-litellm-model-name'];
  const names = [headers['x-litellm-model-group'], name, name?.slice(name.indexOf('/') + 1)];
  return [...new Set(names.filter((each) => each !== undefined && each !== '' && each !== 'None'))] as string[];
}

/**
 * `*` is any text, `?` one character. By hand: as a pattern, a glob with several stars would look at a long header again
 * and again. Only the last star is ever gone back to, so the time is at most the product of the two lengths.
 */
export function matchesGlob(name: string, glob: string): boolean {
  let at = 0;
  let inGlob = 0;
  let star = -1;
  let afterStar = 0;
  while (at < name.length) {
    if (glob[inGlob] === '*') {
      star = inGlob;
      afterStar = at;
      inGlob += 1;
    } else if (inGlob < glob.length && (glob[inGlob] === '?' || glob[inGlob] === name[at])) {
      inGlob += 1;
      at += 1;
    } else if (star !== -1) {
      afterStar += 1;
      at = afterStar;
      inGlob = star + 1;
    } else {
      return false;
    }
  }
  while (glob[inGlob] === '*') inGlob += 1;
  return inGlob === glob.length;
}

function elsewhere(message: string): CllmError {
  return new CllmError('served_elsewhere', message);
}
