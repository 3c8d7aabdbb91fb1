import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';

import { CompletionBuilder } from '../../src/protocol/fold/completion-builder.ts';
import type { ChatCompletionChunk, CompletionMessage, FunctionToolCall } from '../../src/protocol/types.ts';
import { seed } from '../support/seed.ts';
import { deltaChunk } from './chunks.ts';

interface Call {
  id: string;
  name: string;
  /** JSON. */
  args: string;
  /** The same, cut anywhere. */
  pieces: string[];
}

type Fragment = Record<string, unknown>;
/** The `tool_calls` of each delta. */
type Deltas = unknown[];

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 6 }),
  fc.constantFrom('{}', '{"a":1}', '"', '\\', '}{', ' ', '\n', '[', ','),
);
const value = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null), fc.array(text, { maxLength: 2 }));
const members = fc.dictionary(text, fc.oneof(value, fc.dictionary(text, value, { maxKeys: 2 })), {
  minKeys: 1,
  maxKeys: 3,
});

const calls = fc
  .array(fc.tuple(fc.constantFrom('add', 'mul', 'now'), members, fc.array(fc.nat(), { maxLength: 6 }), fc.boolean()), {
    minLength: 1,
    maxLength: 3,
  })
  .map((list): Call[] =>
    list.map(([name, args, cuts, isSpaced], index) => {
      const json = JSON.stringify(args, null, isSpaced ? 1 : undefined);
      const ends = [...new Set([...cuts.map((cut) => cut % json.length), json.length])].toSorted((a, b) => a - b);
      const pieces = ends.map((end, at) => json.slice(ends[at - 1] ?? 0, end)).filter((piece) => piece !== '');
      return { id: `call_${index}`, name, args: json, pieces };
    }),
  );

/** Without ids a call that says all that the one before it said is that one again: nobody can tell. */
const differentCalls = calls.filter((list) => new Set(list.map(({ name, args }) => name + args)).size === list.length);

const fragment = (name: string | null, args: unknown, rest: Fragment = {}): Fragment => ({
  ...rest,
  type: 'function',
  function: { ...(name === null ? {} : { name }), arguments: args },
});
const first = <Value>(at: number, given: Value): Value | null => (at === 0 ? given : null);
/** Every piece of every call as a delta of its own. */
const onePerDelta = (list: Call[], make: (call: Call, piece: string, at: number, index: number) => unknown): Deltas =>
  list.flatMap((call, index) => call.pieces.map((piece, at) => [make(call, piece, at, index)]));
/** In turns: the first piece of each, then the second, … */
const interleaved = (list: Call[], make: (call: Call, piece: string, at: number, index: number) => unknown): Deltas => {
  const deltas: Deltas = [];
  for (let at = 0; list.some(({ pieces }) => at < pieces.length); at += 1) {
    for (const [index, call] of list.entries()) {
      const piece = call.pieces[at];
      if (piece !== undefined) deltas.push([make(call, piece, at, index)]);
    }
  }
  return deltas;
};
const byTheBook = (list: Call[]): Deltas =>
  onePerDelta(list, ({ id, name }, piece, at, index) =>
    fragment(first(at, name), piece, { index, ...(at === 0 ? { id } : {}) }),
  );
const soFar = ({ pieces }: Call, at: number): string => pieces.slice(0, at + 1).join('');

