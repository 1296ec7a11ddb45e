// How plotly.min.js was made: plotly.js with the traces and components that the book's figures use
// (theme.TRACE_TYPES), as its own CUSTOM_BUNDLE.md does, and without the texts of its reference.
//   npm install --ignore-scripts plotly.js@3.7.0 esbuild@0.28.2 acorn@8.15.0
//   node plotly-bundle.cjs plotly.min.js
const { readFileSync, writeFileSync } = require("fs");
const { dirname, join } = require("path");
const [acorn, esbuild] = ["acorn", "esbuild"].map((name) => require(require.resolve(name, { paths: ["."] })));

const TRACES = ["bar"]; // scatter is in the core
const UNUSED = ["annotations3d", "grid", "images", "rangeselector", "rangeslider", "sliders", "updatemenus"];
const TEXTS = ["description", "hrName", "otherOpts", "requiredOpts", "role"]; // read by the reference only

const package = require.resolve("plotly.js/package.json", { paths: ["."] });
const { version } = JSON.parse(readFileSync(package));
const cuts = (node) => {
  if (Array.isArray(node)) return node.flatMap(cuts);
  if (typeof node?.type !== "string") return [];
  if (node.type !== "ObjectExpression") return Object.values(node).flatMap(cuts);
  return node.properties.flatMap((p, i, all) => (TEXTS.includes(p.key?.name ?? p.key?.value)
    ? [[p.start, all[i + 1]?.start ?? node.end - 1]] : cuts(p)));
};
const without = (text) => cuts(acorn.parse(text, { ecmaVersion: 2020 }))
  .reduceRight((rest, [from, to]) => rest.slice(0, from) + rest.slice(to), text);
const plugin = {
  name: "book",
  setup({ onLoad }) {
    onLoad({ filter: /plotly\.js\/src\/.*\.js$/ }, ({ path }) => {
      let text = readFileSync(path, "utf8");
      if (path.endsWith("/src/core.js"))
        for (const name of UNUSED) text = text.replace(`require('./components/${name}'),`, "");
      if (/attributes|attrs|defaults|index|plots/.test(path)) text = without(text);
      return { contents: text, loader: "js" };
    });
    onLoad({ filter: /\.glsl$/ }, ({ path }) => ({ contents: readFileSync(path, "utf8"), loader: "text" }));
  },
};
const traces = TRACES.map((name) => `require("./lib/${name}")`);
esbuild.build({
  stdin: { contents: `const P = require("./lib/core"); P.register([${traces}]); module.exports = P;`,
    resolveDir: dirname(package) },
  bundle: true, minify: true, format: "iife", globalName: "Plotly", target: "es2018", charset: "utf8",
  define: { global: "window", "define.amd": "false", "process.env.NODE_DEBUG": "false" },
  alias: { stream: "stream-browserify" }, plugins: [plugin], loader: { ".css": "empty" }, write: false, legalComments: "none",
}).then(({ outputFiles: [{ text }] }) => {
  const of = ["scatter", ...TRACES].join(", ");
  writeFileSync(process.argv[2], `/*! plotly.js v${version} (${of}; minified), Copyright Plotly, Inc., MIT licence */\n${text}`);
});
