import type { Duplex } from "node:stream";
import { type StreamFrame, StreamFrameParser } from "../../../proto/stream-frame.ts";

/** The connection is lost; another one may continue. */
export class Lost extends Error {}

/**
 * Passes the agent's frames to `take`, one after the other: the next one follows once a returned promise resolves, and the
 * connection isn't read meanwhile. Resolves when the connection has ended, or `take` has returned "stop". Rejects with Lost if
 * it breaks, or with the error of `take` or of the protocol.
 */
export function readFrames(
  connection: Duplex,
  take: (frame: StreamFrame) => undefined | "stop" | Promise<undefined>,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const parser = new StreamFrameParser("agent", { cutData: true });
    let waiting: StreamFrame[] = [];
    let [isTaking, isEnded] = [false, false];
    const settle = (error?: unknown) => {
      connection.off("data", onData).pause();
      waiting = [];
      if (error === undefined) resolve();
      else reject(error);
    };
    const takeAll = () => {
      for (let at = 0; at < waiting.length; at++) {
        const taken = take(waiting[at] as StreamFrame);
        if (taken === undefined) continue;
        if (taken === "stop") return settle();
        isTaking = true;
        waiting = waiting.slice(at + 1);
        connection.pause();
        taken.then(() => {
          isTaking = false;
          connection.resume();
          attempt(takeAll);
        }, settle);
        return undefined;
      }
      waiting = [];
      if (isEnded) settle();
      return undefined;
    };
    const attempt = (work: () => void) => {
      try {
        work();
      } catch (error) {
        settle(error);
      }
    };
    const onData = (chunk: Buffer) =>
      attempt(() => {
        waiting.push(...parser.push(chunk));
        if (!isTaking) takeAll();
      });
    const onEnd = () => {
      isEnded = true;
      if (!isTaking) settle();
    };
    connection.on("data", onData).once("end", onEnd).once("close", onEnd);
    connection.once("error", (error) => (isTaking ? onEnd() : settle(new Lost(error.message))));
  });
}
