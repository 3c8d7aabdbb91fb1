/** Texts whose columns terminals agree on, and how many those are. */
export const agreedWidths: readonly (readonly [text: string, columns: number])[] = [
  ['plain words', 11],
  ['naïve Ελλάδα Привет', 19],
  ['e\u0301 o\u0308', 3],
  ['漢字かな交じり。', 16],
  ['「全角」ＡＢ', 12],
  ['ｶﾞ', 2],
  ['한국어', 6],
  ['각', 2],
  ['กำลังทำ', 6],
  ['ຄຳ', 2],
  ['हिन्दी में', 7],
  ['தமிழ்', 4],
  ['שלום', 4],
  ['مرحبا', 5],
  ['🎉🚀', 4],
  ['🇩🇪🇫🇷', 4],
  ['a\tb', 9],
  ['漢\tb', 9],
  ['a\u200bb', 2],
];

/** Texts that terminals differ on: emoji joined of several, or widened by a selector. */
export const differingWidths: readonly string[] = ['👩‍👩‍👧', '🏳️‍🌈', '❤️', '☂️', '1️⃣', '#⃣', '👍🏽', '👨🏿‍🔬'];

/** What a reply may hold, and what it could be torn in the middle of: all scripts, formulas, code, addresses. */
export const replyPieces: readonly string[] = [
  '# Title\n\n',
  'a paragraph of **some** words that is long enough to be wrapped on the terminal, twice at least. ',
  'Name: A\nAge: 3\n',
  '\n',
  '\n\n',
  '```go\nfunc main() {\n\tfor {\n\t\tif err := json.NewEncoder(w).Encode(item.Name, options); err != nil { // 漢字\n\t\t}\n\t}\n}\n```\n',
  '```\n漢\t👩‍👩‍👧\t❤️\tend of a line of code that is longer than the terminal is wide\n```\n',
  '漢字かな交じり文の段落です。**注意，**正文と**「術語」**の説明。',
  'กำลังทำการทดสอบข้อความภาษาไทยที่ไม่มีช่องว่าง ',
  'हिन्दी में **कुछ** शब्द जो लंबे हैं ',
  '한국어 문장 각 ',
  '👩‍👩‍👧👨🏿‍🔬🏳️‍🌈❤️1️⃣🇩🇪👍🏽 ',
  '- an item with กำ and 👩‍👩‍👧 in it\n',
  '  - nested हिन्दी https://example.com/a/long/path/that/no/line/holds/at/forty/columns\n',
  '1. first\n\n   ```make\n   all:\n   \tcc\t-o 漢 main.c\n   ```\n',
  '> a quote of 漢字 and \\(x^2\\)\n',
  '| a | 漢字 |\n|---|---|\n| กำ | 👩‍👩‍👧 and words |\n| https://example.com/x | ❤️ |\n\n',
  '$$\n- a \\\\\n= b_1 * c_2 * d\n$$\n',
  'so $a*b*c$ costs $5 and $10, ~5min~10min ~~gone~~ ',
  '\\[ \\frac{a}{b} \\]\n',
  'see https://git.example.com/group/project/-/merge_requests/12345?tab=changes#note_98765，然后**粗体** ',
  '`code` *em* _x_ \\* &amp; <br> [link](http://x.y/漢字) ',
];
