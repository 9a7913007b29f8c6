import type { grpc } from "../../proto/gen/messages.js";
import type { Call } from "./dispatch.ts";
import { findProcess } from "./find-container.ts";
import type { Agent } from "./rpc.ts";
import { streamBytes } from "./stream-bytes.ts";

/** Reads at least one byte and at most `len`; no byte means the end. Bytes that did not reach the host are read again. */
export async function readStream(
  agent: Agent,
  request: grpc.ReadStreamRequest,
  name: "stdout" | "stderr",
  call: Call,
): Promise<{ data: Buffer }> {
  const stream = findProcess(agent, request).output(name);
  const data = await stream.read(request.len, call.signal);
  call.repeated = true;
  stream.link(data, call.place);
  call.onSettled((written) => {
    if (!written) return stream.unread(data);
    streamBytes[name] += data.length;
    stream.delivered(data);
  });
  return { data };
}
