import type { Duplex } from "node:stream";
import { type StreamFrame, StreamFrameParser } from "../../../proto/stream-frame.ts";
import { RpcError } from "../rpc-error.ts";

/**
 * Passes the agent's frames to `take`, one after the other: the next one follows once a returned promise resolves, and the
 * connection isn't read meanwhile. Resolves with "stop" when `take` has returned it, or "end" with the connection. Rejects with
 * RpcError "cut" if it breaks, or with the error of `take` or of the protocol.
 */
export function readFrames(
  connection: Duplex,
  take: (frame: StreamFrame) => undefined | "stop" | Promise<undefined>,
): Promise<"stop" | "end"> {
  return new Promise((resolve, reject) => {
    const parser = new StreamFrameParser("agent", { cutData: true });
    let waiting: StreamFrame[] = [];
    let [isTaking, isEnded] = [false, false];
    const leave = () => {
      connection.off("data", onData).pause();
      waiting = [];
    };
    const settle = (end: "stop" | "end") => {
      leave();
      resolve(end);
    };
    const fail = (error: unknown) => {
      leave();
      reject(error);
    };
    const takeAll = () => {
      for (let at = 0; at < waiting.length; at++) {
        const taken = take(waiting[at] as StreamFrame);
        if (taken === undefined) continue;
        if (taken === "stop") return settle("stop");
        isTaking = true;
        waiting = waiting.slice(at + 1);
        connection.pause();
        taken.then(() => {
          isTaking = false;
          connection.resume();
          attempt(takeAll);
        }, fail);
        return undefined;
      }
      waiting = [];
      if (isEnded) settle("end");
      return undefined;
    };
    const attempt = (work: () => void) => {
      try {
        work();
      } catch (error) {
        fail(error);
      }
    };
    const onData = (chunk: Buffer) =>
      attempt(() => {
        waiting.push(...parser.push(chunk));
        if (!isTaking) takeAll();
      });
    const onEnd = () => {
      isEnded = true;
      if (!isTaking) settle("end");
    };
    connection.on("data", onData).once("end", onEnd).once("close", onEnd);
    connection.once("error", (error) => (isTaking ? onEnd() : fail(new RpcError("cut", error.message))));
  });
}
