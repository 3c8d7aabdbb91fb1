import { describe, expect, test } from '@jest/globals';
import { UsageError } from '../../src/outcome/errors.ts';
import { decide, parseRule, type Rules, ruleOf } from '../../src/tools/rules.ts';
import type { ToolSubject } from '../../src/tools/tool.ts';
import { hostileCommands, usualCommands, usualRules } from './hostile-commands.ts';

const rules = (allow: readonly string[], deny: readonly string[] = []): Rules => ({
  allow: allow.map((rule) => parseRule(rule)),
  deny: deny.map((rule) => parseRule(rule, 'deny')),
});
const command = (...argv: readonly unknown[]): ToolSubject => ({ kind: 'command', argv: argv as string[] });
const said = (allow: readonly string[], deny: readonly string[], argv: readonly unknown[]): string =>
  decide(rules(allow, deny), command(...argv)).decision;

describe('usual rules', () => {
  const usual = rules(usualRules);

  test('let none of the hostile commands run', () => {
    const allowed = hostileCommands.flatMap(([argv, why]) => {
      const { decision, rule } = decide(usual, command(...argv));
      return decision === 'ask' ? [] : [`${JSON.stringify(argv)} by ${rule}: ${why}`];
    });
    expect(allowed).toEqual([]);
    expect(hostileCommands.length).toBeGreaterThan(150);
  });

  test('let what they are for run', () => {
    expect(usualCommands.filter((argv) => decide(usual, command(...argv)).decision !== 'allow')).toEqual([]);
  });
});

