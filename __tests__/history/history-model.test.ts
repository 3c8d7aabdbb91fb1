import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { History } from '../../src/history/history.ts';
import type { ChatMessage, Json } from '../../src/protocol/types.ts';
import { ended, newTurn, openHistory } from '../support/history-samples.ts';
import { seed } from '../support/seed.ts';
import { useTemporaryDirectory } from '../support/temporary-directory.ts';

type Prompt = string | Json[];
interface ModelConversation {
  name: string | null;
  system: string | null;
  turns: { id: string; prompt: Prompt; reply: string | null }[];
}
/** What a history is, said with a Map: in the order of use, the latest last. */
type Model = Map<string, ModelConversation>;
interface Real {
  history: History;
  reopen(): void;
}
type Step = fc.Command<Model, Real>;

const directory = useTemporaryDirectory();

function touched(model: Model, id: string): ModelConversation {
  const conversation = model.get(id);
  if (conversation === undefined) throw new Error(`the model has no ${id}`);
  model.delete(id);
  model.set(id, conversation);
  return conversation;
}

const pick = (model: Model, index: number): string | undefined => [...model.keys()][index % Math.max(1, model.size)];

function compare(model: Model, history: History): void {
  const summaries = history.list();
  expect(summaries.map(({ id }) => id)).toEqual([...model.keys()].toReversed());
  for (const { id, name, system, turnCount } of summaries) {
    const expected = model.get(id);
    expect({ name, system, turnCount }).toEqual({
      name: expected?.name,
      system: expected?.system,
      turnCount: expected?.turns.length,
    });
  }
}

function compareTurns(model: Model, history: History): void {
  for (const [id, { turns }] of model) {
    expect(
      history
        .turns(id)
        .map((turn) => [turn.seq, turn.messages[0]?.content, turn.completion?.choices[0]?.message.content ?? null]),
    ).toEqual(turns.map(({ prompt, reply }, index) => [index + 1, prompt, reply]));
  }
}

function expectRefused(action: () => unknown): void {
  expect(action).toThrow(expect.objectContaining({ code: 'usage' }));
}

function expectSame(one: unknown, other: unknown): void {
  expect(one).toEqual(other);
}

function step(
  name: string,
  run: (model: Model, real: Real) => void,
  check: (model: Model) => boolean = () => true,
): Step {
  return {
    check: (model) => check(model),
    run: (model, real) => {
      run(model, real);
      compare(model, real.history);
    },
    toString: () => name,
  };
}

const hasSome = (model: Model): boolean => model.size > 0;
const someName = fc.constantFrom('a', 'b', 'c', null);
const someIndex = fc.nat(6);
const someText = fc.string({ unit: 'grapheme', maxLength: 20 });
/** Of a few, so that turns have the same ones. */
const somePrompt: fc.Arbitrary<Prompt> = fc.oneof(
  { weight: 2, arbitrary: someText },
  {
    weight: 1,
    arbitrary: fc.array(fc.constantFrom('A', 'B', 'C'), { minLength: 1, maxLength: 2 }).map((letters): Json[] =>
      letters.map((letter) => ({
        type: 'file',
        file: { file_data: `data:application/pdf;base64,${letter.repeat(4096)}` },
      })),
    ),
  },
);
const prompted = (prompt: Prompt): { messages: ChatMessage[] } => ({ messages: [{ role: 'user', content: prompt }] });
const shown = (prompt: Prompt): string => JSON.stringify(prompt).slice(0, 60);

