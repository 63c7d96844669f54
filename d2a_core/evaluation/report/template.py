"""The page of the report, for Jinja: everything that is put in is escaped, but for our own drawings."""

STYLE = """
:root { color-scheme: light dark; --ink: #1e1e22; --soft: #5c5c66; --paper: #fff; --card: #f6f6f4;
  --line: #dcdcd8; --accent: #2f7fc1; --reported: #f6efdc; }
@media (prefers-color-scheme: dark) { :root { --ink: #e9e9ec; --soft: #a5a5b0; --paper: #17181b;
  --card: #1f2125; --line: #3a3c42; --accent: #7db8ea; --reported: #312b1c; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 76rem; background: var(--paper);
  color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", "DejaVu Sans", sans-serif; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .5rem; }
h2 { font-size: 1.4rem; margin: 3rem 0 .75rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1.05rem; margin: 1.75rem 0 .5rem; }
h3::first-letter { text-transform: uppercase; }
p, li, dl { max-width: 48rem; }
a { color: var(--accent); }
nav ul { columns: 16rem; padding-left: 1.1rem; }
code { font: .9em ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; }
.soft, figcaption, caption, small { color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding: .4rem 0; }
th, td { padding: .35rem .7rem .35rem 0; border-bottom: 1px solid var(--line); text-align: right;
  vertical-align: top; }
tbody th, td.text, thead tr:first-child > th:first-child { text-align: left; }
thead th { vertical-align: bottom; font-weight: 600; }
thead th[scope=colgroup] { text-align: center; border-left: 1px solid var(--line); }
tbody th { font-weight: 500; }
td small, th small { display: block; font-size: .75rem; font-weight: 400; white-space: nowrap; }
tr.main th, tr.main td { background: var(--card); }
tr.main th { font-weight: 700; }
tr.control th, tr.control td { color: var(--soft); }
.reported { background: var(--reported); border-left: .3rem solid #c9971c; padding: .75rem 1rem;
  border-radius: .3rem; margin: 1rem 0; }
.reported table { min-width: 18rem; }
.mark { font-weight: 600; margin: 0 0 .5rem; }
.note { border-left: .3rem solid var(--line); padding: .1rem 0 .1rem .8rem; color: var(--soft); }
.beside { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start; }
.beside > * { min-width: 0; max-width: 100%; flex: 3 1 38rem; }
.beside > .reported { flex: 1 1 18rem; }
figure { margin: 1rem 0; }
figure > svg { display: block; width: 100%; max-width: 60rem; height: auto; }
figure > svg text { font-family: system-ui, "Segoe UI", "DejaVu Sans", sans-serif !important; }
figcaption { font-size: .85rem; max-width: 60rem; }
img { max-width: 100%; height: auto; border-radius: .3rem; }
.examples { display: grid; gap: 0 1.5rem;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 32rem), 1fr)); }
.triple { display: grid; grid-template-columns: repeat(3, 1fr); gap: .3rem; }
.triple img { width: 100%; }
dl.facts { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; font-size: .9rem;
  max-width: none; }
dl.facts dt { color: var(--soft); }
dl.facts dd { margin: 0; }
@media (max-width: 40rem) { dl.facts { grid-template-columns: 1fr; } dl.facts dd { margin-bottom: .4rem; } }
@media print { :root { --ink: #000; --soft: #444; --paper: #fff; --card: #f3f3f3; --line: #ccc;
  --reported: #f8f3e4; }
  @page { size: A4 landscape; margin: 14mm; }
  body { max-width: none; padding: 0; font-size: 10pt; } table { font-size: 7.5pt; } nav { display: none; }
  .scroll { overflow: visible; } th, td { padding-right: .35rem; }
  figure, tr, .reported { break-inside: avoid; } h2, h3, caption { break-after: avoid; } }
"""

