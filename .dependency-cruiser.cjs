// The arrows of ARCHITECTURE.md as rules. tests/gates plants a violation of each.

const TEST = "\\.test\\.ts$|\\.bench\\.ts$";

/** What a package may import of this workspace. */
const PACKAGES = {
  proto: [],
  core: ["proto"],
  trust: ["core", "tls"],
  resolve: ["core"],
  tls: ["core"],
  "transport-webtransport": ["core"],
  "transport-browser": ["core"],
  "transport-quic": ["core", "resolve", "tls", "transport-webtransport"],
  "transport-tcp": ["core", "resolve", "tls"],
  "transport-websocket": ["core", "resolve", "tls"],
  "transport-relay": ["core", "transport-tcp", "tunnel"],
  testkit: ["proto", "core"],
  sockets: ["core", "splice", "tls", "tunnel"],
  kwik: ["core", "sockets", "trust", "transport-browser", "transport-quic", "transport-relay", "transport-tcp", "transport-websocket"],
  tunnel: ["core"],
  splice: ["tls", "tunnel"],
  gateway: ["core", "resolve", "splice", "tunnel"],
  proxy: ["core", "splice", "tunnel"],
  bench: ["kwik", "transport-quic"],
  cli: ["kwik", "trust", "bench", "gateway", "proxy"],
};

/** Folders of proto, and what each may import beside itself. */
const PROTO = {
  base: [],
  wire: ["base"],
  control: ["base", "wire"],
  data: ["base", "wire"],
  path: ["base", "wire"],
  schedule: ["base", "wire"],
  content: ["base", "wire"],
  session: ["base", "wire", "control", "data", "path", "schedule", "content"],
};

const CORE_LOWER = "api|transport|pipe|policy|session-key";

const packageRules = Object.entries(PACKAGES).map(([name, below]) => ({
  name: `package-${name}`,
  comment: `packages/${name} imports ${below.length === 0 ? "no other package" : `only ${below.join(", ")}`}`,
  severity: "error",
  from: { path: `^packages/${name}/`, pathNot: TEST },
  to: { path: "^packages/", pathNot: `^packages/(${[name, ...below].join("|")})/` },
}));

const protoRules = Object.entries(PROTO).map(([name, below]) => ({
  name: `proto-${name}`,
  comment: "inside proto: base <- wire <- {control, data, path, schedule, content} <- session <- index",
  severity: "error",
  from: { path: `^packages/proto/src/${name}/`, pathNot: TEST },
  to: { path: "^packages/proto/src/", pathNot: `^packages/proto/src/(${[name, ...below].join("|")})/` },
}));

/** @type {import("dependency-cruiser").IConfiguration} */
module.exports = {
  forbidden: [
    ...packageRules,
    ...protoRules,
    {
      name: "core-layers",
      comment: `inside core: {${CORE_LOWER}} know nothing of what drives them`,
      severity: "error",
      from: { path: `^packages/core/src/(${CORE_LOWER})/`, pathNot: TEST },
      to: { path: "^packages/core/src/", pathNot: `^packages/core/src/(${CORE_LOWER})/` },
    },
    {
      name: "no-index-from-inside",
      comment: "index.ts is for other packages; inside, import the file that has the thing",
      severity: "error",
      from: { path: "^packages/([^/]+)/src/.+/" },
      to: { path: "^packages/$1/src/index\\.ts$" },
    },
    {
      name: "no-deep-import",
      comment: "another package is imported by its name, not by a path into it",
      severity: "error",
      from: { path: "^(packages/[^/]+|tests|examples|scripts)/" },
      to: { path: "^packages/", pathNot: "^$1/", dependencyTypes: ["local"] },
    },
    { name: "no-cycle", severity: "error", from: {}, to: { circular: true } },
    {
      name: "protobuf-in-control",
      comment: "only proto's control plane knows protobuf",
      severity: "error",
      from: { pathNot: "^packages/proto/src/control/" },
      to: { path: "(^|/)@bufbuild/protobuf(/|$)" },
    },
    {
      name: "engine-in-transport-quic",
      comment: "one package names the QUIC engine",
      severity: "error",
      from: { pathNot: "^packages/transport-quic/" },
      to: { path: "(^|/)@currentspace/http3" },
    },
    {
      name: "testkit-in-tests",
      comment: "what is shipped does not need the testkit",
      severity: "error",
      from: { path: "^(packages|examples)/", pathNot: `${TEST}|^packages/testkit/` },
      to: { path: "^packages/testkit/" },
    },
    {
      name: "no-test-imported",
      severity: "error",
      from: {},
      to: { path: "\\.test\\.ts$" },
    },
    {
      name: "no-undeclared-dependency",
      comment: "what a package imports stands in its own package.json",
      severity: "error",
      from: { path: "^packages/", pathNot: TEST },
      to: { dependencyTypes: ["npm-no-pkg", "npm-unknown", "npm-dev", "npm-optional"], dependencyTypesNot: ["type-only"] },
    },
    {
      name: "no-unresolved",
      severity: "error",
      from: {},
      to: { couldNotResolve: true },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "^(packages/[^/]+|tests|examples)/(dist|coverage)/" },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["kwik-source", "import", "node", "default", "types"],
      extensions: [".ts", ".mjs", ".js", ".cjs", ".json", ".d.ts"],
    },
  },
};
