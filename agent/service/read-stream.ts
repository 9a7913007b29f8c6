import type { grpc } from "../../proto/gen/messages.js";
import type { Call } from "./dispatch.ts";
import { findProcess } from "./find-container.ts";
import type { Agent } from "./rpc.ts";

/** At least one byte and never more than `len`; no byte is the end. What the host did not get is read again. */
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
    if (written) stream.delivered(data);
    else stream.unread(data);
  });
  return { data };
}