PAGE = """\
{% macro cells(rows) %}
<tbody>
{% for row in rows %}
<tr{% if row.kind %} class="{{ row.kind }}"{% endif %}>
<th scope="row">{{ row.name }}{% if row.passes %}<small>{{ row.passes }}</small>{% endif %}</th>
<td>{{ row.pairs }}{% for loss in row.losses %}<small>{{ loss }}</small>{% endfor %}</td>
{% for cell in row.cells %}
<td>{% if cell.clear %}<strong>{{ cell.value }}</strong>{% else %}{{ cell.value }}{% endif %}
{% if cell.interval %}<small>{{ cell.interval }}</small>{% endif %}</td>
{% endfor %}
</tr>
{% endfor %}
</tbody>
{% endmacro %}
{% macro scores(group, caption) %}
<div class="scroll"><table>
<caption>{{ caption }}</caption>
<thead><tr><th scope="col">method</th><th scope="col">pairs</th>
{% for title in group.titles %}<th scope="col">{{ title }}</th>{% endfor %}</tr></thead>
{{ cells(group.rows) }}
</table></div>
{% for note in group.notes %}<p class="note">{{ note }}</p>{% endfor %}
{% endmacro %}
{% macro drawings(charts) %}
{% for chart in charts %}
<figure>
{{ chart.svg }}
<figcaption>{{ chart.caption }}</figcaption>
</figure>
{% endfor %}
{% endmacro %}
{% macro images(shown) %}
{% for image in shown %}
<figure><img src="{{ image.uri }}" alt="{{ image.alt }}"><figcaption>{{ image.caption }}</figcaption></figure>
{% endfor %}
{% endmacro %}
{% macro section(name) %}
<section id="{{ name }}">
<h2>{{ titles[name] }}</h2>
{{ caller() }}
</section>
{% endmacro %}
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>D²Animator: evaluation</title>
<style>{{ style }}</style>
</head>
<body>
<header>
<h1>D²Animator: evaluation</h1>
<p class="soft">How closely animated faces follow their targets, and how much they keep of their sources.</p>
<nav aria-label="Contents"><ul>
{% for name, title in titles.items() %}<li><a href="#{{ name }}">{{ title }}</a></li>
{% endfor %}
</ul></nav>
</header>
<main>
{% call section('run') %}
<dl class="facts">
{% for name, value in run %}<dt>{{ name }}</dt><dd><code>{{ value }}</code></dd>
{% endfor %}
</dl>
{% endcall %}
{% call section('reading') %}
<ul>
<li>A pair is a source and a target: the source's face is to take over the target's pose and expression.
Figures are means over the pairs on whose result a face was found; below each stands its bootstrap 95 %
interval, with whole sources resampled. – means that there is no such figure.</li>
<li>↓: less is better. ↑: more is better. NME is in percent, angles are in degrees.</li>
<li>Open loop: one step of the network. Each closed-loop pass looks at its own result and corrects it.</li>
<li>CSIM has a scale of its own with every identity network; read it between the likeness of strangers and
that of a source to its own mirror image, which stand beside it.</li>
</ul>
<p>Controls are methods whose row is known beforehand. Any method lies between them:</p>
<ul>
{% for name, (what, row) in paper.CONTROLS.items() %}<li><code>{{ name }}</code> {{ what }}. Its row:
{{ row }}.</li>
{% endfor %}
</ul>
{% endcall %}
{% call section('scores') %}
{% for group, detail in scored %}
<h3>{{ group.title }}</h3>
{{ scores(group, "Realism, landmark error, identity and pose.") }}
{% if detail.titles %}{{ scores(detail, "In detail: medians, other measures, parts.") }}{% endif %}
{% endfor %}
<h3>The paper's Table 1</h3>
<div class="reported">
<p class="mark">{{ paper.MARK }}.</p>
<div class="scroll"><table>
<thead>
<tr><th rowspan="3" scope="col">method</th>
{% for protocol in paper.PROTOCOLS %}<th colspan="8" scope="colgroup">{{ protocol }}</th>{% endfor %}</tr>
<tr>{% for protocol in paper.PROTOCOLS %}{% for data in paper.DATASETS %}
<th colspan="4" scope="colgroup">{{ data }}</th>{% endfor %}{% endfor %}</tr>
<tr>{% for protocol in paper.PROTOCOLS %}{% for data in paper.DATASETS %}{% for metric in paper.METRICS %}
<th scope="col">{{ metric }}</th>{% endfor %}{% endfor %}{% endfor %}</tr>
</thead>
<tbody>
{% for method, values in paper.TABLE_1.items() %}<tr><th scope="row">{{ method }}</th>
{%- for value in values %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table></div>
<p>{{ paper.SCORE_REMARK }}</p>
</div>
{% endcall %}
{% if ablations %}
{% call section('ablations') %}
<p>Differences are paired: the same pairs, less the main method. Those of NME are in percentage points. In
bold: the interval leaves out zero.</p>
<div class="beside">
<div>
{% for group in ablations %}
{{ scores(group, group.title) }}
{% endfor %}
</div>
<div class="reported">
<p class="mark">The paper's Table 2. {{ paper.MARK }}.</p>
<table>
<thead><tr><th scope="col">method</th><th scope="col">NME (↓)</th><th scope="col">CSIM (↑)</th></tr></thead>
<tbody>
{% for method, values in paper.TABLE_2.items() %}<tr><th scope="row">{{ method }}</th>
{%- for value in values %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
<p>{{ paper.SAME_DATA }}</p>
</div>
</div>
{% endcall %}
{% endif %}
{% if scaling %}{% call section('scaling') %}{{ drawings(scaling) }}{% endcall %}{% endif %}
{% if yaw %}{% call section('yaw') %}{{ drawings(yaw) }}{% endcall %}{% endif %}
{% if parts %}{% call section('parts') %}{{ drawings(parts) }}{% endcall %}{% endif %}
{% if examples %}
{% call section('examples') %}
<p>From left to right: source, target, result.</p>
{% for title, triples in examples.items() %}
<h3>{{ title }}</h3>
<div class="examples">
{% for triple in triples %}
<figure><div class="triple">
{% for image in triple.images %}<img src="{{ image.uri }}" alt="{{ image.alt }}">{% endfor %}
</div><figcaption><strong>{{ triple.kind | capitalize }}.</strong> {{ triple.caption }}</figcaption></figure>
{% endfor %}
</div>
{% endfor %}
{% endcall %}
{% endif %}
{% if directions %}{% call section('directions') %}{{ images(directions) }}{% endcall %}{% endif %}
{% if sheets %}
{% call section('sheets') %}
{% if left_out %}<p>{{ left_out }} more are in <code>results/animations/</code>.</p>{% endif %}
{{ images(sheets) }}
{% endcall %}
{% endif %}
{% if videos %}
{% call section('videos') %}
<div class="scroll"><table>
<caption>NME and jitter in % of the inter-ocular distance; against what was asked for, the driver's motion
on the source's own face.</caption>
<thead><tr>{% for title in videos.titles %}<th scope="col">{{ title }}</th>{% endfor %}</tr></thead>
<tbody>
{% for names, values in videos.rows %}<tr><th scope="row">{{ names[0] }}</th>
{%- for name in names[1:] %}<td class="text">{{ name }}</td>{% endfor %}
{%- for value in values %}<td>{{ value }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table></div>
{% endcall %}
{% endif %}
{% call section('definitions') %}
<p>Results of all methods are read back as pictures and measured alike, full-size, by the detector and the
identity network that are named at the top.</p>
<ul>
{% for name, meaning, source in definitions %}<li><strong>{{ name }}</strong>: {{ meaning }}
({{ source }}).</li>
{% endfor %}
</ul>
<p>The protocols say who drives whom:</p>
<ul>
{% for name, meaning in paper.PROTOCOLS_HERE.items() %}<li><strong>{{ name }}</strong>: {{ meaning }}.</li>
{% endfor %}
</ul>
{% endcall %}
</main>
</body>
</html>
"""
