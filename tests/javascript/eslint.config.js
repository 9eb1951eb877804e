import js from "@eslint/js";
import globals from "globals";

const rules = {
  ...js.configs.recommended.rules,
  curly: ["error", "multi-line"],
  eqeqeq: "error",
  "max-len": ["error", { code: 110 }],
  "no-implicit-globals": "error",
  "no-shadow": "error",
  "no-use-before-define": ["error", { functions: false, variables: false }],
  "no-var": "error",
  "prefer-const": "error",
  semi: "error",
};
const options = { linterOptions: { reportUnusedDisableDirectives: "error" }, rules };

export default [
  { ...options, files: ["tokred/**/*.mjs"], languageOptions: { globals: globals.browser } },
  { ...options, files: ["tests/javascript/*.{js,mjs}"], languageOptions: { globals: globals.node } },
];
