import { PassThrough, Writable } from "node:stream";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { AgentClient } from "../../client/agent-client.ts";
import { type AttachOptions, type AttachRequest, attach } from "../../client/streams/attachment.ts";
import type { OutputName } from "../../client/streams/position.ts";
import type { Process, TakeOutput } from "../process.ts";
import { attach as attachByCalls } from "./attach-by-calls.ts";

/** Starts or continues a process over guestd.v1.Streams: it continues over lost connections and the agent's death. */
export function streamedProcess(
  address: string,
  request: AttachRequest & { readonly exec: string },
  options: Omit<AttachOptions, "onData">,
  take: TakeOutput,
): Process {
  const attachment = attach(address, request, { ...options, onData: take });
  return {
    id: request.exec,
    started: attachment.attached,
    ended: attachment.exit.then(({ code, signal }) => ({ exitCode: code, signal })),
    get epoch() {
      const { epoch } = attachment.position ?? {};
      return epoch && Buffer.from(epoch).toString("base64");
    },
    write: (bytes) => attachment.write(bytes),
    endInput: () => attachment.end(),
    signal: async (number) => attachment.signal(number),
    resize: (rows, columns) => attachment.resize(rows, columns),
    detach: () => attachment.close(),
  };
}

/** Starts a process by Kata's calls, for agents other than guestd. It ends for this client with the connection. */
export function calledProcess(
  client: AgentClient,
  id: { readonly container: string; readonly exec: string },
  process: Init<grpc.Process>,
  take: TakeOutput,
): Process {
  const { container: container_id, exec: exec_id } = id;
  const name = { container_id, exec_id };
  const started = client.agent.execProcess({ ...name, process });
  const stdin = new PassThrough();
  stdin.on("error", () => undefined);
  const output = (name: OutputName) => {
    let offset = 0;
    return new Writable({
      highWaterMark: 1,
      write(bytes: Buffer, _encoding, done) {
        take(name, bytes, offset).then(() => done(), done);
        offset += bytes.length;
      },
    }).on("error", () => undefined);
  };
  const stdio = { stdin, stdout: output("stdout"), stderr: process.Terminal ? undefined : output("stderr") };
  const ended = started.then(async () => {
    const exitCode = await attachByCalls(client, name, stdio);
    return { exitCode, signal: exitCode > 128 ? exitCode - 128 : 0 };
  });
  return {
    id: exec_id,
    started,
    ended,
    epoch: undefined,
    write: (bytes) => {
      return new Promise((resolve, reject) => stdin.write(bytes, (error) => (error ? reject(error) : resolve())));
    },
    endInput: () => void stdin.end(),
    async signal(number) {
      await started;
      await client.agent.signalProcess({ ...name, signal: number });
    },
    resize(row, column) {
      void started.then(() => client.agent.ttyWinResize({ ...name, row, column })).catch(() => undefined);
    },
    detach: () => stdin.destroy(),
  };
}