/** What providers do to calls, each seen in a bug report. `ids: false`: the ids are lost on the way. */
const habits: Record<string, { deltas: (list: Call[]) => Deltas; ids?: false; different?: true }> = {
  'by the book': { deltas: byTheBook },
  'in parallel': {
    deltas: (list) =>
      interleaved(list, ({ id, name }, piece, at, index) =>
        fragment(first(at, name), piece, { index, ...(at === 0 ? { id } : {}) }),
      ),
  },
  'an opening without arguments': {
    deltas: (list) =>
      list.flatMap(({ id, name, pieces }, index) => [
        [fragment(name, '', { index, id })],
        ...pieces.map((piece) => [fragment(null, piece, { index })]),
      ]),
  },
  'id and name on each fragment': {
    deltas: (list) => interleaved(list, ({ id, name }, piece, _at, index) => fragment(name, piece, { index, id })),
  },
  'indexes from 1, as texts': {
    deltas: (list) =>
      interleaved(list, ({ id, name }, piece, at, index) =>
        fragment(first(at, name), piece, { index: String(index + 1), ...(at === 0 ? { id } : {}) }),
      ),
  },
  'all at index 0, with ids': {
    deltas: (list) =>
      onePerDelta(list, ({ id, name }, piece, at) => fragment(first(at, name), piece, { index: 0, id })),
  },
  'all at index 0, ids once': {
    deltas: (list) =>
      onePerDelta(list, ({ id, name }, piece, at) =>
        fragment(first(at, name), piece, { index: 0, ...(at === 0 ? { id } : {}) }),
      ),
  },
  'all at index 0, without ids': {
    deltas: (list) => onePerDelta(list, ({ name }, piece, at) => fragment(first(at, name), piece, { index: 0 })),
    ids: false,
    different: true,
  },
  'all at index 0, with empty ids': {
    deltas: (list) =>
      onePerDelta(list, ({ name }, piece, at) => fragment(first(at, name), piece, { index: 0, id: '' })),
    ids: false,
    different: true,
  },
  'neither ids nor indexes': {
    deltas: (list) => onePerDelta(list, ({ name }, piece, at) => fragment(first(at, name), piece)),
    ids: false,
    different: true,
  },
  'ids without indexes, in turns': {
    deltas: (list) => interleaved(list, ({ id, name }, piece, at) => fragment(first(at, name), piece, { id })),
  },
  'all opened in one chunk without indexes, continued by id': {
    deltas: (list) => [
      list.map(({ id, name }) => fragment(name, '', { id })),
      ...interleaved(list, ({ id }, piece) => fragment(null, piece, { id })),
    ],
  },
  'a new id on each fragment': {
    deltas: (list) =>
      onePerDelta(list, ({ id, name }, piece, at, index) => fragment(name, piece, { index, id: `${id}_${at}` })),
    ids: false,
  },
  'a new id on each fragment, without its name': {
    deltas: (list) =>
      onePerDelta(list, ({ id, name }, piece, at, index) =>
        fragment(first(at, name), piece, { index, id: `${id}_${at}` }),
      ),
    ids: false,
  },
  'the name at one index, the arguments at the next': {
    deltas: (list) =>
      list.flatMap(({ id, name, pieces }, index) => [
        [fragment(name, '', { index: 2 * index, id })],
        ...pieces.map((piece) => [fragment(null, piece, { index: 2 * index + 1, id })]),
      ]),
  },
  '… without the id again': {
    deltas: (list) =>
      list.flatMap(({ id, name, pieces }, index) => [
        [fragment(name, '', { index: 2 * index, id })],
        ...pieces.map((piece) => [fragment(null, piece, { index: 2 * index + 1 })]),
      ]),
  },
  'cumulative arguments': {
    deltas: (list) =>
      onePerDelta(list, (call, _piece, at, index) =>
        fragment(first(at, call.name), soFar(call, at), { index, ...(at === 0 ? { id: call.id } : {}) }),
      ),
  },
  'cumulative arguments, id and name each time': {
    deltas: (list) =>
      interleaved(list, (call, _piece, at, index) => fragment(call.name, soFar(call, at), { index, id: call.id })),
  },
  'the whole call again at the end': {
    deltas: (list) => [
      ...byTheBook(list),
      ...list.map(({ id, name, args }, index) => [fragment(name, args, { index, id })]),
    ],
  },
  '… in one chunk, and spelt in another way': {
    deltas: (list) => [
      ...byTheBook(list),
      list.map(({ id, name, args }, index) => fragment(name, JSON.stringify(JSON.parse(args), null, 2), { index, id })),
    ],
  },
  '… encoded twice': {
    deltas: (list) => [
      ...byTheBook(list),
      ...list.map(({ id, name, args }, index) => [fragment(name, JSON.stringify(args), { index, id })]),
    ],
  },
  '… in pieces': { deltas: (list) => [...byTheBook(list), ...byTheBook(list)] },
  '… without ids': {
    deltas: (list) => [
      ...onePerDelta(list, ({ name }, piece, at, index) => fragment(first(at, name), piece, { index })),
      ...list.map(({ name, args }, index) => [fragment(name, args, { index })]),
    ],
    ids: false,
  },
  'the whole call after all of it but its end': {
    deltas: (list) =>
      list.flatMap(({ id, name, args, pieces }, index) => [
        ...pieces.slice(0, -1).map((piece, at) => [fragment(first(at, name), piece, { index, id })]),
        [fragment(name, args, { index, id })],
      ]),
  },
  'an empty object as the opening': {
    deltas: (list) =>
      list.flatMap(({ id, name, pieces }, index) => [
        [fragment(name, '{}', { index, id })],
        ...pieces.map((piece) => [fragment(null, piece, { index })]),
      ]),
  },
  'arguments as an object': {
    deltas: (list) => list.map(({ id, name, args }, index) => [fragment(name, JSON.parse(args), { index, id })]),
  },
  'an object in place of the list': {
    deltas: (list) => byTheBook(list).map((delta) => (delta as unknown[])[0]),
  },
  'an object of calls by number': {
    deltas: (list) => [
      Object.fromEntries(list.map(({ id, name, args }, index) => [String(index), fragment(name, args, { id })])),
    ],
  },
  'name and arguments on the call itself': {
    deltas: (list) =>
      onePerDelta(list, ({ id, name }, piece, at, index) => ({
        index,
        arguments: piece,
        ...(at === 0 ? { id, name } : {}),
      })),
  },
};

