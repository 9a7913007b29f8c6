import { RpcError } from "../../client/rpc-error.ts";
import { attach } from "../../client/streams/attachment.ts";
import type { OutputName, Position } from "../../client/streams/position.ts";
import type { ContainerTarget } from "../../engine/guest/guest-target.ts";
import { streamsPlace } from "../../engine/guest/streams-place.ts";
import { OperationError } from "../../operation-error.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { LogTaker } from "./log-source.ts";

/** The guest may be without an agent for so long, in ms. */
const GIVE_UP_MS = 300_000;
const PIECE_BYTES = 16 * 1024;

/**
 * Reads the log that the agent keeps of a container, from its last `tailBytes` on, until the container's end. The reading waits
 * for its taker; what the agent doesn't keep meanwhile is a gap. Rejects with OperationError or RpcError.
 */
export async function readContainer(
  target: ContainerTarget,
  { tailBytes, signal, taker }: { readonly tailBytes: number; readonly signal: AbortSignal; readonly taker: LogTaker },
): Promise<void> {
  const { container } = target;
  const { address, dial } = streamsPlace(target);
  const times: Partial<Record<OutputName, number>> = {};
  const splitters: Partial<Record<OutputName, LineSplitter>> = {};
  let isPast = true;
  const splitter = (name: OutputName) => {
    splitters[name] ??= new LineSplitter((attachment.position?.[name] ?? 0) > 0);
    return splitters[name];
  };
  const take = async (stream: OutputName, lines: readonly string[]) => {
    const time = times[stream];
    if (lines.length > 0) await taker.lines({ container, stream, time, lines });
  };
  const endPast = (reached: Partial<Position>, end: Position) => {
    const { stdout = 0, stderr = 0 } = reached;
    if (!isPast || stdout < end.stdout || stderr < end.stderr) return;
    isPast = false;
    taker.live();
  };
  const attachment = attach(
    address,
    { container, observe: true, tail: tailBytes },
    {
      dial,
      giveUpMs: GIVE_UP_MS,
      signal,
      onTime: (name, time) => {
        times[name] = time.getTime();
      },
      async onData(name, bytes, offset) {
        // Small pieces are young garbage; large strings would wait for a full collection.
        for (let at = 0; at < bytes.length; at += PIECE_BYTES) {
          await take(name, splitter(name).push(bytes.subarray(at, at + PIECE_BYTES)));
        }
        if (isPast) {
          const { end } = await attachment.attached;
          endPast({ ...attachment.position, [name]: offset + bytes.length }, end);
        }
      },
      onGap(stream, from, to, reason) {
        void take(stream, splitter(stream).end());
        splitters[stream] = new LineSplitter(false); // what is left of a line is shown too
        taker.gap({ container, gap: { from, to, reason } });
      },
    },
  );
  try {
    const { end, keepBytes } = await attachment.attached;
    if (keepBytes === 0) throw noLog(container);
    endPast(attachment.position ?? {}, end);
    await attachment.exit;
    for (const name of ["stdout", "stderr"] as const) await take(name, splitter(name).end());
    if (isPast) taker.live();
  } catch (error) {
    attachment.close();
    attachment.exit.catch(() => undefined);
    throw error instanceof RpcError && error.kind === "failed-precondition" ? noLog(container) : error;
  }
}

function noLog(container: string): OperationError {
  return new OperationError(
    `logs ${container}: the agent keeps no log of it; agents do with agent.container_logs=BYTES`,
  );
}