describe('a rule for commands', () => {
  const git = ['git log *'];

  test.each<[string, readonly string[], readonly unknown[], string]>([
    ['no further word', git, ['git', 'log'], 'allow'],
    ['any number of words', git, ['git', 'log', 'a', 'b', 'c'], 'allow'],
    ['ten thousand words', git, ['git', 'log', ...Array.from({ length: 10_000 }, (_, at) => `a${at}`)], 'allow'],
    [
      'ten thousand words and an option',
      git,
      ['git', 'log', ...Array.from({ length: 10_000 }, () => 'a'), '--output=x'],
      'ask',
    ],
    ['ten thousand operands of uniq', ['uniq *'], ['uniq', ...Array.from({ length: 10_000 }, () => 'a')], 'ask'],
    ['a word of a million characters', ['cat a*b*c*d'], ['cat', 'abc'.repeat(400_000)], 'ask'],
    ['an empty word', git, ['git', 'log', ''], 'ask'],
    ['a NUL', git, ['git', 'log', 'a\0b'], 'ask'],
    ['a NUL that the rule can not have', ['cat a*'], ['cat', 'a\0'], 'ask'],
    ['a line end', git, ['git', 'log', 'a\nb'], 'ask'],
    ['an escape', git, ['git', 'log', '\u001b[2J'], 'ask'],
    ['a bidi override', git, ['git', 'log', '\u202etuptuo--'], 'ask'],
    ['half a character', git, ['git', 'log', '\ud800'], 'ask'],
    ['a number', git, ['git', 'log', 5], 'ask'],
    ['null', git, ['git', 'log', null], 'ask'],
    ['a list', git, ['git', ['log'], 'x'], 'ask'],
    ['a list in place of a program', git, [['git'], 'log'], 'ask'],
    ['an object that says a word', git, ['git', { toString: () => 'log' }], 'ask'],
    ['one dash, which is standard input', ['cat *'], ['cat', '-'], 'allow'],
    ['a * inside of a word', ['cat docs/*.md'], ['cat', 'docs/a/b.md'], 'allow'],
    ['a * inside of a word, and another end', ['cat docs/*.md'], ['cat', 'docs/a.mdx'], 'ask'],
    ['pieces that would overlap', ['cat ab*ba'], ['cat', 'aba'], 'ask'],
    ['a * in the middle', ['cargo * --locked'], ['cargo', 'test', '--locked'], 'ask'],
    ['a * in the middle of what is known', ['git * HEAD'], ['git', 'show', 'HEAD'], 'allow'],
    ['a * for a subcommand that is not known', ['git *'], ['git', 'push'], 'ask'],
    ['a * for a subcommand that is', ['git *'], ['git', 'log', '--oneline'], 'allow'],
    ['a * for two words of a subcommand', ['git *'], ['git', 'stash', 'list'], 'allow'],
    ['a * for a subcommand that writes', ['git *'], ['git', 'stash', 'drop'], 'ask'],
    ['a * for an option before the subcommand', ['git *'], ['git', '-c', 'alias.x=!sh', 'log'], 'ask'],
    ['part of a subcommand', ['git s*'], ['git', 'submodule'], 'ask'],
    ['a * for a script of npm', ['npm *'], ['npm', 'run', 'x'], 'ask'],
    ['a subcommand that the rule names', ['git push *'], ['git', 'push', 'origin'], 'allow'],
    ['what it makes named in the rule', ['git branch topic *'], ['git', 'branch', 'topic', 'HEAD~1'], 'allow'],
    ['a glob of names', ['git branch topic/*'], ['git', 'branch', 'topic/a'], 'allow'],
    ['an option that the rule names', ['find . -delete'], ['find', '.', '-delete'], 'allow'],
    ['a risky option that the rule names', ['sort -o out *'], ['sort', '-o', 'out', 'a'], 'allow'],
    ['the same option again', ['sort -o out *'], ['sort', '-o', 'out', 'a', '-o', 'b'], 'ask'],
    ['an option with a glob', ['npm test --reporter=*'], ['npm', 'test', '--reporter=dot'], 'allow'],
    [
      'an option with a glob at another place',
      ['npm test --reporter=* *'],
      ['npm', 'test', '--reporter=dot', '--reporter=min'],
      'allow',
    ],
    ['another option', ['npm test --reporter=* *'], ['npm', 'test', '--reporter=dot', '--x'], 'ask'],
    ['the end of the options in a glob', ['yq -* *'], ['yq', '--'], 'ask'],
    ['a quoted star', ["echo '*' *"], ['echo', 'a'], 'ask'],
    ['a quoted star, written', ["echo '*' *"], ['echo', '*', 'a'], 'allow'],
    ['an escaped star', ['echo \\*'], ['echo', '*'], 'allow'],
    ['quotes inside of a word', ['echo a"b c"d'], ['echo', 'ab cd'], 'allow'],
    ['an empty word in the rule', ["echo ''"], ['echo', ''], 'allow'],
    ['an escaped quote', ['echo "a\\"b"'], ['echo', 'a"b'], 'allow'],
    ['shell syntax in quotes', ["echo 'a;b$(c)'"], ['echo', 'a;b$(c)'], 'allow'],
    ['a path to a program', ['/usr/bin/git log *'], ['/usr/bin/git', 'log', '-5'], 'allow'],
    ['a program by another path', ['/usr/bin/git log *'], ['git', 'log', '-5'], 'ask'],
    ['one of two rules', ['ls', 'pwd'], ['pwd'], 'allow'],
    ['no rule', [], ['ls'], 'ask'],
  ])('%s', (_, allow, argv, decision) => {
    expect(said(allow, [], argv)).toBe(decision);
  });

  test('is not given to what has no command', () => {
    const all = rules(['git log *', 'mcp:*/*'], ['mcp:x/*', '*']);
    expect(decide(all, { kind: 'caller' })).toEqual({ decision: 'ask', rule: null });
    expect(decide(rules(['mcp:*/*']), command('mcp:a/b')).decision).toBe('ask');
    expect(decide(rules(['ls *']), { kind: 'mcp', server: 'ls', tool: 'x' }).decision).toBe('ask');
  });

  test('is named where it decides, and denying goes first', () => {
    expect(decide(rules([' git  log * ']), command('git', 'log'))).toEqual({ decision: 'allow', rule: 'git  log *' });
    expect(decide(rules(['git log *'], ['git']), command('git', 'log'))).toEqual({ decision: 'deny', rule: 'git' });
  });

  test.each([
    ['', 'is empty'],
    ['git log; rm -rf .', 'there is no shell'],
    ['git log && ls', 'there is no shell'],
    ['git log | head', 'there is no shell'],
    ['git log > x', 'there is no shell'],
    ['git log < x', 'there is no shell'],
    ['git log $(x)', 'there is no shell'],
    ['git log `x`', 'there is no shell'],
    ['echo $HOME', 'there is no shell'],
    ['echo "$HOME"', 'there is no shell'],
    ['(git log)', 'there is no shell'],
    ['git log\nrm', 'holds U+000A'],
    ['git\u00a0log', 'holds U+00A0'],
    ['git\u200b log', 'holds U+200B'],
    ["echo 'a\nb'", 'a control character'],
    ['A=b git log', 'begins with a variable'],
    ["echo 'a", "has no second '"],
    ['echo a\\', 'ends with a \\'],
    ['ls ?', '? is not expanded'],
    ['ls [ab]', '[ is not expanded'],
    ['ls ~/x', '~ is not expanded'],
    ["'' log", 'names no program'],
    ['*', 'must name its program'],
    ['* log', 'must name its program'],
    ['g*t log', 'must name its program'],
    ...[
      'sh -c *',
      'bash *',
      '/bin/bash *',
      'python3.11 *',
      'python -c *',
      'node -*',
      'node -e *',
      'env *',
      'env A=b *',
    ].map((rule) => [rule, 'would allow every program']),
    ...[
      'sudo -u bob *',
      'xargs *',
      'timeout 60 *',
      'nice -n 5 *',
      'awk *',
      'sed *',
      'sed -n *',
      'sed -i *',
      'perl -e *',
    ].map((rule) => [rule, 'would allow every program']),
    ...[
      'ssh host *',
      'ssh host uptime *',
      'watch ls *',
      'npx *',
      'tar *',
      'flock x *',
      'sh ../*',
      'sh /*',
      'eval ls *',
    ].map((rule) => [rule, 'would allow every program']),
    ['mcp:github', 'must be mcp:SERVER/TOOL'],
    ['mcp:/x', 'must be mcp:SERVER/TOOL'],
    ['mcp:x/', 'must be mcp:SERVER/TOOL'],
    ['mcp:a/b c', 'must be mcp:SERVER/TOOL'],
  ])('%j is refused', (rule, why) => {
    expect(() => parseRule(rule)).toThrow(UsageError);
    expect(() => parseRule(rule)).toThrow(why);
  });

  test.each([
    ['python scripts/lint.py *', 'python -m pytest *', 'python -u scripts/x.py *', 'bash scripts/*', 'bash ./check *'],
    [
      "awk '{print $1}' *",
      'sed -n 5d *',
      'timeout 60 git log *',
      'nice -n 5 git log *',
      'env A=b git log *',
      'ssh host uptime',
    ],
    ['npx prettier *', 'git stash@{0}', 'git show HEAD^ HEAD~1', 'node --test test/*', 'tar tf *', 'xargs grep x *'],
  ])('%s and the like are rules', (...texts) => {
    for (const text of texts) expect(parseRule(text).text).toBe(text);
  });
});

