// Node 22 has `using` only by its compiled form, without these classes.
export { default as AsyncDisposableStack } from "core-js-pure/actual/async-disposable-stack/index.js";
export { default as DisposableStack } from "core-js-pure/actual/disposable-stack/index.js";
export { default as SuppressedError } from "core-js-pure/actual/suppressed-error.js";
