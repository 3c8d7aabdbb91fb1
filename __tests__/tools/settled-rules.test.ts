import { describe, expect, test } from '@jest/globals';
import type { Setting } from '../../src/config/settings.ts';
import { decide } from '../../src/tools/rules.ts';
import { settledRules } from '../../src/tools/settled-rules.ts';

const flag = (value: string): Setting<string> => ({ value, origin: { from: 'flag', name: '--allow' } });
const inFile = (value: string): Setting<string> => ({
  value,
  origin: { from: 'user file', file: '/home/ada/config.json', profile: null },
});

describe('the rules of the settings', () => {
  test('decide', () => {
    const rules = settledRules({ allow: [flag('git log *'), inFile('mcp:a/*')], deny: [inFile('* push')] });
    expect(decide(rules, { kind: 'command', argv: ['git', 'log'] }).decision).toBe('allow');
    expect(decide(rules, { kind: 'command', argv: ['git', 'push'] }).decision).toBe('deny');
    expect(decide(rules, { kind: 'mcp', server: 'a', tool: 'b' }).decision).toBe('allow');
  });

  test.each([
    [{ allow: [flag('ls; rm')], deny: [] }, 'usage', '--allow: the rule "ls; rm" holds ;, and there is no shell'],
    [
      { allow: [inFile('sh *')], deny: [] },
      'config_invalid',
      '/home/ada/config.json: tools.allow: the rule "sh *" would',
    ],
    [{ allow: [], deny: [inFile('a | b')] }, 'config_invalid', '/home/ada/config.json: tools.deny: the rule "a | b" '],
  ])('that are none say where they stand', (tools, code, message) => {
    expect(() => settledRules(tools)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });
});