function messageOf(deltas: Record<string, unknown>[]): CompletionMessage {
  const builder = new CompletionBuilder();
  for (const delta of deltas) builder.add(deltaChunk(delta));
  return builder.build()?.choices[0]?.message as CompletionMessage;
}

function said(message: CompletionMessage, hasIds: boolean): unknown[] {
  return ((message.tool_calls ?? []) as FunctionToolCall[]).map(({ id, function: called }) => ({
    ...(hasIds ? { id } : {}),
    name: called.name,
    args: JSON.parse(called.arguments) as unknown,
  }));
}

const expected = (list: Call[], hasIds: boolean): unknown[] =>
  list.map(({ id, name, args }) => ({ ...(hasIds ? { id } : {}), name, args: JSON.parse(args) as unknown }));

describe("calls come out whole, whatever the provider's habit and however their arguments are cut", () => {
  test.each(Object.keys(habits))('%s', (name) => {
    const { deltas, ids = true, different = false } = habits[name] as (typeof habits)[string];
    fc.assert(
      fc.property(different ? differentCalls : calls, (list) => {
        const message = messageOf(deltas(list).map((toolCalls) => ({ tool_calls: toolCalls })));
        expect(said(message, ids)).toEqual(expected(list, ids));
      }),
      { seed, numRuns: 200 },
    );
  });

  test.each(['in pieces', 'cumulative', 'in pieces, and whole again at the end', 'as an object'])(
    'the older function_call, %s',
    (how) => {
      fc.assert(
        fc.property(calls, ([call]) => {
          const { name, args, pieces } = call as Call;
          const given: Record<string, unknown[]> = {
            'in pieces': pieces,
            cumulative: pieces.map((_piece, at) => soFar(call as Call, at)),
            'in pieces, and whole again at the end': [...pieces, args],
            'as an object': [JSON.parse(args)],
          };
          const message = messageOf(
            (given[how] as unknown[]).map((piece, at) => ({
              function_call: { ...(at === 0 ? { name } : {}), arguments: piece },
            })),
          );
          expect(message.function_call?.name).toBe(name);
          expect(JSON.parse(message.function_call?.arguments ?? '')).toEqual(JSON.parse(args));
          expect(message).not.toHaveProperty('tool_calls');
        }),
        { seed, numRuns: 200 },
      );
    },
  );
});

