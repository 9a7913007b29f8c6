import type { ForwardProtocol } from "../forward-parts.ts";

/** Announcements of 8 bytes, without frames. */
export const plainProtocol: ForwardProtocol = {
  finish: (total) => Buffer.from(Float64Array.of(total).buffer),
  readFinish: (bytes) => (bytes.length < 8 ? undefined : Buffer.from(bytes).readDoubleLE()),
  failure: (error) => Buffer.from(String(error)),
};
