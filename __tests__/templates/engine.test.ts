import { expect, test } from '@jest/globals';
import { render } from '../../src/templates/engine.ts';

const place = { name: 'x.md', line: 1 };
const values = {
  name: 'Ann',
  n: 3,
  list: ['b', 'a'],
  text: 'a\nab',
  map: { k: 'v' },
  yes: true,
  none_: null,
};

/** What Python's jinja2 3.1.6, with StrictUndefined, makes of the same template and values. */
const cases: readonly (readonly [string, string])[] = [
  ['Hello {{ name }}!', 'Hello Ann!'],
  ['{{ name | upper }}/{{ name|lower }}/{{ name|title }}', 'ANN/ann/Ann'],
  ['{% if n > 2 %}many{% elif n == 2 %}two{% else %}few{% endif %}', 'many'],
  ['{% for x in list %}{{ loop.index }}:{{ x }}{% if not loop.last %}, {% endif %}{% endfor %}', '1:b, 2:a'],
  ["{{ list | join(' and ') }}", 'b and a'],
  ['{%- set a = 1 -%}\n  {{ a + n }}\n', '4'],
  ['a\n{% if true %}\nb\n{% endif %}\nc\n', 'a\n\nb\n\nc'],
  ['  {%- if true %} x {%- endif %}  y', ' x  y'],
  ["{{ missing | default('none given') }}", 'none given'],
  ['{% if missing is defined %}a{% else %}b{% endif %}', 'b'],
  ['{{ text | indent(2) }}', 'a\n  ab'],
  ["{{ text | replace('a', 'b') }}", 'b\nbb'],
  ["{{ list | length }} {{ list[0] }} {{ list[-1] }} {{ map.k }} {{ map['k'] }}", '2 b a v v'],
  ['{# nothing #}x', 'x'],
  ['{% raw %}{{ x }}{% endraw %}', '{{ x }}'],
  ["{{ '%s' ~ n }} {{ n * 2 }} {{ n / 2 }} {{ 7 // 2 }} {{ 7 % 2 }} {{ 2 ** 3 }}", '%s3 6 1.5 3 1 8'],
  ["{{ name.upper() }} {{ text.split('\\n')[1] }}", 'ANN ab'],
  ['{{ list | sort | first }}', 'a'],
  ['{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(n) }}', '[3]'],
  ["{{ name if n > 2 else 'x' }}", 'Ann'],
  ["{{ '<b>' }} {{ name | e }}", '<b> Ann'],
  ["{{ list | map('upper') | join }}", 'BA'],
  ["{{ name | trim }}{{ ' x ' | trim }}", 'Annx'],
  ['{% for k, v in map | items %}{{ k }}={{ v }}{% endfor %}', 'k=v'],
];

test.each(cases)('renders as jinja2 does: %j', (source, expected) => {
  expect(render(source, values, place)).toBe(expected);
});

// Python writes `True`, `None` and lists in quotes of its own; a prompt has them as JSON does.
test.each([
  ['{{ yes }} {{ none_ }}', 'true none'],
  ['{{ list }}', '["b", "a"]'],
])('writes what is no text otherwise than jinja2: %s', (source, expected) => {
  expect(render(source, values, place)).toBe(expected);
});

test.each([
  ['{{ map | json }}', '{"k":"v"}'],
  ['{{ "<" | json }}', '"<"'],
  ['{{ list | json(1) }}', '[\n "b",\n "a"\n]'],
])('has a filter for JSON as it is: %s', (source, expected) => {
  expect(render(source, values, place)).toBe(expected);
});

test('names the line of the file where a variable has no value', () => {
  expect(() => render('a\n\n{{ nobody }}', values, { name: 'x.md', line: 5 })).toThrow(
    'x.md:7: names a variable that has no value',
  );
});
