import { AgentError } from "../../../agent/kernel/error.ts";
import type { Call, Handler, ServiceTable } from "../../../agent/service/dispatch.ts";
import { DecodeError } from "../../../proto/codec.ts";
import { answer } from "./answer.ts";

/**
 * A service `test.Echo` whose methods behave in every way that a transport must handle. Records what happened to the
 * calls.
 */
export class FakeTable implements ServiceTable {
  /** Calls of `Hang` whose signal has fired. */
  readonly aborted: unknown[] = [];
  /** True for each answer that was written, in order. */
  readonly settled: boolean[] = [];
  readonly calls: Call[] = [];
  /** Answer of `Held`; the call waits until a test resolves it. */
  readonly held = Promise.withResolvers<Uint8Array>();
  onFatal: () => void = () => undefined;
  started = 0;
  running = 0;

  readonly #methods: Readonly<Record<string, (payload: Uint8Array, call: Call) => Promise<Uint8Array> | Uint8Array>> = {
    Echo: (payload) => payload,
    Metadata: (_, { metadata, peer }) => Buffer.from(JSON.stringify({ peer, test: metadata.get("test") })),
    /** Answers with the number of bytes in the payload. */
    Fill: (payload) => Buffer.alloc(Number(Buffer.from(payload).toString()), 7),
    /** Answers with the payload after the number of milliseconds in it. */
    Sleep: async (payload) => {
      await new Promise((resolve) => setTimeout(resolve, Number(Buffer.from(payload).toString())));
      return payload;
    },
    /** Calls `onFatal` before its first wait. */
    Fatal: () => {
      this.onFatal();
      return this.held.promise;
    },
    Held: () => this.held.promise,
    /** Never answers, but ends when its signal aborts. */
    Hang: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signal.addEventListener("abort", () => {
          this.aborted.push(signal.reason);
          reject(signal.reason);
        });
      }),
    Large: () => Buffer.alloc(300_000, "x"),
    /** Answers with the progress that an earlier agent noted, and notes the progress 7. */
    Note: (_, call) => {
      if (call.progress !== undefined && call.progress > 0) {
        return Buffer.from(`an earlier agent noted ${call.progress}`);
      }
      call.note?.(7);
      return new Promise(() => {});
    },
    /** Neither answers nor ends. */
    Deaf: () => new Promise(() => {}),
    NotFound: () => {
      throw new AgentError("not-found", "no such thing\nas this");
    },
    Undecodable: () => {
      throw new DecodeError("decode x of 3 bytes: bad");
    },
    Bug: async () => {
      throw new TypeError("x is not a function\n    at stack");
    },
  };

  find(service: string, method: string): Handler | "no-service" | "no-method" {
    if (service !== "test.Echo") return "no-service";
    const run = Object.hasOwn(this.#methods, method) ? this.#methods[method] : undefined;
    if (run === undefined) return "no-method";
    return async (payload, call) => {
      this.started++;
      this.running++;
      this.calls.push(call);
      call.onSettled((written) => this.settled.push(written));
      try {
        return answer(await run(payload, call));
      } finally {
        this.running--;
      }
    };
  }

  /** True for methods that change nothing. */
  mayRepeat(service: string, method: string): boolean {
    return service === "test.Echo" && ["Echo", "Sleep", "Hang", "Fill", "Large", "NotFound", "Fatal"].includes(method);
  }

  mayGoOn(service: string, method: string): boolean {
    return service === "test.Echo" && ["Deaf", "Note"].includes(method);
  }

  *list(): Iterable<{ service: string; method: string }> {
    for (const method of Object.keys(this.#methods)) yield { service: "test.Echo", method };
  }
}