describe('a rule for a server of the proxy', () => {
  test.each([
    ['mcp:github/get_issue', 'github', 'get_issue', 'allow'],
    ['mcp:github/get_issue', 'github', 'get_issues', 'ask'],
    ['mcp:github/get_*', 'github', 'get_issue', 'allow'],
    ['mcp:github/get_*', 'github', 'forget_issue', 'ask'],
    ['mcp:git*/*', 'gitlab', 'x', 'allow'],
    ['mcp:*/list', 'x', 'list', 'allow'],
    ['mcp:github/*', 'GitHub', 'x', 'ask'],
    ['mcp:github/*', 'github-evil', 'x', 'ask'],
    ['mcp:github/a.b', 'github', 'axb', 'ask'],
    ['mcp:a/*', 'a/b', 'c', 'ask'],
  ])('%s on %s/%s: %s', (rule, server, tool, decision) => {
    expect(decide(rules([rule]), { kind: 'mcp', server, tool }).decision).toBe(decision);
  });

  test.each([
    ['mcp:github/*', 'GitHub', 'x'],
    ['mcp:github/delete_*', 'github', 'Delete_repo'],
    ['mcp:*/*', 'a', 'b'],
    ['mcp:github/x', 'ｇithub', 'x'],
  ])('denying, %s matches %s/%s', (rule, server, tool) => {
    expect(decide(rules(['mcp:*/*'], [rule]), { kind: 'mcp', server, tool }).decision).toBe('deny');
  });
});

