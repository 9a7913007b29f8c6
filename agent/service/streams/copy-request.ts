import { ArchiveError } from "../../../lib/archive/archive-error.ts";
import { isPlainPath } from "../../../lib/plain-path.ts";
import { codec, DecodeError } from "../../../proto/codec.ts";
import { guestd } from "../../../proto/gen/messages.js";
import { AgentError, SystemError } from "../../kernel/error.ts";

const MAX_PATH = 4095;

const copyMessage = codec("guestd.v1.Copy", guestd.v1.Copy);

/** Decodes and checks a request; `own` is this guest's epoch. Throws AgentError. */
export function decodeCopy(payload: Uint8Array, own: Uint8Array): guestd.v1.Copy {
  const request = decode(payload);
  const { version, path, copy_id, epoch, name } = request;
  const refuse = (why: string) => new AgentError("invalid-argument", `copy: ${why}`);
  if (version < 1) throw refuse("the request has no version; set 1");
  if (epoch.length > 0 && !Buffer.from(epoch).equals(own)) {
    throw new AgentError("not-found", "copy: the guest was started again since; copy again from the beginning");
  }
  if (!/^[\w-]{8,64}$/.test(copy_id)) throw refuse("copy_id must have 8 to 64 letters, digits and dashes");
  if (!isPlainPath(path) || Buffer.byteLength(path) > MAX_PATH) {
    const why = `is no absolute path of at most ${MAX_PATH} bytes without "." and ".." and empty parts`;
    throw refuse(`path ${JSON.stringify(path.slice(0, 200))} ${why}`);
  }
  if (name.length > 255 || name.includes(0) || name.includes(0x2f)) throw refuse("name is no file name");
  if (request.in && [".", ".."].includes(Buffer.from(name).toString("latin1"))) throw refuse("name is no file name");
  return request;
}

function decode(payload: Uint8Array): guestd.v1.Copy {
  try {
    return copyMessage.decode(payload);
  } catch (error) {
    if (error instanceof DecodeError) throw new AgentError("invalid-argument", error.message, { cause: error });
    throw error;
  }
}

/** Turns a failure into one line that names the copy. */
export function copyError(request: guestd.v1.Copy, error: unknown): unknown {
  const container = request.container_id === "" ? "the guest" : `container ${request.container_id.slice(0, 80)}`;
  const what = `copy ${request.in ? "into" : "out of"} ${container}`;
  if (error instanceof ArchiveError) return new AgentError(error.kind, `${what}: ${error.message}`, { cause: error });
  if (!(error instanceof SystemError)) return error;
  const kind = error.code === "ENOENT" ? "not-found" : error.code === "EXDEV" ? "failed-precondition" : "internal";
  const { text } = { text: error.message.replace(/^.*?: /, "") };
  return new AgentError(kind, `${what}: ${request.path.slice(0, 200)}: ${text}`, { cause: error });
}
