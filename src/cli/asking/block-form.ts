import { CllmError } from '../../outcome/errors.ts';
import type { ReplyForm } from '../../conversation/taken-reply.ts';
import { textOf } from '../../conversation/result-object.ts';
import { fencedBlocks } from '../../terminal/fenced-blocks.ts';
import { behindThought } from './behind-thought.ts';

/** The inside of the first fenced block, or of the first one of a language, with one line end behind it. */
export function blockForm(language: string | null): ReplyForm {
  const wanted = language?.toLowerCase() ?? null;
  return {
    take({ completion, verdict }, isKept) {
      if (verdict !== 'complete' && verdict !== 'length') return { taken: null, error: null, complaint: null };
      const blocks = fencedBlocks(behindThought(textOf(completion)) ?? '');
      const block = blocks.find((each) => wanted === null || each.language === wanted);
      const isTorn = block?.isOpen === true && verdict === 'complete';
      if (block !== undefined && !isTorn) {
        return { taken: { text: `${block.text.replace(/\n+$/, '')}\n`, note: null }, error: null, complaint: null };
      }
      const others = [...new Set(blocks.map((each) => each.language || 'none'))].slice(0, 5).join(', ');
      const why =
        blocks.length === 0
          ? 'the reply has no fenced block to extract'
          : isTorn
            ? 'the reply ends inside of its fenced block, so that the block may be cut'
            : `the reply has no fenced block of ${wanted ?? ''} to extract, only of ${others}`;
      return {
        taken: null,
        error: new CllmError('nothing_to_extract', why, {
          hint: isKept
            ? 'it was kept: cllm history show; ask again, for a block of code'
            : 'ask again, for a block of code',
        }),
        complaint: isTorn
          ? 'Your fenced code block has no closing fence. Reply with the whole block, and nothing else.'
          : `Your reply has no fenced code block${wanted === null ? '' : ` of ${wanted}`}. Reply with one, and nothing else.`,
      };
    },
  };
}
