/** The one style sheet of a page, which its policy names by its hash. System fonts: a page loads nothing. */
export const pageStyle = `
:root{--back:#fff;--front:#1f2328;--dim:#59636e;--line:#d1d9e0;--soft:#f6f8fa;--link:#0550ae;--note:#9a1c13;--note-back:#fff1ef;--magenta:#8250df;--green:#116329;--yellow:#7d4e00;--blue:#0550ae;--cyan:#0a6570;--red:#b3261e}
@media (prefers-color-scheme:dark){:root{--back:#0d1117;--front:#e6edf3;--dim:#9da7b3;--line:#30363d;--soft:#161b22;--link:#79b8ff;--note:#ffb3ab;--note-back:#2d1513;--magenta:#d2a8ff;--green:#7ee787;--yellow:#e3b341;--blue:#79c0ff;--cyan:#76e3ea;--red:#ff9b93}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{margin:0 auto;max-width:50rem;padding:1rem;background:var(--back);color:var(--front);font:1rem/1.6 system-ui,-apple-system,"Segoe UI",sans-serif;overflow-wrap:anywhere}
h1{font-size:1.5rem;line-height:1.3;margin:.5rem 0}
h2{font-size:.85rem;font-weight:600;color:var(--dim);border-top:1px solid var(--line);padding-top:1rem;margin:2rem 0 .75rem}
h2 time{font-weight:400;margin-inline-start:.5em}
h3{font-size:1.25rem}h4{font-size:1.1rem}h5,h6{font-size:1rem}
h3,h4,h5,h6{line-height:1.3;margin:1.25rem 0 .5rem}
.facts,.receipt,.who,footer,figcaption,.named,.target{color:var(--dim);font-size:.85rem}
.who{margin:.5rem 0 .25rem;font-weight:600}
p{margin:.5rem 0}
.text p,.text li,.text td,.text th,.text h3,.text h4,.text h5,.text h6{white-space:pre-line}
.text .raw{white-space:pre-wrap}
.plain{white-space:pre-wrap;max-height:30rem;overflow-y:auto}
.prompt{background:var(--soft);border-radius:.5rem;padding:.25rem .9rem .6rem;margin:.5rem 0}
.note{color:var(--note);background:var(--note-back);border-inline-start:.25rem solid var(--note);padding:.4rem .75rem}
a{color:var(--link)}
ul,ol{padding-inline-start:1.6rem;margin:.5rem 0}
.task{list-style:none}.task>.box+p{display:inline}.task .box{margin-inline-start:-1.4rem}
blockquote{margin:.5rem 0;padding-inline-start:1rem;border-inline-start:.25rem solid var(--line)}
hr{border:0;border-top:1px solid var(--line);margin:1.5rem 0}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.875rem}
:not(pre)>code{background:var(--soft);border-radius:.25rem;padding:.1em .3em}
pre{background:var(--soft);border:1px solid var(--line);border-radius:.5rem;padding:.75rem;margin:.5rem 0;overflow-x:auto;overflow-wrap:normal;line-height:1.45;tab-size:4}
figure{margin:.75rem 0}
.code figcaption{margin-bottom:-.25rem}
img,audio{max-width:100%;height:auto}
audio{width:100%;height:2.5rem}
.table{overflow-x:auto;margin:.5rem 0}
table{border-collapse:collapse;overflow-wrap:normal}
th,td{border:1px solid var(--line);padding:.3rem .6rem;text-align:start;vertical-align:top}
.center{text-align:center}.right{text-align:right}.left{text-align:left}
details{border:1px solid var(--line);border-radius:.5rem;padding:.4rem .75rem;margin:.5rem 0}
summary{cursor:pointer;font-size:.9rem}
body.comparison{max-width:100rem}
.compared{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:0 1.5rem}
.compared>article{min-width:0}
footer{border-top:1px solid var(--line);margin-top:2rem}
.bold{font-weight:600}.dim{color:var(--dim)}.magenta{color:var(--magenta)}.green{color:var(--green)}.yellow{color:var(--yellow)}.blue{color:var(--blue)}.cyan{color:var(--cyan)}.red{color:var(--red)}
@media print{.compared{display:block}:root{--back:#fff;--front:#000;--dim:#444;--line:#bbb;--soft:#fff;--link:#000;--note:#7a0b04;--note-back:#fff;--magenta:#5a2ea6;--green:#0b4a1d;--yellow:#5c3a00;--blue:#043d82;--cyan:#074b53;--red:#8c1d17}body{max-width:none;padding:0;font-size:10.5pt}.plain{max-height:none;overflow:visible}.prompt{border:1px solid var(--line)}pre{white-space:pre-wrap;overflow-wrap:anywhere}.table{overflow:visible}h2,h3,h4,h5,h6,summary,.who,figcaption{break-after:avoid}img,tr,.note{break-inside:avoid}details::details-content{content-visibility:visible;display:block}}
`;
