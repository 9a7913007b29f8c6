import { PassThrough } from "node:stream";
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { RpcError } from "../../client/rpc-error.ts";
import { type InputOptions, passInput } from "./pass-input.ts";

/** Passes a stream on to a process that writes nothing until `take`. */
function start(options: Partial<InputOptions> = {}) {
  const stdin = new PassThrough({ highWaterMark: 1 << 20 });
  const waiting: PromiseWithResolvers<void>[] = [];
  const state = { isConnected: true, passed: "", events: [] as string[] };
  const write = (bytes: Uint8Array) => {
    state.passed += Buffer.from(bytes).toString();
    const written = Promise.withResolvers<void>();
    waiting.push(written);
    return written.promise;
  };
  const input = passInput(
    stdin,
    { write },
    {
      detachKeys: Buffer.from("^Q"),
      isConnected: () => state.isConnected,
      onDetach: () => state.events.push("detach"),
      onEnd: () => state.events.push("end"),
      ...options,
    },
  );
  const type = async (text: string) => {
    stdin.write(text);
    await turn();
  };
  const take = async () => {
    for (const { resolve } of waiting.splice(0)) resolve();
    await turn();
  };
  const refuse = async () => {
    for (const { reject } of waiting.splice(0)) reject(new RpcError("gap", "closed"));
    await turn();
  };
  return { stdin, input, state, type, take, refuse };
}

test("keeps 4 KiB of keys while disconnected, and reads the rest once they are written", async () => {
  const { state, input, type, take } = start();
  state.isConnected = false;
  input.update();
  for (let at = 0; at < 5000; at++) await type("k");
  expect(state.passed.length).toBe(4096);
  state.isConnected = true;
  input.update();
  await turn();
  expect(state.passed.length).toBe(5000);
  await take();
});

test("stops reading when 64 KiB wait, until the process reads", async () => {
  const { state, type, take } = start();
  for (let at = 0; at < 80; at++) await type("x".repeat(1024));
  expect(state.passed.length).toBe(65_536);
  await take();
  expect(state.passed.length).toBe(80 * 1024);
});

test("passes on what came before the detach keys, and the end of the stream", async () => {
  const { stdin, state, type } = start();
  await type("a^");
  expect(state.passed).toBe("a");
  await type("Q");
  expect(state).toMatchObject({ passed: "a", events: ["detach"] });
  const other = start();
  other.stdin.end("b");
  await turn();
  await turn();
  expect(other.state).toMatchObject({ passed: "b", events: ["end"] });
  stdin.destroy();
});

test("leaves the stream when the process no longer reads its input", async () => {
  const { state, type, refuse } = start();
  await type("a");
  await refuse();
  await type("b");
  expect(state).toMatchObject({ passed: "a", events: [] });
});