const steps = [
  fc.tuple(someName, somePrompt).map(([name, prompt]) =>
    step(`begin ${name} ${shown(prompt)}`, (model, { history }) => {
      const place = history.beginTurn({ ...newTurn('', { name, system: 's' }), ...prompted(prompt) });
      if (!model.has(place.conversationId)) model.set(place.conversationId, { name, system: 's', turns: [] });
      touched(model, place.conversationId).turns.push({ id: place.turnId, prompt, reply: null });
    }),
  ),
  fc.tuple(someIndex, somePrompt).map(([index, prompt]) =>
    step(
      `go on ${index} ${shown(prompt)}`,
      (model, { history }) => {
        const id = String(pick(model, index));
        const { turnId } = history.beginTurn({ ...newTurn('', { id }), ...prompted(prompt) });
        touched(model, id).turns.push({ id: turnId, prompt, reply: null });
      },
      hasSome,
    ),
  ),
  fc.tuple(someIndex, someText).map(([index, reply]) =>
    step(
      `end ${index}`,
      (model, { history }) => {
        const open = [...model.values()].flatMap(({ turns }) => turns).filter((turn) => turn.reply === null);
        const turn = open[index % Math.max(1, open.length)];
        if (turn === undefined) return;
        history.endTurn(turn.id, ended(reply));
        for (const each of [...model.values()].flatMap(({ turns }) => turns))
          if (each.id === turn.id) each.reply = reply;
      },
      hasSome,
    ),
  ),
  // Mostly without a name, so that a conversation gets several forks.
  fc
    .tuple(someIndex, fc.oneof({ weight: 4, arbitrary: fc.constant(null) }, someName), fc.nat(5))
    .map(([index, name, at]) =>
      step(
        `fork ${index} as ${name} at ${at}`,
        (model, { history }) => {
          const id = String(pick(model, index));
          const source = model.get(id);
          if (source === undefined || source.turns.length === 0) return;
          const atSeq = (at % source.turns.length) + 1;
          if (name !== null && [...model.values()].some((other) => other.name === name)) {
            expectRefused(() => history.fork(id, { name, atSeq }));
            return;
          }
          const fork = history.fork(id, { name, atSeq });
          model.set(fork.id, { name, system: source.system, turns: source.turns.slice(0, atSeq) });
        },
        hasSome,
      ),
    ),
  someIndex.map((index) =>
    step(
      `delete ${index}`,
      (model, { history }) => {
        const id = String(pick(model, index));
        history.delete(id);
        model.delete(id);
      },
      hasSome,
    ),
  ),
  fc.tuple(someIndex, someName).map(([index, name]) =>
    step(
      `rename ${index} to ${name}`,
      (model, { history }) => {
        const id = String(pick(model, index));
        const isTaken = name !== null && [...model].some(([other, { name: taken }]) => other !== id && taken === name);
        if (isTaken) expectRefused(() => history.rename(id, name));
        else {
          history.rename(id, name);
          Object.assign(model.get(id) ?? {}, { name });
        }
      },
      hasSome,
    ),
  ),
  fc.tuple(someIndex, someText).map(([index, system]) =>
    step(
      `system of ${index}`,
      (model, { history }) => {
        const id = String(pick(model, index));
        history.setSystem(id, system);
        Object.assign(model.get(id) ?? {}, { system });
      },
      hasSome,
    ),
  ),
  fc.constant(step('reopen', (_model, real) => real.reopen())),
  fc.constant(
    step('export and import', (model, { history }) => {
      const lines = [...history.export()];
      const copy = openHistory();
      copy.import(lines);
      expectSame([...copy.export()], lines);
      compare(model, copy);
      compareTurns(model, copy);
      copy.close();
    }),
  ),
  fc.constant(
    step('verify', (model, { history }) => {
      compareTurns(model, history);
      expectSame(history.verify().problems, []);
    }),
  ),
];

test('a history is what a Map of conversations would be, whatever is done to it', () => {
  let run = 0;
  fc.assert(
    fc.property(fc.commands(steps, { size: '+1', maxCommands: 60 }), (commands) => {
      const path = join(directory(), `run-${(run += 1)}`, 'history.db');
      const real: Real = {
        history: openHistory(path),
        reopen: () => {
          real.history.close();
          real.history = openHistory(path);
        },
      };
      try {
        fc.modelRun(() => ({ model: new Map() as Model, real }), commands);
      } finally {
        real.history.close();
      }
    }),
    { seed, numRuns: 30 },
  );
}, 60_000);
