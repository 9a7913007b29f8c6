import { expect, test } from "vitest";
import { DialError } from "../dial.ts";
import { RpcError } from "../rpc-error.ts";
import { type ReconnectOptions, Reconnects } from "./reconnects.ts";

const name = () => "work";
const refused = new RpcError("cut", "dial unix:///a: refused", { cause: new DialError("refused") });
const ended = new RpcError("cut", "the connection ended");
const quiesced = new RpcError("unavailable", "the guest is quiesced");

/** Returns what follows each of these ends of connections: another connection, or an error. */
function after(options: Partial<ReconnectOptions>, ends: readonly (Error | "answer")[]): unknown[] {
  const reconnects = new Reconnects({ name, ...options });
  return ends.flatMap((end) => {
    if (end === "answer") return reconnects.answered() ?? [];
    try {
      return reconnects.lost(end) === end ? "again" : "another error";
    } catch (error) {
      return error instanceof RpcError ? `${error.kind}: ${error.message}` : error;
    }
  });
}

test("an agent that was never reached is unreachable, unless the client waits for it", () => {
  expect(after({}, [refused])).toEqual(["unreachable: work: dial unix:///a: refused"]);
  expect(after({ waits: true }, [refused, quiesced, refused])).toEqual(["again", "again", "again"]);
  expect(after({}, [ended, refused])).toEqual(["again", "again"]);
});

test("a quiesced guest is waited for by clients that come back, before their next answer", () => {
  expect(after({}, [quiesced])).toEqual(["unavailable: the guest is quiesced"]);
  expect(after({}, [ended, quiesced])).toEqual(["again", "again"]);
  expect(after({}, [ended, "answer", quiesced])).toEqual(["again", "unavailable: the guest is quiesced"]);
});

test("connections that fail for too long are cut, counted from the last answer", () => {
  expect(after({ limitMs: 0 }, ["answer", ended])).toEqual([
    "cut: work: the connection was lost: the connection ended",
  ]);
  expect(after({ firstLimitMs: 0 }, [ended])).toEqual(["cut: work: the connection was lost: the connection ended"]);
  expect(after({ firstLimitMs: 0 }, ["answer", ended, ended])).toEqual(["again", "again"]);
  expect(after({ limitMs: 0, cut: (why) => `at byte 3: ${why}` }, ["answer", ended])).toEqual([
    "cut: at byte 3: the connection ended",
  ]);
});

test("any other error ends the operation", () => {
  const [denied, own] = [new RpcError("permission-denied", "denied"), new Error("the caller's")];
  expect(after({ waits: true }, [denied, own])).toEqual(["permission-denied: denied", own]);
});

test("pauses end with the signal", async () => {
  const stop = new AbortController();
  const reconnects = new Reconnects({ name, firstMs: 1e6, mostMs: 1e6, signal: stop.signal });
  const pause = reconnects.pause();
  stop.abort(new Error("enough"));
  await expect(pause).rejects.toThrow("enough");
});
