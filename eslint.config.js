import tseslint from "typescript-eslint";

const NOT_PURE = [
  "Date",
  "Promise",
  "performance",
  "console",
  "process",
  "Buffer",
  "crypto",
  "fetch",
  "navigator",
  "window",
  "self",
  "document",
  "global",
  "globalThis",
  "require",
  "WebSocket",
  "Worker",
  "Atomics",
  "SharedArrayBuffer",
  "WeakRef",
  "FinalizationRegistry",
  "Intl",
  "setTimeout",
  "setInterval",
  "setImmediate",
  "clearTimeout",
  "clearInterval",
  "queueMicrotask",
  "structuredClone",
  "TextEncoder",
  "TextDecoder",
  "AbortController",
  "AbortSignal",
  "URL",
];

/** The `slice` of a Node Buffer, which is a Uint8Array too, gives a view. */
const COPY_BY_SLICE = {
  selector: "CallExpression[callee.property.name='slice'][arguments.length=0]",
  message: "Copy bytes with new Uint8Array(bytes): the slice of a Buffer does not copy.",
};

export default tseslint.config(
  { ignores: ["**/dist/**", "**/node_modules/**", "**/coverage/**", "**/gen/**", "**/*.js", "**/*.mjs", "**/*.cjs"] },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.strictTypeChecked],
    languageOptions: {
      parserOptions: { project: ["./tsconfig.lint.json", "./examples/*/page/tsconfig.json"], tsconfigRootDir: import.meta.dirname },
    },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "@typescript-eslint/consistent-type-imports": ["error", { fixStyle: "separate-type-imports" }],
      "@typescript-eslint/no-import-type-side-effects": "error",
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true, ignoreVoidReturningFunctions: true }],
      "@typescript-eslint/no-unnecessary-condition": ["error", { allowConstantLoopConditions: true }],
      "@typescript-eslint/no-empty-function": "off",
      "@typescript-eslint/no-empty-object-type": ["error", { allowInterfaces: "with-single-extends" }],
      // An implementation of an asynchronous port may have nothing to wait for.
      "@typescript-eslint/require-await": "off",
      "@typescript-eslint/no-invalid-void-type": "off",
      "@typescript-eslint/no-unnecessary-type-parameters": "off",
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_", caughtErrors: "none" }],
      "no-warning-comments": ["error", { terms: ["todo", "fixme", "xxx", "hack"] }],
      eqeqeq: "error",
      "no-console": "off",
    },
  },
  {
    files: ["**/*.test.ts", "tests/**/*.ts"],
    rules: {
      "@typescript-eslint/no-unsafe-assignment": "off",
      "@typescript-eslint/no-unsafe-member-access": "off",
      "@typescript-eslint/no-unsafe-argument": "off",
      "@typescript-eslint/no-unsafe-call": "off",
      "@typescript-eslint/no-unsafe-return": "off",
      "@typescript-eslint/no-unsafe-enum-assignment": "off",
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/no-unnecessary-condition": "off",
      "@typescript-eslint/no-confusing-void-expression": "off",
    },
  },
  {
    // The protocol is told the time and given its randomness; it waits for nothing.
    files: ["packages/proto/src/**/*.ts"],
    ignores: ["**/*.test.ts", "**/*.bench.ts"],
    rules: {
      "no-restricted-globals": ["error", ...NOT_PURE.map((name) => ({ name, message: "The protocol has no host, clock or promises." }))],
      "no-restricted-properties": ["error", { object: "Math", property: "random", message: "Randomness comes from the given Rng." }],
      "no-restricted-syntax": [
        "error",
        { selector: ":function[async=true]", message: "The protocol waits for nothing." },
        { selector: "AwaitExpression", message: "The protocol waits for nothing." },
        { selector: "ImportExpression", message: "The protocol loads nothing at run time." },
        { selector: "TSTypeReference > Identifier[name='Promise']", message: "The protocol has no promises." },
        { selector: "MemberExpression[computed=true][object.name='Math']", message: "Name the function of Math." },
        COPY_BY_SLICE,
      ],
    },
  },
  {
    // No runtime of its own: what a browser, a worker and Node have in common.
    files: ["packages/core/src/**/*.ts"],
    ignores: ["**/*.test.ts"],
    rules: {
      "no-restricted-globals": ["error", "Buffer", "process", "window", "document", "require", "setImmediate", "global"],
      "no-restricted-syntax": ["error", COPY_BY_SLICE],
    },
  },
);
