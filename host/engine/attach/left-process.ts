import { isCodeName, RpcError } from "../../client/rpc-error.ts";
import type { Attachment } from "../../client/streams/attachment.ts";
import type { Position } from "../../client/streams/position.ts";
import { OperationError } from "../../operation-error.ts";

/** Why guestctl leaves a process: "gone" if the process was removed, otherwise it may still be running. */
export type LeaveKind = "cut" | "detached" | "taken-over" | "gone";

/** Reason to end an attachment. */
export class Leave extends Error {
  readonly kind: LeaveKind;

  constructor(kind: LeaveKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** Thrown when guestctl has left a process. The message says how far its output got, and how to continue. */
export class LeftProcess extends OperationError {
  readonly left: LeaveKind;

  constructor(left: LeaveKind, message: string, options: ErrorOptions) {
    super(message, { ...options, exitCode: 125 });
    this.left = left;
  }
}

export interface LeftPlace {
  /** The process, in messages to the user. */
  readonly name: string;
  /** Returns the command line that continues at a position; undefined if the process ends with this guestctl. */
  resume?(position: Position): string;
}

/** Returns the error to throw for an attachment that ended without the end of its process. */
export function leftProcess(error: unknown, attachment: Pick<Attachment, "position">, place: LeftPlace): unknown {
  const { position } = attachment;
  if (error instanceof RpcError && isCodeName(error.kind) && position === undefined) {
    const line = error.message.replace("set takeover to replace it", "--takeover replaces it");
    return new RpcError(error.kind, line, { reason: error.reason });
  }
  if (!(error instanceof RpcError || error instanceof Leave)) return error;
  const kind = kindOf(error);
  const { stdout, stderr } = position ?? { stdout: 0, stderr: 0 };
  const at = `${kind === "detached" ? kind : "cut"} at byte ${stdout}${stderr === 0 ? "" : ` of stdout, ${stderr} of stderr`}`;
  const reason = error.cause instanceof Error ? error.cause.message : error.message;
  const resume = kind === "gone" ? undefined : place.resume?.({ stdout, stderr });
  const advice = resume === undefined ? "" : `; continue with: ${resume}${kind === "taken-over" ? " --takeover" : ""}`;
  return new LeftProcess(kind, `${place.name}: ${at}: ${reason}${advice}`, { cause: error });
}

function kindOf({ kind }: RpcError | Leave): LeaveKind {
  if (kind === "detached" || kind === "taken-over") return kind;
  return kind === "not-found" ? "gone" : "cut";
}
