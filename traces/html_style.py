"""Style and script of the page: light and dark, no request to anywhere."""

CSS = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --ink: #1d2229; --soft: #5a6471; --line: #d9dee5; --band: #f4f6f9;
  --accent: #2f66b8; --grid: #e4e8ee; --good: #1e7d43;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #14171c; --ink: #e4e8ee; --soft: #9aa5b3; --line: #333b46; --band: #1d2229;
    --accent: #7fb0f5; --grid: #2c333d; --good: #6fcf97;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 1120px; background: var(--page);
  color: var(--ink); font: 15px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif;
}
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; padding-top: .8rem;
     border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
p { max-width: 46rem; margin: .4rem 0 .8rem; }
p.summary { font-size: 1.08rem; }
p.note, td .note { color: var(--soft); }
td .note { display: block; font-size: .85em; }
.wide { overflow-x: auto; margin: .6rem 0 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .32rem .65rem; text-align: right; white-space: nowrap; vertical-align: top; }
th:first-child, td:first-child { text-align: left; padding-left: .3rem; }
td:first-child { white-space: normal; min-width: 8rem; }
td.word { text-align: left; }
thead th { border-bottom: 2px solid var(--line); font-weight: 600; vertical-align: bottom; }
th .unit { display: block; font-weight: 400; color: var(--soft); font-size: .85em; }
tbody tr:nth-child(even) { background: var(--band); }
tbody tr.strong { font-weight: 600; }
tbody tr.total td { border-top: 2px solid var(--line); font-weight: 600; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr));
           gap: 1rem; }
.figures > div { min-width: 0; }
pre { background: var(--band); border: 1px solid var(--line); border-radius: 6px;
      padding: .8rem 1rem; overflow-x: auto; font: 13px/1.45 ui-monospace, Consolas, monospace;
      margin: .4rem 0; }
a { color: var(--accent); }
summary { cursor: pointer; color: var(--accent); }
@media print { body { max-width: none; } h2 { break-after: avoid; } }
"""

SCRIPT = """
(() => {
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const draw = () => {
    const style = getComputedStyle(document.documentElement);
    const ink = style.getPropertyValue("--ink").trim();
    const soft = style.getPropertyValue("--soft").trim();
    const grid = style.getPropertyValue("--grid").trim();
    const page = style.getPropertyValue("--page").trim();
    for (const place of document.querySelectorAll(".figure")) {
      const spec = JSON.parse(document.getElementById(place.dataset.spec).textContent);
      const layout = spec.layout;
      layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
      layout.font.color = ink;
      layout.modebar = {bgcolor: "rgba(0,0,0,0)", color: soft, activecolor: ink};
      layout.hoverlabel = {bgcolor: page, bordercolor: grid, font: {color: ink}};
      for (const [name, axis] of Object.entries(layout)) {
        if (/^[xy]axis/.test(name)) {
          Object.assign(axis, {gridcolor: grid, zerolinecolor: grid, linecolor: grid});
        }
      }
      for (const trace of spec.data) {
        if (trace.texttemplate) trace.textfont = {color: ink};
      }
      Plotly.react(place, spec.data, layout, {displaylogo: false, responsive: true,
        modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]]});
    }
  };
  scheme.addEventListener("change", draw);
  draw();
})();
"""

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "img-src data: blob:; font-src data:"
)
"""Content security policy: the browser itself refuses any request to the network."""