describe('a rule that denies', () => {
  test.each<[string, readonly string[]]>([
    ['git push', ['git', 'push']],
    ['git push', ['git', 'push', 'origin', 'main']],
    ['git push *', ['git', 'push']],
    ['git push', ['git', '-C', 'x', 'push']],
    ['git push', ['/usr/bin/git', 'push']],
    ['git push', ['GIT', 'Push']],
    ['git push', ['git.exe', 'push']],
    ['git push', ['C:\\Git\\bin\\git.exe', 'push']],
    ['git push', ['env', 'A=b', 'git', 'push']],
    ['git push', ['sudo', '-u', 'bob', 'git', 'push']],
    ['git push', ['sh', '-c', 'cd x && git push']],
    ['git push', ['sh', '-c', 'git    push;']],
    ['git push', ['sh', '-c', 'g\'i\'t pu"s"h']],
    ['git push', ['sh', '-c', '(git push)']],
    ['git push', ['ｇｉｔ', 'push']],
    ['git push', ['git\u200b', 'push']],
    ['git push', ['xargs', '--cmd=git', 'push']],
    ['git push --force', ['git', 'push', 'origin', '--force']],
    ['git push --force', ['git', '--force', 'push']],
    ['git push --force', ['git', 'push', '--forc']],
    ['git push --force', ['git', 'push', '--FORCE']],
    ['git push --force', ['git', 'push', '--force=yes']],
    ['git push --f*', ['git', 'push', '--force']],
    ['rm -rf', ['rm', '-fr', 'x']],
    ['rm -rf', ['rm', '-r', '-f', 'x']],
    ['rm -rf', ['rm', 'x', '-vrf']],
    ['rm', ['rm', 'x']],
    ['/bin/rm', ['rm', 'x']],
    ['find -delete', ['find', '.', '-name', 'x', '-delete']],
    ['cat secrets/*', ['cat', './secrets/key']],
    ['cat secrets/*', ['cat', '/repo/secrets//./key']],
    ['cat *.pem', ['cat', 'x/y.PEM']],
    ['*', ['ls']],
    ['* push', ['git', 'push']],
    ['npm publish', ['npm', 'run', 'x', '--', 'publish']],
    ['sh', ['sh', '-c', 'x']],
    ['curl', ['git', '-c', 'core.pager=curl x', 'log']],
  ])('%s matches %j', (rule, argv) => {
    expect(said([], [rule], argv)).toBe('deny');
  });

  test.each<[string, readonly string[]]>([
    ['git push', ['git', 'log']],
    ['git push', ['git', 'pushed']],
    ['git push --force', ['git', 'push']],
    ['git push --force', ['git', 'push', '--']],
    ['git branch -D', ['git', 'branch', '-d', 'x']],
    ['rm -rf', ['rm', '-r', 'x']],
    ['cat secrets/*', ['cat', 'docs/a']],
    ['rm', ['grep', 'rmdir']],
  ])('%s does not match %j', (rule, argv) => {
    expect(said([], [rule], argv)).toBe('ask');
  });

  test('is quick over ten thousand words, and over one of a million characters', () => {
    const deny = ['git push', 'rm -rf', 'a b c d e', 'cat x/*/y/*/z', 'x --long'];
    expect(said([], deny, ['git', ...Array.from({ length: 10_000 }, () => '-x')])).toBe('ask');
    expect(said([], deny, ['sh', '-c', 'git '.repeat(250_000)])).toBe('ask');
    expect(said([], deny, ['cat', 'x/y/'.repeat(250_000)])).toBe('ask');
  });
});

describe('a rule for one thing alone', () => {
  test.each<[readonly string[], string]>([
    [['git', 'log', '-5'], 'git log -5'],
    [['sh', '-c', 'a; b'], "sh -c 'a; b'"],
    [['echo', '*', "it's", ''], "echo '*' 'it'\\''s' ''"],
  ])('%j', (argv, text) => {
    const rule = ruleOf({ kind: 'command', argv });
    expect(rule.text).toBe(text);
    const only = { allow: [rule], deny: [] };
    expect(decide(only, command(...argv)).decision).toBe('allow');
    expect(decide(only, command(...argv, 'x')).decision).toBe('ask');
    expect(decide(only, command(...argv.slice(0, -1), 'x')).decision).toBe('ask');
  });

  test('that holds a * matches itself', () => {
    const rule = ruleOf({ kind: 'mcp', server: 'a', tool: '*' });
    expect(decide({ allow: [rule], deny: [] }, { kind: 'mcp', server: 'a', tool: 'b' }).decision).toBe('ask');
  });
});
