import { constants } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";
import type { ServerChannel } from "ssh2";
import type { Init } from "../../../proto/codec.ts";
import type { grpc } from "../../../proto/gen/messages.js";
import type { Attachment } from "../../client/streams/attachment.ts";
import { passInput } from "../../engine/attach/pass-input.ts";
import { oneLine } from "../../operation-error.ts";
import { writeOutput } from "./channel-output.ts";
import { exitStatus } from "./exit-status.ts";
import { type SshTarget, startProcess } from "./ssh-target.ts";

const { SIGHUP, SIGKILL } = constants.signals;
/** How long a process has to end after SIGHUP, and guestctl to hear of its end after SIGKILL. */
const HANG_UP_MS = 3000;
/** ssh's own exit status for a connection that fails. */
const LOST = 255;

/** Runs a process over a channel until it ends, and reports its end; or ends it once `gone` is aborted. */
export async function serveProcess(
  channel: ServerChannel,
  target: SshTarget,
  process: Init<grpc.Process>,
  gone: AbortSignal,
  onStart: (attachment: Attachment) => void,
): Promise<void> {
  const attachment = startProcess(target, process, (name, bytes) => writeOutput(channel, name, bytes, gone));
  const hangUp = () => void endProcess(attachment);
  gone.addEventListener("abort", hangUp, { once: true });
  if (gone.aborted) hangUp();
  onStart(attachment);
  const input = passInput(channel, attachment, {
    detachKeys: new Uint8Array(),
    isConnected: () => true,
    onDetach: () => undefined,
    onEnd: () => attachment.end(),
  });
  try {
    const status = exitStatus(await attachment.exit);
    if (typeof status === "number") channel.exit(status);
    else channel.exit(status, false, "");
  } catch (error) {
    // Never 0: how the process ended is unknown.
    await writeOutput(channel, "stderr", Buffer.from(`guestctl: ${oneLine(error)}\r\n`), gone);
    channel.exit(LOST);
  } finally {
    gone.removeEventListener("abort", hangUp);
    input[Symbol.dispose]();
    channel.end();
    channel.resume(); // a channel closes once its input is read
  }
}

/** Ends a process whose client is gone, as the loss of a terminal would. */
async function endProcess(attachment: Attachment): Promise<void> {
  const ended = attachment.exit.catch(() => undefined);
  for (const signal of [SIGHUP, SIGKILL]) {
    attachment.signal(signal);
    attachment.end();
    const limit = new AbortController();
    await Promise.race([ended, sleep(HANG_UP_MS, undefined, { signal: limit.signal })]).catch(() => undefined);
    limit.abort();
  }
  attachment.close();
}
