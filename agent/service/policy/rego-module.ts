import { readFileSync } from "node:fs";

/** The Rego engine of agent/native/rego, compiled to WebAssembly. It holds one policy at a time. Every method may throw. */
export interface RegoModule {
  /** Replaces the policy, unless the new one is wrong. `data` is JSON. */
  setPolicy(text: string, data: string): void;
  query(query: string, input: string): { readonly values: readonly unknown[]; readonly prints: readonly string[] };
  /** Applies a JSON patch completely or not at all; returns the data as JSON. */
  patchData(operations: unknown): string;
}

/** The part of WebAssembly used here. TypeScript's own types come only with those of browsers. */
interface Engine {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: unknown };
}

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  room(length: number): number;
  answer_at(): number;
  set_policy(...texts: number[]): number;
  query(...texts: number[]): number;
  patch_data(...texts: number[]): number;
}

/** Compiles and starts the engine in some tens of milliseconds. It has no imports, so it reaches only its own memory. */
export function loadRego(path: string): RegoModule {
  const { Module, Instance } = (globalThis as unknown as { readonly WebAssembly: Engine }).WebAssembly;
  const exports = new Instance(new Module(readFileSync(path)), {}).exports as Exports;
  const call = (name: "set_policy" | "query" | "patch_data", ...texts: string[]): unknown => {
    const places = texts.flatMap((text) => {
      const bytes = Buffer.from(text);
      const at = exports.room(bytes.length) >>> 0;
      Buffer.from(exports.memory.buffer, at, bytes.length).set(bytes);
      return [at, bytes.length];
    });
    const length = exports[name](...places) >>> 0;
    const text = Buffer.from(exports.memory.buffer, exports.answer_at() >>> 0, length).toString();
    const answer = JSON.parse(text) as { readonly ok?: unknown; readonly error?: string };
    if (answer.error !== undefined) throw new Error(answer.error);
    return answer.ok;
  };
  return {
    setPolicy: (text, data) => void call("set_policy", text, data),
    query: (query, input) => call("query", query, input) as ReturnType<RegoModule["query"]>,
    patchData: (operations) => JSON.stringify(call("patch_data", JSON.stringify(operations))),
  };
}