describe('calls on which two readings remain', () => {
  const callsOf = (...fragments: unknown[]): unknown[] =>
    said(messageOf(fragments.map((each) => ({ tool_calls: [each] }))), true);
  const raw = (...fragments: unknown[]): unknown[] =>
    ((messageOf(fragments.map((each) => ({ tool_calls: [each] }))).tool_calls ?? []) as FunctionToolCall[]).map(
      ({ id, function: called }) => [id, called.name, called.arguments],
    );

  test('a piece that might be the whole again is what makes the arguments JSON', () => {
    const nested = [
      fragment('f', '{"a":', { index: 0, id: 'x' }),
      fragment(null, '{"a":', { index: 0 }),
      fragment(null, '1', { index: 0 }),
    ];
    expect(callsOf(...nested, fragment(null, '}}', { index: 0 }))).toEqual([
      { id: 'x', name: 'f', args: { a: { a: 1 } } },
    ]);
    expect(callsOf(...nested, fragment(null, '}', { index: 0 }))).toEqual([{ id: 'x', name: 'f', args: { a: 1 } }]);
  });

  test('what seemed to be a call again and goes on in another way is another call', () => {
    expect(
      raw(
        fragment('f', '{"a":1,"b":2}', { index: 0 }),
        fragment('f', '{"a":1,', { index: 0 }),
        fragment(null, '"b":', { index: 0 }),
        fragment(null, '3}', { index: 0 }),
      ),
    ).toEqual([
      [null, 'f', '{"a":1,"b":2}'],
      [null, 'f', '{"a":1,"b":3}'],
    ]);
  });

  test('white space in what seemed to be a call again is a part of the other call', () => {
    const pieces = ['{"', ' ', '":[]}'].map((piece, at) => fragment(first(at, 'f'), piece, { index: 0 }));
    expect(raw(fragment('f', '{"":{}}', { index: 0 }), ...pieces)).toEqual([
      [null, 'f', '{"":{}}'],
      [null, 'f', '{" ":[]}'],
    ]);
  });

  test('a call that is whole in one reading goes on in the other, with whatever id', () => {
    const pieces = ['{"{}":', '{"{}":null}', ',"b":null}'];
    const args = { '{}': { '{}': null }, b: null };
    expect(
      said(
        messageOf(pieces.map((piece, at) => ({ tool_calls: [fragment('f', piece, { index: 0, id: `x${at}` })] }))),
        false,
      ),
    ).toEqual([{ name: 'f', args }]);
    const elsewhere = pieces.map((piece) => fragment(null, piece, { index: 1 }));
    expect(callsOf(fragment('f', '', { index: 0, id: 'x' }), ...elsewhere)).toEqual([{ id: 'x', name: 'f', args }]);
  });

  test('the whole after pieces of which one begins like those before it', () => {
    const whole = '{"[":{"[":null,"{}":" "},"b":[]}';
    const given = ['{"[":', '{"[":null,"{}":', whole].map((piece) => fragment('f', piece, { index: 0, id: 'x' }));
    expect(raw(...given)).toEqual([['x', 'f', whole]]);
  });

  test('a new id with a name is another call, although it says the same', () => {
    expect(
      raw(fragment('roll', '{"d":6}', { index: 0, id: 'a' }), fragment('roll', '{"d":6}', { index: 0, id: 'b' })),
    ).toEqual([
      ['a', 'roll', '{"d":6}'],
      ['b', 'roll', '{"d":6}'],
    ]);
  });

  test('one id for two calls is worth nothing', () => {
    expect(
      raw(
        fragment('add', '', { index: 0, id: 'call' }),
        fragment('mul', '', { index: 1, id: 'call' }),
        fragment(null, '{"a":1}', { index: 0, id: 'call' }),
        fragment(null, '{"b":2}', { index: 1, id: 'call' }),
      ),
    ).toEqual([
      ['call', 'add', '{"a":1}'],
      ['call', 'mul', '{"b":2}'],
    ]);
  });

  test('what fits nowhere is kept, and glued to nothing', () => {
    expect(raw(fragment('f', '{"a":1}', { index: 0, id: 'x' }), fragment(null, '{"b":2}', { index: 0 }))).toEqual([
      ['x', 'f', '{"a":1}'],
      [null, null, '{"b":2}'],
    ]);
    expect(raw(fragment('f', '{"a":', { index: 0, id: 'x' }), fragment('g', '{"b":2}', { index: 0, id: 'y' }))).toEqual(
      [
        ['x', 'f', '{"a":'],
        ['y', 'g', '{"b":2}'],
      ],
    );
  });

  test('arguments in objects that grow, or that come one by one, are one', () => {
    const grown = [{ a: 1 }, { a: 1, b: 'x' }, { a: 1, b: 'xy' }];
    expect(callsOf(...grown.map((args, at) => fragment(first(at, 'f'), args, { index: 0, id: 'x' })))).toEqual([
      { id: 'x', name: 'f', args: { a: 1, b: 'xy' } },
    ]);
    expect(callsOf(fragment('f', { a: 1 }, { index: 0, id: 'x' }), fragment(null, { b: 2 }, { index: 0 }))).toEqual([
      { id: 'x', name: 'f', args: { a: 1, b: 2 } },
    ]);
  });

  test('a second function_call is a call of its own', () => {
    const message = messageOf([
      { function_call: { name: 'f', arguments: '{"a":1}' } },
      { function_call: { name: 'g', arguments: '{"b":2}' } },
    ]);
    expect(message.function_call).toEqual({ name: 'f', arguments: '{"a":1}' });
    expect(message.tool_calls).toEqual([{ id: null, type: 'function', function: { name: 'g', arguments: '{"b":2}' } }]);
  });
});

describe('the work', () => {
  test('grows with the arguments, and not with their square', () => {
    const open = (at: number): unknown => fragment(first(at, 'f'), at === 0 ? '{"a":"' : 'xy', { index: 0 });
    const long = `{"a":"${'x'.repeat(200_000)}"}`;
    const again = (at: number): unknown => fragment('f', at === 0 ? long : '{"a":"x', { index: 0, id: 'a' });
    for (const make of [open, again]) {
      const [opening, more] = [0, 1].map((at) => deltaChunk({ tool_calls: [make(at)] })) as [
        ChatCompletionChunk,
        ChatCompletionChunk,
      ];
      // CPU time, and the better of three: the machine may be busy.
      const cost = (pieces: number): number => {
        const costs = [1, 2, 3].map(() => {
          const builder = new CompletionBuilder();
          const begun = process.cpuUsage();
          builder.add(opening);
          for (let at = 1; at < pieces; at += 1) builder.add(more);
          builder.build();
          return process.cpuUsage(begun).user;
        });
        return Math.min(...costs);
      };
      cost(5_000);
      // Were it the square, it would be 64 times as much.
      expect(cost(80_000) / cost(10_000)).toBeLessThan(30);
    }
  });
});
